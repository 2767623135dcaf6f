//! The bot end to end against the Telegram stand-in, beside a bare Python bot, as a table.
//!
//! Run by `scripts/bench.sh`. Times are wall-clock, from what a person says to the event at the stand-in.

use opsgram::sandbox::web::{Page, PageOptions, Player, Program};
use opsgram::sandbox::{Event, Options, Rates, Sandbox, View, What};
use sqlx::Executor;
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Persons who ask; each asks little, so that the bot's own pace (a message a second and chat) holds nothing back.
const PERSONS: i64 = 140;
/// Of them, those whose answers are not counted.
const WARM_UP: i64 = 20;
/// Pause between two questions: the bot sends at most 29 messages a second over all chats.
const BETWEEN: Duration = Duration::from_millis(60);
/// Longer than anything measured here takes.
const PATIENCE: Duration = Duration::from_secs(180);
/// Messages in the chat that the page shows.
const MESSAGES: u32 = 10_000;
/// Rows of a long history.
const HISTORY: u32 = 100_000;
/// Checks that look every second.
const CHECKS: usize = 100;
/// How long it is counted what they cost.
const COUNTED: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(measure())
}

async fn measure() -> Result<()> {
    if std::env::args().any(|arg| arg == "page") {
        return page().await;
    }
    let folder = tempfile::tempdir()?;
    if std::env::args().any(|arg| arg == "checks") {
        return checks(folder.path()).await;
    }
    let ours = Side::opsgram(folder.path(), "fresh", "")?;
    println!(
        "\n{:<46} {:>14} {:>14} {:>8}",
        "", "opsgram", "bare Python", "ratio"
    );
    let theirs = match std::env::var("OPSGRAM_BENCH_PYTHON") {
        Ok(python) => Some(Side::python(&python, folder.path())?),
        Err(_) => None,
    };
    let (mine, other) = talk(&ours, theirs.as_ref()).await?;
    compare(&mine, other.as_ref());
    crowd(folder.path()).await?;
    loud(folder.path(), "card").await?;
    loud(folder.path(), "stream").await?;
    huge(folder.path()).await?;
    workflows(folder.path()).await?;
    history(folder.path()).await?;
    checks(folder.path()).await?;
    page().await
}

/// The page of the sandbox, with a long chat: what it reads at the start, the newest messages, and some in the middle.
async fn page() -> Result<()> {
    let sandbox = stand_in(Rates::Off).await?;
    for n in 0..MESSAGES {
        sandbox.say(1, 1, &format!("/run hello {n}"));
    }
    let options = PageOptions {
        port: 0,
        players: vec![Player {
            id: 1,
            role: "owner".into(),
        }],
        key: None,
        program: Program {
            path: "true".into(),
            args: Vec::new(),
            env: Vec::new(),
        },
    };
    let page = Page::start(sandbox, options).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    for (what, path) in [
        ("begins", "api/feed"),
        ("newest 100", "api/messages?chat=1"),
        ("100 before the 5,000th", "api/messages?chat=1&before=5000"),
    ] {
        let mut times = Vec::new();
        for _ in 0..200 {
            let begun = Instant::now();
            let mut answer = client
                .get(format!("{}{path}", page.url()))
                .send()
                .await?
                .error_for_status()?;
            match path {
                // The stream never ends; its first part is the whole world.
                "api/feed" => drop(answer.chunk().await?),
                _ => drop(answer.bytes().await?),
            }
            times.push(begun.elapsed());
        }
        let (half, most) = (median(&mut times), percentile(&mut times, 0.95));
        let (half, most) = (half.as_secs_f64() * 1e3, most.as_secs_f64() * 1e3);
        line(
            &format!("page, 10,000 messages: {what}"),
            format!("{half:.1} · {most:.1} ms"),
        );
    }
    page.stop().await;
    Ok(())
}

/// A bot to be measured: how it is started.
struct Side {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Side {
    fn opsgram(folder: &Path, name: &str, scripts: &str) -> Result<Self> {
        let home = folder.join(name);
        fs::create_dir_all(&home)?;
        write_script(&home.join("hello.sh"), "echo Hello, world")?;
        let users: Vec<_> = (1..=PERSONS)
            .map(|id| format!("    - {{id: {id}, name: p{id}, role: owner}}\n"))
            .collect();
        let config = home.join("opsgram.yaml");
        let yaml = format!(
            "access:\n  users:\n{}monitored_devices:\n  - {{name: root, path: /}}\nscripts:\n  hello: {{run: ./hello.sh, concurrency: 50}}\n{scripts}",
            users.concat()
        );
        fs::write(&config, yaml)?;
        Ok(Self {
            program: env!("CARGO_BIN_EXE_opsgram").into(),
            args: vec![
                "serve".into(),
                "--config".into(),
                config.display().to_string(),
            ],
            env: vec![
                (
                    "OPSGRAM_DATA_DIR".into(),
                    home.join("data").display().to_string(),
                ),
                ("OPSGRAM_LOG".into(), "error".into()),
            ],
        })
    }

    fn python(python: &str, folder: &Path) -> Result<Self> {
        let script = folder.join("hello.sh");
        write_script(&script, "echo Hello, world")?;
        let bot = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bare_bot.py");
        Ok(Self {
            program: python.into(),
            args: vec![bot.display().to_string()],
            env: vec![("SCRIPT".into(), script.display().to_string())],
        })
    }

    /// Starts the bot; the time is from there to its first `getUpdates`.
    async fn start(&self, sandbox: &Sandbox) -> Result<(Running, Duration)> {
        let before = sandbox.seq();
        let begun = Instant::now();
        let child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .env("PATH", std::env::var("PATH")?)
            .envs(self.env.iter().cloned())
            .env("API", sandbox.api_url())
            .env("TOKEN", sandbox.token())
            .env("OPSGRAM_TELEGRAM_API_URL", sandbox.api_url())
            .env("OPSGRAM_TELEGRAM_TOKEN", sandbox.token())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let running = Running(child);
        let polls = |event: &Event| matches!(event.what, What::Polling { .. });
        sandbox
            .wait(PATIENCE, "the first poll", |view: &View<'_>| {
                view.events_since(before).any(polls).then_some(())
            })
            .await?;
        Ok((running, begun.elapsed()))
    }
}

/// A bot that is stopped when it is no longer needed.
struct Running(Child);

impl Running {
    /// A figure of `/proc/PID/status`, in megabytes.
    fn memory(&self, what: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with(what))
            .ok_or("no such figure")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
        Ok(kilobytes / 1024.0)
    }

    /// The processor time that it took since its start, its own and the system's for it, in seconds.
    fn spent(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The name, in brackets, may hold blanks; what follows it does not.
        let (_, fields) = stat.rsplit_once(") ").ok_or("no name")?;
        let ticks: Vec<f64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / ticks_per_second()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a conversation with a bot showed.
struct Talked {
    start: Duration,
    memory: f64,
    status: Vec<Duration>,
    run: Vec<Duration>,
}

/// A bot that is talked with.
struct Talk {
    sandbox: Sandbox,
    _bot: Running,
    shown: Talked,
}

impl Talk {
    /// Starts a bot, and looks at it before anybody speaks to it.
    async fn begin(side: &Side) -> Result<Self> {
        let sandbox = stand_in(Rates::Off).await?;
        // The first start makes the database; a person restarts a bot far more often than that.
        drop(side.start(&sandbox).await?);
        let mut starts = Vec::new();
        for _ in 0..4 {
            starts.push(side.start(&sandbox).await?.1);
        }
        let (bot, start) = side.start(&sandbox).await?;
        starts.push(start);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let shown = Talked {
            start: median(&mut starts),
            memory: bot.memory("VmRSS")?,
            status: Vec::new(),
            run: Vec::new(),
        };
        Ok(Self {
            sandbox,
            _bot: bot,
            shown,
        })
    }

    /// Says this and waits for the answer, which counts once both sides are warm.
    async fn ask(&mut self, person: i64, text: &str, answer: &str) -> Result<()> {
        let took = ask(&self.sandbox, person, text, answer).await?;
        if person > WARM_UP {
            match text {
                "/status" => self.shown.status.push(took),
                _ => self.shown.run.push(took),
            }
        }
        tokio::time::sleep(BETWEEN).await;
        Ok(())
    }
}

/// Talks with one bot and with another in turns, so that whatever else the machine does in that time meets both.
async fn talk(ours: &Side, theirs: Option<&Side>) -> Result<(Talked, Option<Talked>)> {
    let mut mine = Talk::begin(ours).await?;
    let mut other = match theirs {
        Some(side) => Some(Talk::begin(side).await?),
        None => None,
    };
    for (text, answer) in [("/status", "oad "), ("/run hello", "Hello, world")] {
        for person in 1..=PERSONS {
            mine.ask(person, text, answer).await?;
            if let Some(other) = &mut other {
                other.ask(person, text, answer).await?;
            }
        }
    }
    Ok((mine.shown, other.map(|talk| talk.shown)))
}

/// Says something and returns the time to the message that holds the answer.
async fn ask(sandbox: &Sandbox, person: i64, text: &str, answer: &str) -> Result<Duration> {
    let before = sandbox.seq();
    let begun = Instant::now();
    sandbox.say(person, person, text);
    let at = answered(sandbox, person, before, answer).await?;
    Ok(at - begun)
}

/// The moment at which a message of the bot came to hold the words.
async fn answered(sandbox: &Sandbox, chat: i64, since: u64, words: &str) -> Result<Instant> {
    let found = |view: &View<'_>| {
        let told = |event: &Event| match &event.what {
            What::Sent {
                chat: c,
                message_id,
            }
            | What::Edited {
                chat: c,
                message_id,
            } => {
                *c == chat
                    && view
                        .message(chat, *message_id)
                        .is_some_and(|message| message.text.contains(words))
            }
            _ => false,
        };
        view.events_since(since)
            .find(|event| told(event))
            .map(|event| event.at)
    };
    Ok(sandbox.wait(PATIENCE, words, found).await?)
}

fn compare(mine: &Talked, other: Option<&Talked>) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let row = |what: &str, unit: &str, mine: f64, other: Option<f64>| match other {
        Some(other) => println!(
            "{what:<46} {mine:>11.1} {unit:<2} {other:>11.1} {unit:<2} {:>7.2}",
            mine / other
        ),
        None => println!("{what:<46} {mine:>11.1} {unit:<2}"),
    };
    let pick = |get: fn(&Talked) -> Vec<Duration>, share: f64| {
        let at = |talked: &Talked| ms(percentile(&mut get(talked), share));
        (at(mine), other.map(at))
    };
    row(
        "start to the first getUpdates, median of 5",
        "ms",
        ms(mine.start),
        other.map(|o| ms(o.start)),
    );
    row("memory idle", "MB", mine.memory, other.map(|o| o.memory));
    for (what, get) in [
        (
            "/status answered",
            (|t| t.status.clone()) as fn(&Talked) -> Vec<Duration>,
        ),
        ("/run hello to its output", |t| t.run.clone()),
    ] {
        let (mine, theirs) = pick(get, 0.5);
        row(&format!("{what}, median"), "ms", mine, theirs);
        let (mine, theirs) = pick(get, 0.95);
        row(&format!("{what}, p95"), "ms", mine, theirs);
    }
}

/// 50 jobs at once, and what others notice of it.
async fn crowd(folder: &Path) -> Result<()> {
    let side = Side::opsgram(folder, "crowd", "")?;
    let sandbox = stand_in(Rates::Off).await?;
    let (_bot, _) = side.start(&sandbox).await?;
    let before = sandbox.seq();
    let begun = Instant::now();
    for person in 1..=50 {
        sandbox.say(person, person, "/run hello");
    }
    let mut others = Vec::new();
    for person in 100..110 {
        others.push(ask(&sandbox, person, "/status", "oad ").await?);
    }
    let mut last = begun;
    for person in 1..=50 {
        last = last.max(answered(&sandbox, person, before, "Hello, world").await?);
    }
    line(
        "50 jobs at once, all told (29 messages a second)",
        format!("{:.2} s", (last - begun).as_secs_f64()),
    );
    line(
        "  /status meanwhile, median",
        format!("{:.1} ms", median(&mut others).as_secs_f64() * 1000.0),
    );
    Ok(())
}

/// 20,000 lines under Telegram's rates.
async fn loud(folder: &Path, output: &str) -> Result<()> {
    let home = format!("loud-{output}");
    let scripts = format!("  loud: {{run: ./loud.sh, output: {output}}}\n");
    let side = Side::opsgram(folder, &home, &scripts)?;
    let text = "yes 'a line of a log that is eighty bytes long, as lines of logs mostly are, and so on' | head -20000";
    write_script(&folder.join(&home).join("loud.sh"), text)?;
    let sandbox = stand_in(Rates::Telegram).await?;
    let (_bot, _) = side.start(&sandbox).await?;
    let before = sandbox.seq();
    sandbox.say(1, 1, "/run loud");
    answered(&sandbox, 1, before, "The whole output").await?;
    sandbox
        .wait(PATIENCE, "the ended card", |view: &View<'_>| {
            let ended = view.from_bot(1).any(|m| m.button("Run again").is_some());
            ended.then_some(())
        })
        .await?;
    let messages = sandbox.from_bot(1);
    let file = messages
        .iter()
        .find_map(|message| message.document.as_ref());
    let bytes = file.map_or(0, |file| file.bytes.len());
    line(
        &format!("20,000 lines as a {output}, at Telegram's pace"),
        format!(
            "{} messages, file of {bytes} bytes, {} floods",
            messages.len(),
            sandbox.floods_earned()
        ),
    );
    Ok(())
}

/// 1 GiB of output.
async fn huge(folder: &Path) -> Result<()> {
    let scripts = "  huge: {run: ./huge.sh, timeout: 10m}\n";
    let side = Side::opsgram(folder, "huge", scripts)?;
    let text = "yes 'a line of a log that is eighty bytes long, as lines of logs mostly are, and so on' | head -c 1073741824";
    let script = folder.join("huge/huge.sh");
    write_script(&script, text)?;
    let begun = Instant::now();
    let file = fs::File::create(folder.join("huge/by-itself"))?;
    Command::new(&script).stdout(file).status()?;
    let alone = begun.elapsed();
    fs::remove_file(folder.join("huge/by-itself"))?;
    let sandbox = stand_in(Rates::Telegram).await?;
    let (bot, _) = side.start(&sandbox).await?;
    let before = sandbox.seq();
    let begun = Instant::now();
    sandbox.say(1, 1, "/run huge");
    let told = answered(&sandbox, 1, before, "✅ huge").await? - begun;
    answered(&sandbox, 1, before, "its beginning and end").await?;
    line(
        "1 GiB of output, peak memory",
        format!("{:.1} MB", bot.memory("VmHWM")?),
    );
    line(
        "  told after",
        format!(
            "{:.1} s; into a file, without the bot: {:.1} s",
            told.as_secs_f64(),
            alone.as_secs_f64()
        ),
    );
    Ok(())
}

/// Workflows: what a step costs beside its program, and many runs at once.
async fn workflows(folder: &Path) -> Result<()> {
    let steps = |count: usize| {
        let step = |number: usize| format!("      - {{name: s{number}, run: [/bin/true]}}\n");
        (1..=count).map(step).collect::<String>()
    };
    let flow = |name: &str, count: usize| {
        format!(
            "  {name}:\n    concurrency: parallel\n    steps:\n{}",
            steps(count)
        )
    };
    let yaml = format!("workflows:\n{}{}", flow("long", 1000), flow("short", 3));
    let side = Side::opsgram(folder, "workflows", &yaml)?;
    let sandbox = stand_in(Rates::Off).await?;
    let (bot, _) = side.start(&sandbox).await?;
    let begun = Instant::now();
    for _ in 0..1000 {
        Command::new("/bin/true").status()?;
    }
    let alone = begun.elapsed();
    let begun = Instant::now();
    sandbox.say(1, 1, "/workflow run long");
    // Its card is edited: what counts is when it says so, not when it came.
    sandbox
        .wait(PATIENCE, "the end of the run", |view: &View<'_>| {
            let ended = view.from_bot(1).any(|m| m.text.contains("succeeded"));
            ended.then_some(())
        })
        .await?;
    let took = begun.elapsed();
    line(
        "a run of 1,000 steps that do nothing",
        format!(
            "{:.2} s, a step {:.2} ms; its program alone {:.2} ms",
            took.as_secs_f64(),
            took.as_secs_f64(),
            alone.as_secs_f64()
        ),
    );
    let before = sandbox.seq();
    let begun = Instant::now();
    for person in 1..=100 {
        sandbox.say(person, person, "/workflow run short");
    }
    let mut last = begun;
    for person in 1..=100 {
        last = last.max(answered(&sandbox, person, before, "succeeded").await?);
    }
    line(
        "100 runs of three steps at once, all told",
        format!(
            "{:.2} s; memory {:.1} MB",
            (last - begun).as_secs_f64(),
            bot.memory("VmRSS")?
        ),
    );
    Ok(())
}

/// 100,000 past jobs beside none.
async fn history(folder: &Path) -> Result<()> {
    let mut figures = Vec::new();
    for (name, rows) in [("short", 0), ("long", HISTORY)] {
        let scripts = "  log: {run: ./log.sh}\n";
        let side = Side::opsgram(folder, name, scripts)?;
        write_script(&folder.join(name).join("log.sh"), "seq 20000")?;
        let sandbox = stand_in(Rates::Off).await?;
        drop(side.start(&sandbox).await?);
        fill(&folder.join(name).join("data/opsgram.db"), rows).await?;
        let mut starts = Vec::new();
        for _ in 0..5 {
            starts.push(side.start(&sandbox).await?.1);
        }
        let (_bot, _) = side.start(&sandbox).await?;
        ask(&sandbox, 1, "/run log", "The whole output").await?;
        let id = rows + 1;
        let (mut jobs, mut grep) = (Vec::new(), Vec::new());
        let (mut filtered, mut all) = (Vec::new(), Vec::new());
        for person in 2..=60 {
            jobs.push(ask(&sandbox, person, "/jobs", "#").await?);
            tokio::time::sleep(BETWEEN).await;
            let text = format!("/output {id} grep 19999");
            grep.push(ask(&sandbox, person, &text, "One line").await?);
            tokio::time::sleep(BETWEEN).await;
            let text = "/jobs ok log by p1 since 1h";
            filtered.push(ask(&sandbox, person, text, "1 job").await?);
            tokio::time::sleep(BETWEEN).await;
        }
        // It goes on to the oldest job, or for two seconds.
        for person in 61..=63 {
            all.push(ask(&sandbox, person, "/output grep 19999", "was found").await?);
        }
        figures
            .push([&mut starts, &mut jobs, &mut filtered, &mut grep, &mut all].map(|t| median(t)));
    }
    for (i, what) in [
        "start-up",
        "/jobs",
        "/jobs by four filters",
        "/output … grep",
        "/output grep, all jobs,",
    ]
    .iter()
    .enumerate()
    {
        let [short, long] = [figures[0][i], figures[1][i]].map(|t| t.as_secs_f64() * 1000.0);
        line(
            &format!("{what} with 100,000 past jobs"),
            format!(
                "{long:.1} ms; with none {short:.1} ms; ratio {:.2}",
                long / short
            ),
        );
    }
    Ok(())
}

/// A hundred checks that look every second, beside none but those that there are by themselves.
async fn checks(folder: &Path) -> Result<()> {
    let sandbox = stand_in(Rates::Off).await?;
    let port = sandbox.port();
    let mut yaml = "checks:\n".to_owned();
    for n in 0..CHECKS {
        let what = match n % 5 {
            0 => "kind: memory, warn: 100".to_owned(),
            1 => "kind: load, warn: 10000".to_owned(),
            2 => "kind: disk, path: /, measure: free, crit: 1".to_owned(),
            3 => format!(
                "kind: file, path: {}, measure: age, warn: 365d",
                folder.display()
            ),
            _ => format!("kind: tcp, address: '127.0.0.1:{port}'"),
        };
        yaml.push_str(&format!("  check-{n}: {{{what}, every: 1s, for: 1m}}\n"));
    }
    let mut figures = Vec::new();
    for (name, yaml) in [("idle", ""), ("checks", yaml.as_str())] {
        let side = Side::opsgram(folder, name, yaml)?;
        let (bot, _) = side.start(&sandbox).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (before, begun) = (bot.spent()?, Instant::now());
        tokio::time::sleep(COUNTED).await;
        let share = (bot.spent()? - before) / begun.elapsed().as_secs_f64() * 100.0;
        figures.push((share, bot.memory("VmRSS")?));
        drop(bot);
        let looked = rows(&folder.join(name).join("data/opsgram.db")).await?;
        if !yaml.is_empty() && looked < i64::try_from(CHECKS)? {
            return Err(format!("only {looked} checks looked").into());
        }
    }
    let [(idle, little), (busy, much)] = figures[..] else {
        return Err("two bots were to be measured".into());
    };
    line(
        "100 checks every second, processor",
        format!("{busy:.2} % of one; with none {idle:.2} %"),
    );
    line(
        "  memory",
        format!("{much:.1} MB; with none {little:.1} MB"),
    );
    Ok(())
}

/// How many checks wrote down where they stand.
async fn rows(database: &Path) -> Result<i64> {
    use sqlx::Connection;
    let url = format!("sqlite://{}", database.display());
    let mut db = sqlx::SqliteConnection::connect(&url).await?;
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM checks WHERE name LIKE 'check-%'")
        .fetch_one(&mut db)
        .await?;
    db.close().await?;
    Ok(count)
}

fn ticks_per_second() -> Result<f64> {
    use nix::unistd::{SysconfVar, sysconf};
    let ticks =
        sysconf(SysconfVar::CLK_TCK)?.ok_or("the system does not say how long a tick is")?;
    Ok(f64::from(i32::try_from(ticks)?))
}

async fn fill(database: &Path, rows: u32) -> Result<()> {
    use sqlx::Connection;
    let mut db =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", database.display())).await?;
    let insert = format!(
        "INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, source, request_id, lane,
            lane_limit, user_limit, after_crash, output, created_at, started_at, finished_at, starts, exit_code)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         SELECT 'script.run', '{{\"script\":\"hello\",\"given\":[],\"argv\":[\"x\"]}}', 'hello', 'succeeded', 'operator',
            1 + i % 50, 'p', 1 + i % 50, 'old:' || i, 'r', 'script:hello', 1, 4, 'report', 'card',
            1790000000000 + i, 1790000000000 + i, 1790000000000 + i, 1, 0 FROM n WHERE {rows} > 0"
    );
    db.execute(sqlx::AssertSqlSafe(insert)).await?;
    db.close().await?;
    Ok(())
}

async fn stand_in(rates: Rates) -> Result<Sandbox> {
    let sandbox = Sandbox::start(Options {
        rates,
        ..Options::default()
    })
    .await?;
    for person in 1..=PERSONS {
        sandbox.add_person(person, &format!("p{person}"), None);
        sandbox.open_private(person);
    }
    Ok(sandbox)
}

fn write_script(path: &Path, body: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{body}\n"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn line(what: &str, figure: String) {
    println!("{what:<46} {figure}");
}

fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 0.5)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index into some hundred times"
)]
fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share).round() as usize]
}
