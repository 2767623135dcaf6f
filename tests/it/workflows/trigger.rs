//! Workflows that follow runs at GitHub: each end once, the newest of several, and nothing that GitHub does not say.

use super::keeping::Hands;
use super::web::{Reply, Web};
use crate::harness::tools::until;
use crate::harness::{ANN, World};
use crate::on_both;
use opsgram::base::trouble::{Came, Dealer};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What GitHub knows, and how it answers.
#[derive(Default)]
struct Hub {
    runs: Vec<Value>,
    /// What the next questions are answered with, before what is true.
    faults: VecDeque<Reply>,
    /// How often it was asked.
    looks: usize,
}

impl Hub {
    fn tell(&mut self, method: &str, place: &str) -> Reply {
        let (path, query) = place.split_once('?').unwrap();
        assert_eq!(
            (method, path),
            ("GET", "/repos/ann/site/actions/workflows/ci.yml/runs")
        );
        assert!(query.contains("status=completed") && query.contains("branch=main"));
        self.looks += 1;
        if let Some(fault) = self.faults.pop_front() {
            return fault;
        }
        let over = |run: &&Value| run["status"] == "completed" && run["head_branch"] == "main";
        let over: Vec<&Value> = self.runs.iter().rev().filter(over).collect();
        let page: Vec<&Value> = over.iter().take(100).copied().collect();
        let all = json!({"total_count": over.len(), "workflow_runs": page});
        Reply::new(200, all.to_string())
    }
}

struct Bench {
    hub: Arc<Mutex<Hub>>,
    hands: Hands,
    _web: Web,
}

impl Bench {
    /// A hub, and a workflow that follows its runs on main that went well.
    async fn new(world: &mut World, steps: &str) -> Self {
        let (hub, hands) = (Arc::<Mutex<Hub>>::default(), Hands::default());
        let told = Arc::clone(&hub);
        let web = Web::start(move |method, place| told.lock().unwrap().tell(method, place)).await;
        world.variable("GITHUB_TOKEN", "hunter22");
        world.sandbox.open_private(ANN);
        world.set(&format!(
            "workflows: {{deploy: {{params: [{{name: version, default: none}}], after_github: {{repo: ann/site, workflow: ci.yml, \
             branch: main, params: {{version: commit}}, every: 10s, api_url: '{}'}}, notify: [end], steps: {steps}}}}}",
            web.url
        ));
        Self {
            hub,
            hands,
            _web: web,
        }
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap()
    }

    /// A run at GitHub begins.
    fn begins(&self, id: u64, branch: &str) {
        let run = json!({
            "id": id, "status": "in_progress", "conclusion": null, "head_branch": branch, "run_attempt": 1,
            "path": ".github/workflows/ci.yml", "html_url": format!("https://github.example/runs/{id}"),
            "head_sha": format!("c0ffee{id}"), "event": "push",
            "repository": {"full_name": "ann/site"}, "head_repository": {"full_name": "Ann/Site"},
        });
        self.hub().runs.push(run);
    }

    /// What GitHub says of a run is this.
    fn says(&self, id: u64, key: &str, value: Value) {
        let mut hub = self.hub();
        let run = hub.runs.iter_mut().find(|run| run["id"] == id).unwrap();
        run[key] = value;
    }

    /// It ends, now.
    fn ends(&self, id: u64, conclusion: &str) {
        let now = self.hands.clock().now().utc();
        let mut hub = self.hub();
        let run = hub.runs.iter_mut().find(|run| run["id"] == id).unwrap();
        run["status"] = "completed".into();
        run["conclusion"] = conclusion.into();
        run["updated_at"] = now
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            .into();
    }

    /// A run at GitHub is tried again and ends.
    fn again(&self, id: u64, conclusion: &str) {
        {
            let mut hub = self.hub();
            let run = hub.runs.iter_mut().find(|run| run["id"] == id).unwrap();
            run["run_attempt"] = (run["run_attempt"].as_u64().unwrap() + 1).into();
        }
        self.ends(id, conclusion);
    }

    /// GitHub is asked again, and what follows from the answer was done.
    async fn look(&self, world: &World) {
        self.hands.forward(Duration::from_secs(3600));
        let now = self.hands.clock().now();
        let before = self.hub().looks;
        world.services().schedules.look_at_hubs(now).await.unwrap();
        // By the bot's own loop, if that was first; its look is over then, too.
        assert!(self.hub().looks > before);
    }
}

/// How the card of a job ends that followed this run.
fn followed(job: u64, run: u64) -> String {
    let commit = format!("c0ffee{run}");
    let what = format!(
        "Follows run {run} of ci.yml of ann/site · {} on main",
        &commit[..7]
    );
    format!("· #{job}\n{what}\nversion={commit}\n✅ put")
}

const ECHO: &str = "[{name: put, run: [echo, 'version {{ params.version }}']}]";
const HOLD: &str = "[{name: stay, hold: 5h, when: '{{ params.version }} != none'}]";

on_both! {
    /// Nothing that was there before; then each end once, also over a restart; of several, the newest; another try of a run is
    /// another end; and only what went well, on its branch.
    async fn each_good_end_is_followed_once(world) {
        let bench = Bench::new(&mut world, ECHO).await;
        bench.begins(1, "main");
        bench.ends(1, "success");
        world.start_at(bench.hands.clock()).await;
        until("the first look", || bench.hub().looks > 0).await;
        bench.begins(2, "main");
        bench.begins(3, "other");
        bench.look(&world).await;
        bench.ends(3, "success");
        bench.look(&world).await;
        assert_eq!(world.jobs().await, 0);
        bench.ends(2, "success");
        bench.look(&world).await;
        world.sees(ANN, &followed(1, 2)).await;
        let log = world.asks(ANN, ANN, "/workflow log 1 put").await;
        assert!(log.text.contains("version c0ffee2"), "{}", log.text);
        bench.begins(4, "main");
        bench.ends(4, "failure");
        bench.look(&world).await;
        assert_eq!(world.jobs().await, 1, "it failed");
        bench.again(4, "success");
        bench.look(&world).await;
        world.sees(ANN, &followed(2, 4)).await;
        world.quiet().await;
        world.stop().await;
        for id in [5, 6] {
            bench.begins(id, "main");
            bench.ends(id, "success");
            bench.hands.forward(Duration::from_secs(60));
        }
        world.start_at(bench.hands.clock()).await;
        bench.look(&world).await;
        world.sees(ANN, &followed(3, 6)).await;
        let log = world.asks(ANN, ANN, "/workflow log 3 put").await;
        assert!(log.text.contains("version c0ffee6"), "{}", log.text);
        bench.look(&world).await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 3);
    }
}

on_both! {
    /// Errors, half lists, and a list that is empty for once: unknown, told where one looks for it, and nothing begins. Then it
    /// goes on.
    async fn what_github_does_not_say_begins_nothing(world) {
        let bench = Bench::new(&mut world, ECHO).await;
        for id in 1..=3 {
            bench.begins(id, "main");
            bench.ends(id, "success");
        }
        world.start_at(bench.hands.clock()).await;
        until("the first look", || bench.hub().looks > 0).await;
        bench.look(&world).await;
        let replies = [
            Reply::new(500, "{\"message\": \"unicorn\"}"),
            Reply { cuts: true, ..Reply::new(200, "") },
            Reply::new(200, "{\"total_count\": 3, \"workflow_runs\": []}"),
            Reply::new(200, "{\"total_count\": 0, \"workflow_runs\": []}"),
            Reply::new(401, "{}"),
        ];
        for reply in replies {
            bench.hub().faults.push_back(reply);
            bench.look(&world).await;
        }
        let trouble = || world.services().troubles.of(&Dealer::Schedule("deploy".to_owned()));
        assert!(matches!(trouble(), Some(Came::Failed(why)) if why.contains("(401)")), "{:?}", trouble());
        let told = world.asks(ANN, ANN, "/schedules deploy").await;
        assert!(told.text.contains("when ci.yml of ann/site succeeds on main"), "{}", told.text);
        assert!(told.text.contains("GitHub does not know the token (401)"), "{}", told.text);
        assert!(!told.text.contains("hunter22"), "{}", told.text);
        bench.look(&world).await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        let told = world.asks(ANN, ANN, "/schedules deploy").await;
        assert!(!told.text.contains("401"), "{}", told.text);
        assert_eq!(trouble(), Some(Came::Well));
        bench.begins(4, "main");
        bench.ends(4, "success");
        bench.look(&world).await;
        world.sees(ANN, &followed(1, 4)).await;
        let list = world.asks(ANN, ANN, "/workflow").await;
        assert!(list.text.contains("next when ci.yml of ann/site succeeds on main"), "{}", list.text);
    }
}

on_both! {
    /// What ends while it is paused or all is frozen is not followed afterwards, whether it was looked meanwhile or not.
    async fn what_ends_meanwhile_is_passed_over(world) {
        let bench = Bench::new(&mut world, ECHO).await;
        bench.begins(1, "main");
        bench.ends(1, "success");
        world.start_at(bench.hands.clock()).await;
        until("the first look", || bench.hub().looks > 0).await;
        for (stop, go_on) in [("/pause deploy", "/resume deploy"), ("/freeze update", "/unfreeze")] {
            for looks in [false, true] {
                bench.look(&world).await;
                world.asks(ANN, ANN, stop).await;
                let (id, before) = { let hub = bench.hub(); (hub.runs.len() as u64 + 1, hub.looks) };
                bench.begins(id, "main");
                bench.ends(id, "success");
                if looks {
                    bench.hands.forward(Duration::from_secs(3600));
                    let now = bench.hands.clock().now();
                    world.services().schedules.look_at_hubs(now).await.unwrap();
                    assert_eq!(bench.hub().looks, before, "nothing is asked meanwhile");
                }
                world.asks(ANN, ANN, go_on).await;
                until("a look", || bench.hub().looks > before).await;
                bench.look(&world).await;
                world.quiet().await;
                assert_eq!(world.jobs().await, 0, "{stop} {looks}");
            }
        }
        bench.begins(9, "main");
        bench.ends(9, "success");
        bench.look(&world).await;
        world.sees(ANN, &followed(1, 9)).await;
    }
}

on_both! {
    /// While a run goes on beside which there is none, nothing is lost: the newest of what ended meanwhile is followed after it.
    async fn what_ends_during_a_run_is_followed_after_it(world) {
        let bench = Bench::new(&mut world, HOLD).await;
        world.start_at(bench.hands.clock()).await;
        until("the first look", || bench.hub().looks > 0).await;
        bench.begins(1, "main");
        bench.ends(1, "success");
        bench.look(&world).await;
        world.sees(ANN, "⏳ stay").await;
        for id in [2, 3] {
            bench.begins(id, "main");
            bench.ends(id, "success");
        }
        let (troubles, deploy) = (world.services().troubles.clone(), Dealer::Schedule("deploy".to_owned()));
        troubles.note(deploy.clone(), Came::Failed("GitHub answered 500".to_owned()));
        bench.hands.forward(Duration::from_secs(600));
        let now = bench.hands.clock().now();
        world.services().schedules.look_at_hubs(now).await.unwrap();
        assert_eq!(world.jobs().await, 1);
        assert_eq!(troubles.of(&deploy), None, "nothing was asked, and nothing went well");
        world.asks(ANN, ANN, "/workflow stop 1").await;
        world.quiet().await;
        bench.look(&world).await;
        world.sees(ANN, "#2 · ").await;
        let status = world.asks(ANN, ANN, "/workflow plan deploy c0ffee3").await;
        assert!(status.text.contains("stay"), "{}", status.text);
        assert_eq!(world.jobs().await, 2);
        assert_eq!(world.count(ANN, "not started"), 0);
    }
}

on_both! {
    /// What others' copies call `main`, what a pull request brought, and what is not known to have ended: none is deployed. A hub
    /// whose clock is minutes behind, and whose answers are as long as real ones, is followed all the same.
    async fn only_own_commits_are_followed_whatever_the_clock_says(world) {
        let bench = Bench::new(&mut world, ECHO).await;
        world.start_at(bench.hands.clock()).await;
        until("the first look", || bench.hub().looks > 0).await;
        for id in 1..=4 {
            bench.begins(id, "main");
            bench.ends(id, "success");
        }
        bench.says(1, "head_repository", json!({"full_name": "eve/site"}));
        bench.says(2, "event", json!("pull_request"));
        bench.says(3, "head_repository", Value::Null);
        bench.says(4, "conclusion", Value::Null);
        bench.look(&world).await;
        assert_eq!(world.jobs().await, 0);
        for id in 5..105 {
            bench.begins(id, "main");
            bench.ends(id, "success");
            bench.says(id, "actor", json!("x".repeat(13_000)));
        }
        let behind = bench.hands.clock().now().minus(Duration::from_secs(300)).utc();
        let behind = behind.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        for id in 5..105 {
            bench.says(id, "updated_at", json!(behind));
        }
        bench.look(&world).await;
        world.sees(ANN, &followed(1, 104)).await;
        let log = world.asks(ANN, ANN, "/workflow log 1 put").await;
        assert!(log.text.contains("version c0ffee104"), "{}", log.text);
        bench.begins(105, "main");
        bench.ends(105, "success");
        bench.says(105, "updated_at", json!(behind));
        bench.look(&world).await;
        world.sees(ANN, &followed(2, 105)).await;
    }
}
