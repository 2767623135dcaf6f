//! `kill -9`, at seeded moments and at chosen ones: what is over is not done again, timers keep their end, what always runs
//! does, and the result is true.

use super::parts::serve_git;
use super::program;
use super::web::{Reply, Web};
use crate::harness::tools::{Gate, children, lines, until};
use crate::harness::{BEN, Outside, World};
use crate::on_both;
use opsgram::base::ids::JobId;
use opsgram::base::job::JobState;
use opsgram::base::workflow::{StepRow, StepState};
use opsgram::store::{self, Store};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// How many graphs are tried, how often each run is killed at the most, and the time after which no other begins.
const GRAPHS: usize = 4;
const KILLS: usize = 4;
const ENOUGH: Duration = Duration::from_secs(15);

pub async fn rows(store: &Store, run: i64) -> Vec<StepRow> {
    let mut db = store.read().await.unwrap();
    store::workflows::steps(&mut db, JobId(run)).await.unwrap()
}

/// Notes what it got of earlier steps, that it ran, and the word that it prints, each time another.
const WORK: &str = "name=$1 step=$2 pause=$3 code=$4; shift 4
    for got; do echo $name $step got $got >> HERE/heard; done
    echo $name $step >> HERE/done
    word=$$-$(date +%s%N)
    echo $name $step said $word >> HERE/heard; echo says $word; sleep $pause; exit $code";

/// What the graphs are made with: a program, a git repository and a web server.
struct Outer {
    work: String,
    git: u16,
    web: String,
}

/// What a step is given of an earlier one: the word that it printed.
fn given(by: usize) -> String {
    format!("'s{by}={{{{ steps.s{by}.word }}}}'")
}

/// A workflow of some steps, each of which may need earlier ones and what they printed, may fail, and has some rule for
/// a crash.
fn graph(name: &str, outer: &Outer, random: &mut StdRng) -> String {
    let Outer { work, git, web } = outer;
    let mut yaml = format!("  {name}:\n    parallel: 3\n    notify: []\n    steps:\n");
    let mut speak = Vec::new();
    for seq in 0..random.random_range(3..7) {
        let needs: Vec<usize> = (0..seq).filter(|_| random.random_bool(0.4)).collect();
        let heard = needs.iter().filter(|need| speak.contains(*need));
        let heard: String = heard.map(|need| format!(", {}", given(*need))).collect();
        let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
        let (pause, code) = (
            random.random_range(0..4),
            i32::from(random.random_bool(0.2)),
        );
        let pick = |of: [&'static str; 3], random: &mut StdRng| of[random.random_range(0..3)];
        let failure = pick(["continue", "skip_rest", "abort"], random);
        let crash = pick(["ask", "retry", "fail"], random);
        let back =
            format!("undo: [sh, {work}, {name}, back{seq}, '0.{pause}', '0'], confirm_within: 1h");
        let run = format!(
            "run: [sh, {work}, {name}, s{seq}, '0.{pause}', '{code}'{heard}], capture: {{word: 'says (.+)'}}"
        );
        let kind = random.random_range(0..6);
        let what = match kind {
            0 => format!("http: {{method: POST, url: '{web}/{name}/s{seq}'}}"),
            1 => format!("git: {{url: 'git://127.0.0.1:{git}/site', dir: s{seq}}}"),
            2 => format!("{run}, {back}"),
            _ => run,
        };
        if kind > 1 {
            speak.push(seq);
        }
        yaml.push_str(&format!(
            "      - {{name: s{seq}, needs: [{}], {what}, on_crash: {crash}, on_failure: {failure}}}\n",
            needs.join(", ")
        ));
    }
    yaml.push_str(&format!(
        "    always: [{{name: last, run: [sh, {work}, {name}, last, '0.1', '0']}}]\n"
    ));
    yaml
}

/// What the programs of the graphs noted behind these words, oldest first.
fn heard(world: &World, words: &str) -> Vec<String> {
    let all = lines(&world.path().join("heard")).into_iter();
    all.filter_map(|line| Some(line.strip_prefix(words)?.to_owned()))
        .collect()
}

/// Answers whatever a run asks, until it is over; how often somebody said yes of each step.
async fn answered(
    world: &World,
    store: &Store,
    run: i64,
    random: &mut StdRng,
    yes: &mut Vec<usize>,
) {
    loop {
        let job = world.job(store, run).await;
        if job.state.is_final() {
            return;
        }
        for (seq, row) in rows(store, run).await.iter().enumerate() {
            if row.state.is_asked() && row.answer.is_none() {
                let said = ["yes", "no"][random.random_range(0..2)];
                let data = format!("step:{said}:{run}:{seq}:{}", row.attempt);
                let told = world.forges(BEN, BEN, &data).await.unwrap_or_default();
                // It may be settled in this very moment, and then asked again.
                if said == "yes" && !told.contains("Nobody needs") && !told.contains("said so") {
                    yes.push(seq);
                }
            }
        }
        // There is no event for a row; this is the pace of looking.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

on_both! {
    /// Small random graphs, each run killed several times; people answer what is asked at last.
    async fn whenever_it_is_killed_what_is_over_is_not_done_again(world) {
        let seed: u64 = match std::env::var("OPSGRAM_TEST_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => rand::rng().random(),
        };
        println!("OPSGRAM_TEST_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let done = world.path().join("done");
        let served = serve_git(&world, &[("hello", "from the repository\n")]).await;
        let asked = done.clone();
        let web = Web::start(move |_, place| {
            let line = format!("{}\n", place.trim_start_matches('/').replace('/', " "));
            let mut file = File::options().create(true).append(true).open(&asked).unwrap();
            file.write_all(line.as_bytes()).unwrap();
            Reply { after: Duration::from_millis(200), ..Reply::new(200, "{}") }
        })
        .await;
        let here = world.path().display().to_string();
        let work = program(&world, "work", &WORK.replace("HERE", &here));
        let outer = Outer { work, git: served.port, web: web.url.clone() };
        let graphs: Vec<String> = (0..GRAPHS).map(|n| graph(&format!("g{n}"), &outer, &mut random)).collect();
        world.set(&format!("workflows:\n{}", graphs.concat()));
        let mut bot = Outside::start(&world).await;
        let db = world.database().await;
        let begun = Instant::now();
        for (number, graph) in graphs.iter().enumerate() {
            if begun.elapsed() > ENOUGH {
                break;
            }
            let (run, name) = (i64::try_from(number).unwrap() + 1, format!("g{number}"));
            let times = |step: &str| {
                let line = format!("{name} {step}");
                lines(&done).iter().filter(|one| **one == line).count()
            };
            let step = |seq: usize, count: usize| match seq + 1 == count {
                true => "last".to_owned(),
                false => format!("s{seq}"),
            };
            world.say(BEN, &format!("/workflow run {name}"));
            world.sees(BEN, &format!("{name} · #{run}")).await;
            let mut over: Vec<(usize, StepRow, usize)> = Vec::new();
            for _ in 0..KILLS {
                // The moment of death is the point of the test; nothing is waited for.
                tokio::time::sleep(Duration::from_millis(random.random_range(0..700))).await;
                bot.kill().await;
                let now = rows(&db, run).await;
                let count = now.len();
                let finished = now.into_iter().enumerate().filter(|(_, row)| row.state.is_over());
                over.extend(finished.map(|(seq, row)| (seq, row, times(&step(seq, count)))));
                let is_over = world.job(&db, run).await.state.is_final();
                bot = Outside::start(&world).await;
                if is_over {
                    break;
                }
            }
            let mut yes = Vec::new();
            answered(&world, &db, run, &mut random, &mut yes).await;
            world.quiet_in(&db).await;
            let end = rows(&db, run).await;
            for (seq, before, ran) in over {
                let step = step(seq, end.len());
                assert_eq!(times(&step), ran, "seed {seed}: {name} {step} ran again after its end");
                assert_eq!(end[seq], before, "seed {seed}: {name} {step} changed after its end");
            }
            assert!(times("last") >= 1, "seed {seed}: {name} was not tidied up");
            let failed = end.iter().any(|row| row.state == StepState::Failed);
            let expected = if failed { JobState::Failed } else { JobState::Succeeded };
            assert_eq!(world.job(&db, run).await.state, expected, "seed {seed}: {name}");
            for (seq, row) in end.iter().enumerate() {
                assert!(row.state.is_over(), "seed {seed}: {name} {seq} is {:?}", row.state);
                let Some(rule) = graph.lines().find(|line| line.contains(&format!("name: s{seq},"))) else {
                    continue;
                };
                let (ran, back) = (times(&format!("s{seq}")), times(&format!("back{seq}")));
                for by in (0..seq).filter(|by| rule.contains(&given(*by))) {
                    let got = heard(&world, &format!("{name} s{seq} got s{by}="));
                    assert!(got.len() >= ran, "seed {seed}: {name} {seq} was given nothing of {by}");
                    let said = heard(&world, &format!("{name} s{by} said "));
                    let (said, found) = (said.last(), end[by].found.get("word"));
                    let is_true = got.iter().all(|word| Some(word) == said && Some(word) == found);
                    assert!(is_true, "seed {seed}: {name} {seq}: {got:?} of {by}, not {said:?}, {found:?}");
                }
                // It may have been cut off before it said so.
                assert!(ran == 0 || row.state != StepState::Blocked, "seed {seed}: {name} {seq} is {:?}", row.state);
                let said = yes.iter().filter(|one| **one == seq).count();
                let most = if rule.contains("on_crash: retry") { 3 + said } else { 1 + said };
                assert!(ran <= most && back <= most, "seed {seed}: {name} {seq} ran {ran} times, was taken back {back} times");
                let undone = back > 0 && row.state == StepState::Done;
                assert!(!undone, "seed {seed}: {name} {seq} was taken back and is done");
            }
        }
        assert_eq!(children(&world), [0; 0]);
        bot.terminate().await;
    }
}

on_both! {
    /// A hold keeps its end, a wait goes on, a service is started again though no place is free, and nothing is left over.
    async fn what_lasts_goes_on(world) {
        let here = world.path().display().to_string();
        let serve = program(&world, "serve", &format!("echo up >> {here}/served; sleep 1000 & echo ready; wait"));
        world.set(&format!(
            "workflows:
  keep:
    parallel: 2
    notify: []
    steps:
      - {{name: serve, needs: [], service: [sh, {serve}], capture: {{word: 'ready'}}}}
      - {{name: hold, needs: [serve], hold: 1h}}
      - {{name: wait, needs: [serve], wait_for: {{file: {here}/there, every: 1s}}, timeout: 1h}}
      - {{name: after, needs: [wait], run: [sh, -c, 'echo after >> {here}/done']}}"
        ));
        let bot = Outside::start(&world).await;
        let db = world.database().await;
        world.say(BEN, "/workflow run keep");
        world.sees(BEN, "⏳ hold").await;
        world.sees(BEN, "▶️ wait").await;
        let before = rows(&db, 1).await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        until("the service to be started again", || lines(&world.path().join("served")).len() == 2).await;
        until("the old one to be gone", || children(&world).len() == 2).await;
        let now = rows(&db, 1).await;
        assert_eq!((now[1].until, now[2].until), (before[1].until, before[2].until));
        assert!(now[1].until.is_some());
        std::fs::write(world.path().join("there"), "").unwrap();
        world.sees(BEN, "✅ after").await;
        world.say(BEN, "/workflow stop keep");
        let card = world.sees(BEN, "stopped by ben").await;
        assert!(card.text.contains("🚫 hold") && card.text.contains("✅ wait"), "{}", card.text);
        world.quiet_in(&db).await;
        assert_eq!(children(&world), [0; 0]);
        until("its folder to be gone", || !walk(&world).iter().any(|name| name.contains("/work/"))).await;
        assert_eq!(lines(&world.path().join("done")), ["after"]);
        bot.terminate().await;
    }
}

/// Every file and folder of the bot.
fn walk(world: &World) -> Vec<String> {
    let mut open = vec![world.path().join("data")];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        // It may go while it is looked at.
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
            found.push(entry.path().display().to_string());
        }
    }
    found
}

on_both! {
    /// Stopped, and then killed or ended before it was over: it is still stopped by whom, and what always runs did.
    async fn stopped_then_killed_is_stopped(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let clean = program(&world, "clean", &format!("echo clean >> {}; echo cleaning; {}", done.display(), gate.wait()));
        world.set("jobs: {grace: 1s}");
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: hold, hold: 1h}}], always: [{{name: clean, run: [sh, {clean}]}}, {{name: last, run: [sh, -c, 'echo last >> {}']}}]}}}}",
            done.display()
        ));
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "⏳ hold").await;
        world.say(BEN, "/workflow stop w");
        world.sees(BEN, "cleaning").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        until("it to go on", || lines(&done).len() == 2).await;
        let (code, took) = bot.terminate().await;
        assert!(code == Some(0) && took < Duration::from_secs(20), "{code:?} after {took:?}");
        let bot = Outside::start(&world).await;
        until("it to go on", || lines(&done).len() == 3).await;
        gate.open(1);
        let card = world.sees(BEN, "stopped by ben").await;
        assert!(card.text.contains("🚫 hold") && card.text.contains("✅ clean"), "{}", card.text);
        assert_eq!(lines(&done), ["clean", "clean", "clean", "last"]);
        bot.terminate().await;
    }
}

on_both! {
    /// A run that was late stays late, also when it was killed afterwards.
    async fn late_then_killed_is_late(world) {
        let mut gate = Gate::new(&world, "gate");
        let clean = program(&world, "clean", &format!("echo cleaning; {}", gate.wait()));
        world.set(&format!(
            "workflows: {{w: {{max_duration: 1s, notify: [], steps: [{{name: wait, wait_for: {{file: /nowhere}}, timeout: 1h}}, {{name: more, run: [echo, more]}}], always: [{{name: clean, run: [sh, {clean}], on_crash: retry}}]}}}}"
        ));
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "cleaning").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        gate.open(2);
        let card = world.sees(BEN, "timed out after 1 s").await;
        assert!(card.text.contains("✅ clean") && card.text.contains("▫️ more"), "{}", card.text);
        bot.terminate().await;
    }
}

on_both! {
    /// What counts as failed after a crash fails the run, and what may be repeated is, each by its rule.
    async fn each_step_says_what_becomes_of_it(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let work = program(&world, "work", &format!("echo $1 >> {}; {}", done.display(), gate.wait()));
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: again, needs: [], run: [sh, {work}, again], on_crash: retry}}, {{name: fail, needs: [], run: [sh, {work}, fail], on_crash: fail}}], always: [{{name: last, run: [sh, -c, 'echo last >> {}']}}]}}}}",
            done.display()
        ));
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run w");
        until("both to begin", || lines(&done).len() == 2).await;
        bot.kill().await;
        gate.open(1);
        let bot = Outside::start(&world).await;
        let card = world.sees(BEN, "failed at fail: the bot was stopped while it ran").await;
        // The failure ends the run before the other is repeated.
        assert!(card.text.contains("🚫 again"), "{}", card.text);
        let all = lines(&done);
        assert_eq!((all.len(), all[2].as_str()), (3, "last"));
        bot.terminate().await;
    }
}
