//! A world for a test: a Telegram stand-in, people, scripts, and the bot running against them.

pub mod browser;
mod database;
pub mod docker;
mod outside;
pub mod stalls;
mod talk;
pub mod tools;
pub mod wire;

pub use database::Database;
pub use outside::Outside;

use opsgram::app::{App, Options};
use opsgram::base::time::Clock;
use opsgram::config::{self, Env};
use opsgram::monitors::incidents::Rules;
use opsgram::sandbox::{self, Message, Rates, Sandbox};
use opsgram::services::Services;
use opsgram::workflows::Steady;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The owner, the operator, the viewer, and somebody nobody knows.
pub const ANN: i64 = 111;
pub const BEN: i64 = 222;
pub const CLEO: i64 = 333;
pub const STRANGER: i64 = 999;
/// A group in which everybody is an operator at the most.
pub const OPS: i64 = -1_001;
/// Long enough for a slow machine; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(40);

const PEOPLE: &str = "
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: operator}
    - {id: 333, name: cleo, role: viewer}
  chats:
    - {id: -1001, name: ops, role: operator}
";

/// Runs the test on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($(#[$doc:meta])* async fn $name:ident($world:ident) $body:block) => {
        $(#[$doc])*
        async fn $name(mut $world: $crate::harness::World) {
            $body
            $world.finish().await;
        }

        mod $name {
            use $crate::harness::{Database, World};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(World::new(Database::sqlite()).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(World::new(Database::postgres().await).await).await;
            }
        }
    };
}

/// Everything around the bot, and the bot while it runs.
pub struct World {
    pub sandbox: Sandbox,
    pub dir: TempDir,
    pub env: Vec<(String, String)>,
    pub settings: String,
    people: String,
    scripts: String,
    database: Database,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    services: Services,
}

/// The checks that there are by themselves, turned off: how busy the machine is, is no matter of a test.
pub const UNWATCHED: &str = "  disk: false
  data-disk: false
  memory: false
  load: false
  reboot: false
  units: false
  opsgram-lost-jobs: false
  opsgram-backlog: false
  opsgram-undelivered: false
  opsgram-reload: false
  opsgram-lateness: false
  opsgram-github: false
  opsgram-heartbeat: false
";

impl World {
    /// A world with the four people, a group, no scripts, and no bot yet. Rates are off.
    pub async fn new(database: Database) -> Self {
        stalls::watch();
        let sandbox = Sandbox::start(sandbox::Options {
            rates: Rates::Off,
            ..sandbox::Options::default()
        })
        .await
        .unwrap();
        for (id, name) in [
            (ANN, "Ann"),
            (BEN, "Ben"),
            (CLEO, "Cleo"),
            (STRANGER, "Mallory"),
        ] {
            sandbox.add_person(id, name, None);
        }
        sandbox.add_group(OPS, "ops", false);
        for person in [ANN, BEN, CLEO, STRANGER] {
            sandbox.add_member(OPS, person, sandbox::Standing::Member);
        }
        Self {
            sandbox,
            dir: TempDir::new().unwrap(),
            env: Vec::new(),
            settings: String::new(),
            people: PEOPLE.to_owned(),
            scripts: String::new(),
            database,
            running: None,
        }
    }

    /// Writes an executable shell script and configures it; `more` are further lines of its YAML, such as `"role: admin"`.
    pub fn script(&mut self, name: &str, body: &str, more: &[&str]) -> PathBuf {
        let path = self.dir.path().join(format!("{name}.sh"));
        tools::executable(&path, &format!("#!/bin/bash\n{body}\n"));
        self.scripts.push_str(&format!("  {name}:\n"));
        if !more.iter().any(|line| line.starts_with("run:")) {
            self.scripts
                .push_str(&format!("    run: {}\n", path.display()));
        }
        for line in more {
            self.scripts.push_str(&format!("    {line}\n"));
        }
        path
    }

    /// Configures no script any more; their files stay.
    pub fn forget_scripts(&mut self) {
        self.scripts.clear();
    }

    /// Further top-level YAML, such as `jobs: {workers: 1}`.
    pub fn set(&mut self, yaml: &str) {
        self.settings.push_str(yaml);
        self.settings.push('\n');
    }

    /// Replaces the people and groups of the configuration; `""` for none.
    pub fn people(&mut self, yaml: &str) {
        yaml.clone_into(&mut self.people);
    }

    /// Adds a variable to the bot's environment.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// The configuration file as it is now.
    pub fn config_file(&self) -> PathBuf {
        let mut yaml = format!("base_dir: {}\n", self.dir.path().display());
        yaml.push_str(&self.people);
        yaml.push_str(&self.settings);
        if !self.settings.contains("checks:") {
            yaml.push_str(&format!("checks:\n{UNWATCHED}"));
        }
        if !self.scripts.is_empty() {
            yaml.push_str(&format!("scripts:\n{}", self.scripts));
        }
        let file = self.dir.path().join("opsgram.yaml");
        // A bot that begins to read it in this moment must not find half of it.
        if fs::read_to_string(&file).ok().as_ref() != Some(&yaml) {
            fs::write(&file, yaml).unwrap();
        }
        file
    }

    /// The environment that leads the bot to the stand-in and to its database.
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = std::env::var("PATH").unwrap();
        let mut env = vec![
            ("PATH".to_owned(), path),
            (
                "OPSGRAM_TELEGRAM_API_URL".to_owned(),
                self.sandbox.api_url(),
            ),
            (
                "OPSGRAM_TELEGRAM_TOKEN".to_owned(),
                self.sandbox.token().to_owned(),
            ),
            (
                "OPSGRAM_DATABASE".to_owned(),
                self.database.url(self.dir.path()),
            ),
            (
                "OPSGRAM_DATA_DIR".to_owned(),
                self.dir.path().join("data").display().to_string(),
            ),
        ];
        env.extend(self.env.clone());
        env
    }

    /// Starts the bot in this process and waits until it polls.
    pub async fn start(&mut self) {
        self.start_with(Options {
            no_rates: true,
            ..Options::default()
        })
        .await;
    }

    /// The same with hardly any time to search.
    pub async fn start_hurried(&mut self) {
        self.start_with(Options {
            no_rates: true,
            search_time: Duration::from_millis(50),
            ..Options::default()
        })
        .await;
    }

    /// The same, with the loops of incidents left to the test, which steps them; the rules say how checks are told.
    pub async fn start_stepped(&mut self, rules: Option<Rules>) {
        self.start_with(Options {
            no_rates: true,
            rules,
            clock: false,
            ..Options::default()
        })
        .await;
    }

    /// The same, with a clock for jobs, workflows and schedules that nobody puts: by it, time passes.
    pub async fn start_at(&mut self, now: Clock) {
        let passed = now.clone();
        let steady = Arc::new(move || Duration::from_millis(passed.now().0.unsigned_abs()));
        self.start_by(now, steady).await;
    }

    /// The same, with two clocks for workflows, of which the first may be put.
    pub async fn start_by(&mut self, now: Clock, steady: Steady) {
        self.start_with(Options {
            no_rates: true,
            now,
            steady,
            ..Options::default()
        })
        .await;
    }

    /// The same, at Telegram's pace.
    pub async fn start_paced(&mut self) {
        self.start_with(Options::default()).await;
    }

    async fn start_with(&mut self, options: Options) {
        let env: Env = self.environment().into_iter().collect();
        let loaded = match config::load(&self.config_file(), &env) {
            Ok(loaded) => loaded,
            Err(faults) => panic!("the configuration of this test has faults:\n{faults}"),
        };
        let app = App::build(loaded.config, env, options).await.unwrap();
        let app = app.following(loaded.file, loaded.hash).unwrap();
        let stop = CancellationToken::new();
        let services = app.services().clone();
        let before = self.sandbox.seq();
        let task = tokio::spawn(app.run_until(stop.clone()));
        self.running = Some(Running {
            stop,
            task,
            services,
        });
        self.polled_since(before).await;
    }

    /// Waits until a bot asks for updates.
    pub async fn polled_since(&self, before: u64) {
        let polled = |view: &sandbox::View<'_>| {
            let poll = |event: &sandbox::Event| matches!(event.what, sandbox::What::Polling { .. });
            view.events_since(before).any(poll).then_some(())
        };
        self.sandbox
            .wait(PATIENCE, "the bot to poll", polled)
            .await
            .unwrap();
    }

    /// The handles of the running bot.
    pub fn services(&self) -> &Services {
        &self.running.as_ref().expect("the bot was started").services
    }

    /// Stops the bot in good order.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
            running.task.await.unwrap().unwrap();
        }
    }

    /// Ends the test: stops the bot, and looks that Telegram was never flooded.
    pub async fn finish(&mut self) {
        self.stop().await;
        assert_eq!(self.sandbox.floods_earned(), 0, "the bot earned a 429");
        self.sandbox.stop().await;
        self.database.drop().await;
    }

    /// Says something in the person's private chat.
    pub fn say(&self, person: i64, text: &str) -> sandbox::Sent {
        self.sandbox.say(person, person, text)
    }

    /// Waits until a message of the bot in the chat, as it stands now, holds the words, and returns it.
    pub async fn sees(&self, chat: i64, words: &str) -> Message {
        let what = format!("“{words}” in chat {chat}");
        let found = |view: &sandbox::View<'_>| {
            view.from_bot(chat)
                .filter(|message| message.text.contains(words))
                .last()
                .cloned()
        };
        match self.sandbox.wait(PATIENCE, &what, found).await {
            Ok(message) => message,
            Err(error) => panic!("{error}"),
        }
    }

    /// Presses the newest button with these words in the chat.
    pub fn press(&self, person: i64, chat: i64, label: &str) -> String {
        let messages = self.sandbox.from_bot(chat);
        let message = messages.iter().rev().find(|m| m.button(label).is_some());
        let message = message.unwrap_or_else(|| panic!("no button “{label}” in chat {chat}"));
        self.sandbox.press(person, chat, message.id, label).unwrap()
    }

    /// Waits until a press is answered and returns the words shown, if any.
    pub async fn answer(&self, press: &str) -> Option<String> {
        let answered = |view: &sandbox::View<'_>| view.answer(press).cloned();
        match self
            .sandbox
            .wait(PATIENCE, "an answer to the press", answered)
            .await
        {
            Ok(answer) => answer.text,
            Err(error) => panic!("{error}"),
        }
    }

    /// How many messages of the bot in the chat hold the words.
    pub fn count(&self, chat: i64, words: &str) -> usize {
        let messages = self.sandbox.from_bot(chat);
        messages
            .iter()
            .filter(|message| message.text.contains(words))
            .count()
    }

    /// Waits until nothing is under way: no update, no job, no message.
    pub async fn quiet(&self) {
        self.quiet_in(&self.services().store).await;
    }

    /// The same by a database that the test opened itself.
    pub async fn quiet_in(&self, store: &opsgram::store::Store) {
        self.quiet_but(store, 0).await;
    }

    /// The same, while so many jobs go on.
    pub async fn quiet_but(&self, store: &opsgram::store::Store, others: u64) {
        let begun = Instant::now();
        let (mut since, mut before) = (begun, None);
        loop {
            // In the order in which things move on, so that nothing passes by unseen between two looks.
            let updates = self.sandbox.pending_updates();
            let mut db = store.read().await.unwrap();
            let open = opsgram::store::inbox::unhandled(&mut db).await.unwrap();
            let (queued, running) = opsgram::store::jobs::counts(&mut db).await.unwrap();
            let pending = opsgram::store::outbox::pending(&mut db).await.unwrap();
            drop(db);
            if queued + pending == 0 && running == others && open.is_empty() && updates == 0 {
                return;
            }
            let left = Some((updates, open.len(), queued, running, pending));
            if left != before {
                // What gets on is slow at the most.
                (since, before) = (Instant::now(), left);
            }
            assert!(
                since.elapsed() < PATIENCE && begun.elapsed() < PATIENCE * 6,
                "never quiet: {queued} queued, {running} running, {pending} to send, {} updates",
                open.len()
            );
            // There is no event for “nothing”; this is the pace of looking, not a time that the test relies on.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The folder of the test.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}
