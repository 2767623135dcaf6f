//! Steps that start a workflow at GitHub, against a GitHub that errs and is cut off from.

use super::web::{Reply, Web};
use crate::harness::tools::until;
use crate::harness::{BEN, Outside, World};
use crate::on_both;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What GitHub knows, and how it answers.
#[derive(Default)]
struct Hub {
    runs: Vec<Value>,
    /// How the next runs end; a run is open as long as there is no word for it.
    ends: Vec<&'static str>,
    /// Whether everything that is asked goes wrong.
    errs: bool,
    /// Whether an answer to a dispatch never comes, though the run begins.
    mute: bool,
    asked: usize,
}

impl Hub {
    fn tell(&mut self, method: &str, place: &str) -> Reply {
        self.asked += 1;
        if self.errs {
            return Reply::new(500, "{\"message\": \"unicorn\"}");
        }
        let place = place.strip_prefix("/repos/ann/site/actions/").unwrap();
        if method == "POST" {
            let id = 1000 + self.runs.len();
            self.runs.push(json!({
                "id": id, "status": "queued", "conclusion": null, "event": "workflow_dispatch", "head_branch": "main",
                "html_url": format!("https://github.example/runs/{id}"), "display_title": "x",
                "created_at": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            }));
            let after = Duration::from_secs(if self.mute { 600 } else { 0 });
            let body = json!({"workflow_run_id": id}).to_string();
            return Reply {
                after,
                ..Reply::new(200, body)
            };
        }
        for (run, end) in self.runs.iter_mut().zip(&self.ends) {
            run["status"] = "completed".into();
            run["conclusion"] = (*end).into();
        }
        if let Some(id) = place.strip_prefix("runs/") {
            let run = self
                .runs
                .iter()
                .find(|run| run["id"].as_u64() == id.parse().ok());
            return run.map_or(Reply::new(404, "{}"), |run| {
                Reply::new(200, run.to_string())
            });
        }
        let status = place
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix("status="));
        let fits = |run: &&Value| status.is_none_or(|status| run["status"] == status);
        let fitting: Vec<&Value> = self.runs.iter().rev().filter(fits).collect();
        let all = json!({"total_count": fitting.len(), "workflow_runs": fitting});
        Reply::new(200, all.to_string())
    }
}

async fn hub(world: &mut World, more: &str) -> (Web, Arc<Mutex<Hub>>) {
    let hub: Arc<Mutex<Hub>> = Arc::default();
    let told = Arc::clone(&hub);
    let web = Web::start(move |method, place| told.lock().unwrap().tell(method, place)).await;
    world.variable("GITHUB_TOKEN", "hunter22");
    world.set(&format!(
        "workflows: {{hub: {{notify: [], steps: [{{name: build, github: {{repo: ann/site, workflow: keep.yml, api_url: '{}'}}{more}}}, {{name: tell, notify: 'ran {{{{ steps.build.run }}}}'}}]}}}}",
        web.url
    ));
    (web, hub)
}

on_both! {
    /// A run that ended badly is followed by another try with another run, and not by a look at the old one.
    async fn a_failed_run_is_tried_again(world) {
        let (_web, hub) = hub(&mut world, ", retry: {times: 1, backoff: 1s}").await;
        hub.lock().unwrap().ends = vec!["failure", "success"];
        world.start().await;
        world.say(BEN, "/workflow run hub");
        let card = world.sees(BEN, "hub · #1 · succeeded").await;
        assert!(card.text.contains("try 2"), "{}", card.text);
        world.sees(BEN, "ran 1001").await;
        assert_eq!(hub.lock().unwrap().runs.len(), 2);
    }
}

on_both! {
    /// What GitHub does not say starts nothing; a step that is late ends.
    async fn an_error_starts_nothing(world) {
        let (_web, hub) = hub(&mut world, ", timeout: 3s").await;
        hub.lock().unwrap().errs = true;
        world.start().await;
        world.say(BEN, "/workflow run hub");
        world.sees(BEN, "Again in").await;
        let card = world.sees(BEN, "failed at build: timed out after 3 s").await;
        assert!(!card.text.contains("hunter22"), "{}", card.text);
        let hub = hub.lock().unwrap();
        assert!(hub.asked > 0 && hub.runs.is_empty());
    }
}

on_both! {
    /// Killed after a run was asked for and before it was told which: that run is found, and no second one begins.
    async fn killed_in_between_it_finds_its_run(world) {
        let (_web, hub) = hub(&mut world, "").await;
        hub.lock().unwrap().mute = true;
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run hub");
        until("the run to be asked for", || hub.lock().unwrap().runs.len() == 1).await;
        bot.kill().await;
        hub.lock().unwrap().ends = vec!["success"];
        let bot = Outside::start(&world).await;
        world.sees(BEN, "hub · #1 · succeeded").await;
        world.sees(BEN, "ran 1000").await;
        assert_eq!(hub.lock().unwrap().runs.len(), 1);
        bot.terminate().await;
    }
}
