//! `opsgram sandbox`: the bot against a Telegram of its own, in the browser or in the terminal.

mod line;
mod page;
mod sample;

use super::cli::{runtime, start_logging, stop_on_signal};
use super::terminal::{Screen, print};
use super::{App, Options};
use crate::config::{self, Config, Env, Loaded};
use crate::sandbox::{Rates, Sandbox, Standing};
use crate::services::Services;
use crate::store;
use anyhow::{Context, Result, anyhow};
pub(super) use line::FORMS;
use line::Line;
use rand::distr::{Alphanumeric, SampleString};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A conversation is quiet when nothing happened for this long and nothing is under way.
const QUIET: Duration = Duration::from_millis(400);
/// After this time the next line is said although the last one is still being worked on.
const NEXT_LINE: Duration = Duration::from_secs(2);
/// How often the conversation is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How the sandbox is started.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Say this as the owner, print the conversation, and end when it is quiet. May be given again;
    /// “[Run]” presses the newest button with these words, “:as ben” makes you another person.
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// A chat in this terminal instead of the page in the browser.
    #[arg(long)]
    terminal: bool,
    /// Another configuration than the sample; its token and Telegram address are replaced.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The port of the page on 127.0.0.1, 8090 when left out; 0 takes any free one. In the terminal, the port of the
    /// Telegram stand-in.
    #[arg(long)]
    port: Option<u16>,
}

/// Runs the sandbox.
///
/// # Errors
/// What could not be started.
pub fn run(args: Args, env: &Env) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("opsgram-sandbox-")
        .tempdir()
        .context("making a folder to try in")?;
    let file = match &args.config {
        Some(file) => file.clone(),
        None => sample::unpack(folder.path())?,
    };
    runtime()?.block_on(async {
        match args.terminal || !args.say.is_empty() {
            true => converse(args, file, folder.path(), env).await,
            false => {
                // The scripts of the sample change nothing; others may, and the page runs them as this user.
                let real = args.config.is_some();
                let key = real.then(|| Alphanumeric.sample_string(&mut rand::rng(), KEY_LETTERS));
                page::serve(args.port, file, key, folder.path(), env).await
            }
        }
    })
}

/// Letters of the page's key; more than anybody can try.
const KEY_LETTERS: usize = 32;
/// Nobody of the configuration.
const STRANGER: i64 = 999;

/// A Telegram that keeps the rates of the real one.
async fn stand_in(port: u16, record: usize) -> Result<Sandbox> {
    let options = crate::sandbox::Options {
        port,
        record,
        rates: Rates::Telegram,
        ..crate::sandbox::Options::default()
    };
    Sandbox::start(options)
        .await
        .context("starting the Telegram stand-in")
}

/// The people and groups of the configuration, and a stranger, who is in every group. A supergroup is a forum with a topic.
fn populate(sandbox: &Sandbox, config: &Config) {
    let mut people = vec![(STRANGER, "stranger")];
    let listed = config.access.users.iter();
    people.extend(listed.map(|user| (user.id.0, user.name.as_str())));
    for (id, name) in &people {
        sandbox.add_person(*id, name, None);
    }
    for chat in &config.access.chats {
        let forum = chat.id.0 <= FIRST_SUPERGROUP;
        sandbox.add_group(chat.id.0, &chat.name, forum);
        if forum {
            sandbox.add_topic(chat.id.0, "deploys");
        }
        for (id, _) in &people {
            sandbox.add_member(chat.id.0, *id, Standing::Member);
        }
    }
}

/// Supergroups have this identifier or a lower one.
const FIRST_SUPERGROUP: i64 = -1_000_000_000_000;

async fn converse(args: Args, file: PathBuf, folder: &Path, env: &Env) -> Result<()> {
    let sandbox = stand_in(args.port.unwrap_or(0), 0).await?;
    let mut env = env.clone();
    for (name, value) in overrides(&sandbox, folder) {
        env.set(name, value);
    }
    if env.get("OPSGRAM_LOG").is_none() {
        env.set("OPSGRAM_LOG", "error");
    }
    let loaded = config::load(&file, &env).map_err(|faults| anyhow!("{faults}"))?;
    start_logging(&loaded.config, &env)?;
    tell_unused(&loaded);
    let config = loaded.config;
    let owner = config.access.users.iter().max_by_key(|user| user.role);
    let owner = owner.map_or(111, |user| user.id.0);
    populate(&sandbox, &config);
    let mut persons = HashMap::from([("stranger".to_owned(), STRANGER)]);
    let users = config.access.users.iter();
    persons.extend(users.map(|user| (user.name.clone(), user.id.0)));
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let app = App::build(config, env, Options::default()).await?;
    let app = app.following(loaded.file, loaded.hash)?;
    let talk = Talk {
        services: app.services().clone(),
        sandbox,
        speaker: owner,
        persons,
    };
    let bot = tokio::spawn(app.run_until(stop.clone()));
    let talked = match args.say.is_empty() {
        true => talk.by_hand(&stop).await,
        false => talk.by_script(&args.say, &stop).await,
    };
    stop.cancel();
    bot.await.context("the bot broke down")??;
    match talked {
        Err(error) if is_unread(&error) => Ok(()),
        talked => talked,
    }
}

/// Whether whoever read what is printed wants no more of it, as `head` does.
fn is_unread(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The variables of the trial: the stand-in's address and token, and a data folder of its own.
fn overrides(sandbox: &Sandbox, folder: &Path) -> Vec<(String, String)> {
    let data = folder.join("data");
    let database = format!("sqlite://{}", data.join("opsgram.db").display());
    let own = [
        ("OPSGRAM_TELEGRAM_API_URL", sandbox.api_url()),
        ("OPSGRAM_TELEGRAM_TOKEN", sandbox.token().to_owned()),
        ("OPSGRAM_DATA_DIR", data.display().to_string()),
        ("OPSGRAM_DATABASE", database),
    ];
    own.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Says which keys of the file the trial has its own values for, beside the token and the address.
fn tell_unused(loaded: &Loaded) {
    let own = ["database", "data_dir"];
    let unused: Vec<_> = own
        .into_iter()
        .filter(|key| loaded.keys.iter().any(|set| set == key))
        .collect();
    if !unused.is_empty() {
        eprintln!(
            "The sandbox keeps its data in a folder of its own; it does not use {} of {}.",
            unused.join(" and "),
            loaded.file.display()
        );
    }
}

/// A conversation with the bot.
struct Talk {
    services: Services,
    sandbox: Sandbox,
    speaker: i64,
    persons: HashMap<String, i64>,
}

impl Talk {
    /// Says the lines one after another and ends when the conversation is quiet.
    async fn by_script(mut self, lines: &[String], stop: &CancellationToken) -> Result<()> {
        let mut screen = self.screen();
        for line in lines {
            screen.typed(line)?;
            let before = self.sandbox.seq();
            if self.take(line)?.is_break() {
                break;
            }
            self.settle(&mut screen, stop, before, Some(NEXT_LINE))
                .await?;
        }
        let before = self.sandbox.seq();
        self.settle(&mut screen, stop, before, None).await
    }

    /// Reads lines from the terminal.
    async fn by_hand(mut self, stop: &CancellationToken) -> Result<()> {
        print(&format!(
            "A chat with the bot, as {}. Type a command, such as /run hello or /help.",
            self.name()
        ))?;
        print(&format!("{FORMS}\n"))?;
        let mut screen = self.screen();
        let mut lines = read_lines();
        let mut open = true;
        while open {
            tokio::select! {
                line = lines.recv() => match line.as_deref().map(str::trim) {
                    None => open = false,
                    Some("") => {}
                    Some(line) => match self.take(line) {
                        Ok(ControlFlow::Continue(())) => {}
                        Ok(ControlFlow::Break(())) => return Ok(()),
                        Err(error) => print(&format!("{error:#}"))?,
                    },
                },
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => open = false,
            }
            screen.update()?;
        }
        // What was piped in is answered before the end.
        let before = self.sandbox.seq();
        self.settle(&mut screen, stop, before, None).await
    }

    fn screen(&self) -> Screen {
        let names = self.persons.iter().map(|(name, id)| (*id, name.clone()));
        Screen::new(self.sandbox.clone(), self.speaker, names.collect())
    }

    fn name(&self) -> &str {
        let of = |(name, id): (&'_ String, &i64)| (*id == self.speaker).then_some(name.len());
        let known = self
            .persons
            .iter()
            .find(|(name, id)| of((name, id)).is_some());
        known.map_or("somebody", |(name, _)| name)
    }

    /// Does what a line wants; breaks off when it wants the end.
    fn take(&mut self, line: &str) -> Result<ControlFlow<()>> {
        match line::read(line)? {
            Line::Quit => return Ok(ControlFlow::Break(())),
            Line::As(name) => self.become_another(name)?,
            Line::File { path, caption } => self.send_file(path, caption)?,
            Line::Press(label) => self.press(label)?,
            Line::Say(text) => {
                self.sandbox.say(self.speaker, self.speaker, text);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn become_another(&mut self, name: &str) -> Result<()> {
        let id = self.persons.get(&name.to_lowercase());
        self.speaker = *id.with_context(|| {
            let mut names: Vec<_> = self.persons.keys().map(String::as_str).collect();
            names.sort_unstable();
            format!("there is no “{name}” here; there are {}", names.join(", "))
        })?;
        print(&format!("You are {} now.", self.name()))?;
        Ok(())
    }

    fn send_file(&self, path: &str, caption: &str) -> Result<()> {
        let bytes = fs::read(path).with_context(|| format!("reading {path}"))?;
        let name = Path::new(path).file_name().unwrap_or_default();
        self.sandbox.send_file(
            self.speaker,
            self.speaker,
            &name.to_string_lossy(),
            bytes,
            caption,
        );
        Ok(())
    }

    fn press(&self, label: &str) -> Result<()> {
        let messages = self.sandbox.from_bot(self.speaker);
        let words: Vec<Vec<&str>> = messages
            .iter()
            .map(|message| message.all_buttons().map(|b| b.text.as_str()).collect())
            .collect();
        let (place, words) = line::pick(&words, label)?;
        self.sandbox
            .press(self.speaker, self.speaker, messages[place].id, words)
            .map_err(|error| anyhow!(error))?;
        Ok(())
    }

    /// Shows what happens until nothing more is under way, or until `limit` after the first reaction.
    async fn settle(
        &self,
        screen: &mut Screen,
        stop: &CancellationToken,
        before: u64,
        limit: Option<Duration>,
    ) -> Result<()> {
        let begun = tokio::time::Instant::now();
        let mut last = (before, begun);
        while !stop.is_cancelled() {
            screen.update()?;
            let now = tokio::time::Instant::now();
            if self.sandbox.seq() != last.0 {
                last = (self.sandbox.seq(), now);
            }
            let silent = now - last.1 >= QUIET;
            if silent && !self.is_busy().await? {
                screen.update()?;
                return Ok(());
            }
            if limit.is_some_and(|limit| now - begun >= limit) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Whether anything is under way: an update, a job, a message.
    async fn is_busy(&self) -> Result<bool> {
        let mut db = self.services.store.read().await?;
        let (queued, running) = store::jobs::counts(&mut db).await?;
        let pending = store::outbox::pending(&mut db).await?;
        let unhandled = store::inbox::unhandled(&mut db).await?;
        Ok(queued + running + pending > 0
            || !unhandled.is_empty()
            || self.sandbox.pending_updates() > 0)
    }
}

fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if sender.send(line).await.is_err() {
                return;
            }
        }
    });
    receiver
}
