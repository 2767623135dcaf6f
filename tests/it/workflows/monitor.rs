//! A workflow at GitHub of which exactly one run is kept going, against a GitHub that errs, limits and lies; over quick stops
//! and starts, `kill -9`, and beside another instance.

use super::keeping::Hands;
use super::web::{Reply, Web};
use crate::harness::tools::until;
use crate::harness::{ANN, Database, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::time::Millis;
use opsgram::store;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How a dispatch is answered.
#[derive(Clone, Copy)]
enum Take {
    /// A run begins, and its number is told.
    Tells,
    /// A run begins, and nothing is told of it.
    Silent,
    /// It is taken, and nothing begins.
    Nothing,
    /// It is refused for now; so many seconds are to be waited.
    Limits(u64),
    /// Something goes wrong at GitHub, and nothing begins.
    Errs,
    /// A run begins, and the answer never comes.
    Hangs,
}

/// What GitHub knows, and how it answers.
#[derive(Default)]
struct Hub {
    runs: Vec<Value>,
    /// How the next dispatches are answered; then they are told.
    takes: VecDeque<Take>,
    /// What the next questions are answered with, before what is true.
    faults: VecDeque<Reply>,
    /// Whether it shows no run anywhere, as right after a dispatch.
    hides: bool,
    /// Whether its list leaves out what goes.
    lies: bool,
    /// When it was asked for the list, and when something was dispatched, by the clock of the test.
    looks: Vec<Millis>,
    dispatches: Vec<Millis>,
    /// The most runs that went at once.
    most: usize,
}

impl Hub {
    fn tell(&mut self, method: &str, place: &str, now: Millis) -> Reply {
        let place = place.strip_prefix("/repos/ann/site/actions/").unwrap();
        if method == "POST" {
            assert_eq!(place, "workflows/keep.yml/dispatches");
            self.dispatches.push(now);
            return self.take(now);
        }
        let of_one = place.strip_prefix("runs/");
        if of_one.is_none() {
            self.looks.push(now);
        }
        if let Some(fault) = self.faults.pop_front() {
            return fault;
        }
        if let Some(id) = of_one {
            let mut runs = self.runs.iter().filter(|_| !self.hides);
            let run = runs.find(|run| run["id"].as_u64() == id.parse().ok());
            return run.map_or(Reply::new(404, "{}"), |run| {
                Reply::new(200, run.to_string())
            });
        }
        let shown = |run: &&Value| !(self.hides || self.lies && run["conclusion"].is_null());
        let shown: Vec<&Value> = self.runs.iter().rev().filter(shown).collect();
        let all = json!({"total_count": shown.len(), "workflow_runs": shown});
        Reply::new(200, all.to_string())
    }

    fn take(&mut self, now: Millis) -> Reply {
        let take = self.takes.pop_front().unwrap_or(Take::Tells);
        let id = 1000 + self.runs.len();
        if matches!(take, Take::Tells | Take::Silent | Take::Hangs) {
            self.runs.push(json!({
                "id": id, "status": "queued", "conclusion": null, "event": "workflow_dispatch", "head_branch": "main",
                "path": ".github/workflows/keep.yml", "html_url": format!("https://github.example/runs/{id}"),
                "created_at": now.utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            }));
        }
        let going = self.runs.iter().filter(|run| run["conclusion"].is_null());
        self.most = self.most.max(going.count());
        match take {
            Take::Tells => Reply::new(200, json!({"workflow_run_id": id}).to_string()),
            Take::Silent | Take::Nothing => Reply::new(204, ""),
            Take::Limits(seconds) => limited(seconds),
            Take::Errs => Reply::new(500, "{\"message\": \"unicorn\"}"),
            Take::Hangs => Reply {
                after: Duration::from_secs(600),
                ..Reply::new(204, "")
            },
        }
    }

    fn newest(&mut self) -> &mut Value {
        self.runs.last_mut().unwrap()
    }

    fn end(&mut self, conclusion: &str) {
        let run = self.newest();
        run["status"] = "completed".into();
        run["conclusion"] = conclusion.into();
    }
}

fn limited(seconds: u64) -> Reply {
    Reply {
        headers: format!("Retry-After: {seconds}\r\n"),
        ..Reply::new(
            403,
            "{\"message\": \"You have exceeded a secondary rate limit.\"}",
        )
    }
}

struct Bench {
    web: Web,
    hub: Arc<Mutex<Hub>>,
    hands: Hands,
}

impl Bench {
    /// A hub, and workflows of these names that keep the same run going by themselves.
    fn new(
        world: &mut World,
        web: Web,
        (hub, hands): (Arc<Mutex<Hub>>, Hands),
        names: &[&str],
    ) -> Self {
        world.variable("GITHUB_TOKEN", "hunter22");
        let flow = |name: &&str| {
            format!(
                "  {name}: {{every: after_end, steps: [{{name: guard, github: {{repo: ann/site, workflow: keep.yml, keep: true, api_url: '{}'}}}}]}}\n",
                web.url
            )
        };
        world.set(&format!(
            "workflows:\n{}",
            names.iter().map(flow).collect::<String>()
        ));
        world.sandbox.open_private(ANN);
        Self { web, hub, hands }
    }

    async fn start(world: &mut World, names: &[&str]) -> Self {
        let (hub, hands) = (Arc::<Mutex<Hub>>::default(), Hands::default());
        let (told, clock) = (Arc::clone(&hub), hands.clock());
        let web =
            Web::start(move |method, place| told.lock().unwrap().tell(method, place, clock.now()))
                .await;
        Self::new(world, web, (hub, hands), names)
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap()
    }

    /// Time passes until GitHub was asked so often again.
    async fn looks(&self, times: usize) {
        for _ in 0..times {
            let before = self.hub().looks.len();
            let mut polls = 0_u32;
            until("a look", || {
                // Again, should the pause have begun only after the clock was put forward.
                if polls.is_multiple_of(150) {
                    self.hands.forward(Duration::from_secs(11));
                }
                polls += 1;
                self.hub().looks.len() > before
            })
            .await;
        }
    }

    /// Time passes, ten minutes in each second, until this is so.
    async fn hours(&self, what: &str, mut holds: impl FnMut(&mut Hub) -> bool) {
        until(what, || {
            self.hands.forward(Duration::from_secs(6));
            holds(&mut self.hub())
        })
        .await;
    }

    /// The times between dispatches, in seconds.
    fn gaps(&self) -> Vec<u64> {
        let hub = self.hub();
        let pairs = hub.dispatches.windows(2);
        pairs.map(|pair| pair[1].since(pair[0]).as_secs()).collect()
    }
}

on_both! {
    /// It begins by the configuration alone; whatever state a run is in, and whatever the list leaves out, no second one is begun
    /// before GitHub says that it is over. The page of each is told once.
    async fn one_run_is_kept_and_its_page_is_told(world) {
        let bench = Bench::start(&mut world, &["site"]).await;
        bench.hub().hides = true;
        world.start_at(bench.hands.clock()).await;
        until("a dispatch", || !bench.hub().dispatches.is_empty()).await;
        bench.looks(3).await;
        bench.hub().hides = false;
        bench.looks(1).await;
        let told = world.sees(ANN, "None was running at GitHub").await;
        assert!(told.text.contains("run 1000 was started"), "{}", told.text);
        for status in ["in_progress", "waiting", "requested", "pending", "something_new"] {
            bench.hub().newest()["status"] = status.into();
            bench.looks(1).await;
        }
        bench.hub().lies = true;
        bench.hands.forward(Duration::from_secs(3600));
        bench.looks(2).await;
        assert_eq!(bench.hub().dispatches.len(), 1);
        world.stop().await;
        world.start_at(bench.hands.clock()).await;
        bench.looks(2).await;
        assert_eq!(bench.hub().dispatches.len(), 1, "after a restart");
        bench.hub().end("success");
        bench.hours("the next run", |hub| hub.dispatches.len() == 2).await;
        world.sees(ANN, "run 1001 was started").await;
        assert_eq!((world.count(ANN, "run 1000 was started"), bench.hub().most), (1, 1));
        assert_eq!(world.jobs().await, 1);
        assert!(bench.web.url.starts_with("http://127"));
    }
}

/// Waits until so many steps are noted as learning nothing from GitHub.
async fn unanswered(world: &World, many: usize) {
    let begun = Instant::now();
    loop {
        let mut db = world.services().store.read().await.unwrap();
        let found = store::workflows::unanswered(&mut db).await.unwrap();
        drop(db);
        if found.len() == many {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "not {many}: {found:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

on_both! {
    /// An answer that says nothing starts nothing, and is asked again later and later; a limit is kept to the second.
    async fn what_github_does_not_say_starts_nothing(world) {
        let bench = Bench::start(&mut world, &["site"]).await;
        let reset = Millis::now().plus(Duration::from_secs(900)).0 / 1000;
        let foreign = json!({"total_count": 1, "workflow_runs": [{
            "id": 5, "status": "completed", "conclusion": "success", "path": ".github/workflows/other.yml@main",
        }]});
        bench.hub().faults = VecDeque::from([
            Reply {
                headers: format!("X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: {reset}\r\n"),
                ..Reply::new(403, "{\"message\": \"API rate limit exceeded\"}")
            },
            Reply { cuts: true, ..Reply::new(200, "") },
            Reply { headers: "Retry-After: 600\r\n".to_owned(), ..Reply::new(429, "{}") },
            Reply::new(200, "<html>down for maintenance</html>"),
            Reply::new(200, "{\"total_count\": 3, \"workflow_runs\": []}"),
            Reply::new(200, foreign.to_string()),
            Reply::new(500, "{\"message\": \"unicorn\"}"),
        ]);
        world.start_at(bench.hands.clock()).await;
        unanswered(&world, 1).await;
        bench.hours("a dispatch", |hub| !hub.dispatches.is_empty()).await;
        unanswered(&world, 0).await;
        let (looks, begun) = { let hub = bench.hub(); (hub.looks.clone(), hub.dispatches[0]) };
        assert_eq!(looks.len(), 8, "seven that said nothing, and one that did");
        let gaps: Vec<u64> = looks.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
        assert!(looks[1].0 / 1000 >= reset, "asked before its hour was over");
        for (gap, least) in gaps.iter().zip([30, 60, 600, 240, 480, 900, 900]) {
            assert!(*gap >= least, "{gaps:?}");
        }
        assert!(begun >= looks[7]);
        let log = world.asks(ANN, ANN, "/workflow log 1 guard").await;
        for words in ["unicorn", "another workflow", "Nothing is started"] {
            assert!(log.text.contains(words), "{words}: {}", log.text);
        }
        assert!(!log.text.contains("hunter22"), "{}", log.text);
    }
}

on_both! {
    /// A dispatch that is refused, fails, or comes to nothing is followed by another when no run can come of it any more.
    async fn a_dispatch_that_came_to_nothing_is_followed_by_another(world) {
        let bench = Bench::start(&mut world, &["site"]).await;
        bench.hub().takes = VecDeque::from([Take::Limits(300), Take::Errs, Take::Nothing, Take::Silent]);
        world.start_at(bench.hands.clock()).await;
        bench.hours("a run", |hub| !hub.runs.is_empty()).await;
        let gaps = bench.gaps();
        assert!(gaps.len() == 3 && gaps[0] >= 300 && gaps[1] >= 120 && gaps[2] >= 120, "{gaps:?}");
        bench.looks(1).await;
        world.sees(ANN, "run 1000 was started").await;
        // Ended in vain: the next one begins later each time.
        for runs in 2..=4 {
            bench.hub().end("failure");
            bench.hours("the next run", |hub| hub.runs.len() == runs).await;
        }
        let gaps = bench.gaps();
        assert!(gaps[3] >= 30 && gaps[4] >= 60 && gaps[5] >= 120, "{gaps:?}");
        assert_eq!(bench.hub().most, 1);
    }
}

on_both! {
    /// Stopped and started again while GitHub shows nothing yet, beside another workflow that keeps the same: one run, told once.
    async fn a_quick_stop_and_start_begins_no_second_run(world) {
        let bench = Bench::start(&mut world, &["one", "two"]).await;
        bench.hub().hides = true;
        bench.hub().takes = VecDeque::from([Take::Silent]);
        world.start_at(bench.hands.clock()).await;
        until("both to look, after a dispatch", || {
            let hub = bench.hub();
            hub.dispatches.len() == 1 && hub.looks.len() >= 3
        }).await;
        for name in ["one", "two"] {
            world.say(ANN, &format!("/workflow stop {name}"));
            world.sees(ANN, &format!("{name} is paused: ann stopped #")).await;
            world.say(ANN, &format!("/resume {name}"));
            world.sees(ANN, &format!("{name} goes on")).await;
        }
        until("new runs", || bench.hub().looks.len() >= 5).await;
        bench.looks(3).await;
        bench.hub().hides = false;
        bench.looks(2).await;
        world.sees(ANN, "run 1000 was started").await;
        bench.looks(2).await;
        assert_eq!(world.count(ANN, "run 1000 was started"), 1);
        assert_eq!(bench.hub().dispatches.len(), 1);
    }
}

on_both! {
    /// Killed when a run was begun and nobody had heard of it yet: the next life waits for it, and tells it.
    async fn killed_after_a_dispatch_it_begins_no_second_run(world) {
        let bench = Bench::start(&mut world, &["site"]).await;
        { let mut hub = bench.hub(); hub.hides = true; hub.takes = VecDeque::from([Take::Hangs]); }
        let bot = Outside::start(&world).await;
        until("a dispatch", || !bench.hub().dispatches.is_empty()).await;
        bot.kill().await;
        let before = bench.hub().looks.len();
        let bot = Outside::start(&world).await;
        until("a look that shows nothing", || bench.hub().looks.len() > before).await;
        bench.hub().hides = false;
        world.sees(ANN, "run 1000 was started").await;
        assert_eq!(bench.hub().dispatches.len(), 1);
        bot.terminate().await;
    }
}

/// Two instances: the one that begins a run is killed before it hears of it; the other goes on with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_instance_begins_no_second_run() {
    let mut world = World::new(Database::postgres().await).await;
    let bench = Bench::start(&mut world, &["site"]).await;
    {
        let mut hub = bench.hub();
        hub.hides = true;
        hub.takes = VecDeque::from([Take::Hangs]);
    }
    let (first, second) = Outside::two(&world).await;
    until("a dispatch", || !bench.hub().dispatches.is_empty()).await;
    let before = bench.hub().looks.len();
    first.kill().await;
    until("the other to look", || bench.hub().looks.len() > before).await;
    bench.hub().hides = false;
    world.sees(ANN, "run 1000 was started").await;
    assert_eq!(bench.hub().dispatches.len(), 1);
    assert_eq!(second.terminate().await.0, Some(0));
    world.finish().await;
}
