//! Fixes: pressed by a person, or started by a rule when an incident begins, whoever is told of it.

use super::{CRITICAL, Clock, WARNING, begin, change, record, tick, told};
use crate::harness::ANN;
use crate::harness::tools::Gate;
use crate::on_both;
use opsgram::base::alert::{Severity, Turn};
use opsgram::base::time::Millis;
use opsgram::monitors::incidents::{Fix, Rule, Rules};
use std::sync::Arc;
use std::time::Duration;

/// Every check of disks is put right by this script, twice an hour at the most.
fn rules(script: &'static str) -> Option<Rules> {
    Some(Arc::new(move |check: &str| Rule {
        fix: check.starts_with("disk").then(|| Fix {
            script: script.to_owned(),
            auto: true,
            per_hour: 2,
        }),
        ..Rule::default()
    }))
}

on_both! {
    /// A fix is a job like any other: asked first when a person presses, within its limit when a rule does.
    async fn fixes_run_as_jobs(world) {
        world.script("free", "echo freed", &["role: operator"]);
        let rules = |check: &str| Rule {
            fix: Some(Fix { script: "free".to_owned(), auto: check.starts_with("disk"), per_hour: 2 }),
            ..Rule::default()
        };
        begin(&mut world, Some(Arc::new(rules))).await;
        let mut clock = Clock::new();
        record(&world, &[change("load-1", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        let alert = told(&world, ANN).remove(0);
        for _ in 0..2 {
            world.presses(ANN, &alert, "Fix").await;
        }
        world.sees(ANN, "I asked you already whether to run free.").await;
        let question = world.sees(ANN, "Run free? This is what will be executed:").await;
        assert_eq!(world.jobs().await, 0);
        let first = world.sandbox.press(ANN, ANN, question.id, "Run");
        let second = world.sandbox.press(ANN, ANN, question.id, "Run");
        assert!(first.is_ok() && second.is_ok());
        world.sees(ANN, "✅ free · #1").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 1, "an impatient finger runs it once");
        assert!(world.sandbox.messages(ANN).iter().all(|m| m.id != question.id || m.button("Run").is_none()));
        for round in 0..3 {
            record(&world, &[change("disk-root", WARNING, 91.0, clock.on(60))]).await;
            tick(&world, clock.on(11)).await;
            tick(&world, clock.on(1)).await;
            record(&world, &[change("disk-root", Turn::Cleared, 50.0, clock.on(1))]).await;
            tick(&world, clock.on(1)).await;
            assert_eq!(world.jobs().await, 2 + round.min(1), "round {round}");
        }
        let card = world.sees(ANN, "✅ free · #2").await;
        let alert = told(&world, ANN).into_iter().find(|one| one.id == card.reply_to.unwrap_or_default());
        assert!(alert.is_some_and(|alert| alert.text.contains("disk-root")), "it answers the alert");
    }
}

on_both! {
    /// While a fix runs nobody is asked about it; when it is over, they are.
    async fn a_fix_that_runs_is_not_asked_about(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("free", &gate.wait(), &["role: operator"]);
        let rules = |_: &str| Rule {
            fix: Some(Fix { script: "free".to_owned(), auto: false, per_hour: 2 }),
            ..Rule::default()
        };
        begin(&mut world, Some(Arc::new(rules))).await;
        let mut clock = Clock::new();
        record(&world, &[change("load-1", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        let alert = told(&world, ANN).remove(0);
        world.presses(ANN, &alert, "Fix").await;
        let asked = world.sees(ANN, "Run free? This is what will be executed:").await;
        world.presses(ANN, &asked, "Run").await;
        world.sees(ANN, "▶️ free · #1").await;
        world.presses(ANN, &alert, "Fix").await;
        world.sees(ANN, "free runs already, as #1. Press again when that is over").await;
        gate.open(1);
        world.sees(ANN, "✅ free · #1").await;
        world.presses(ANN, &alert, "Fix").await;
        world.quiet().await;
        assert_eq!(world.count(ANN, "Run free? This is what will be executed:"), 1);
        assert_eq!(world.jobs().await, 1);
    }
}

on_both! {
    /// In quiet hours a warning is told to nobody, and put right all the same. What follows from something else is not.
    async fn a_fix_does_not_wait_for_anybody_to_be_told(world) {
        world.script("free", "echo freed", &["role: operator"]);
        begin(&mut world, rules("free")).await;
        let now = Millis::now();
        let hour = |at: Millis| at.utc().format("%H:%M").to_string();
        let from = hour(now.minus(Duration::from_secs(60)));
        let to = hour(now.plus(Duration::from_secs(3 * 3600)));
        world.asks(ANN, ANN, &format!("/subscribe quiet {from}-{to} UTC")).await;
        let mut clock = Clock(now);
        record(&world, &[change("disk-root", WARNING, 91.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        assert_eq!(world.jobs().await, 1);
        tick(&world, clock.on(1)).await;
        assert!(told(&world, ANN).is_empty(), "nobody is woken");
        assert_eq!(world.count(ANN, "✅ free"), 0);
        assert!(world.asks(ANN, ANN, "/alerts 1").await.text.contains("🔧 Its fix ran by itself, "));

        record(&world, &[change("host-up", CRITICAL, 97.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        record(&world, &[change("disk-data", WARNING, 91.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        tick(&world, clock.on(1)).await;
        assert_eq!(world.jobs().await, 1, "the disk is not what is wrong");
    }
}

on_both! {
    /// One that failed is tried again a little later, and when it gets worse, as often as the rule says; that it may not
    /// is said in the incident.
    async fn a_fix_that_failed_is_tried_again_within_its_limit(world) {
        world.script("free", "exit 3", &["role: operator"]);
        begin(&mut world, rules("free")).await;
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        tick(&world, clock.on(1)).await;
        assert_eq!(world.jobs().await, 1);
        tick(&world, clock.on(1)).await;
        assert!(told(&world, ANN)[0].text.contains("🔧 Its fix failed, "), "{}", told(&world, ANN)[0].text);
        tick(&world, clock.on(60)).await;
        assert_eq!(world.jobs().await, 1, "not at once");
        tick(&world, clock.on(300)).await;
        assert_eq!(world.jobs().await, 2);
        let limited = "Its fix ran as often within the hour as it may by itself";
        assert!(!told(&world, ANN)[0].text.contains(limited));
        tick(&world, clock.on(1)).await;
        tick(&world, clock.on(300)).await;
        tick(&world, clock.on(300)).await;
        assert_eq!(world.jobs().await, 2);
        assert!(told(&world, ANN)[0].text.contains(limited), "{}", told(&world, ANN)[0].text);
        record(&world, &[change("disk-root", Turn::Became(Severity::Critical), 97.0, clock.on(1))]).await;
        tick(&world, clock.on(1)).await;
        tick(&world, clock.on(1)).await;
        assert_eq!(world.jobs().await, 2, "worse, but the limit holds");
        tick(&world, clock.on(3600)).await;
        assert_eq!(world.jobs().await, 3);
        tick(&world, clock.on(1)).await;
        world.sees(ANN, "after 3 tries it is not started by itself again").await;
        tick(&world, clock.on(3600)).await;
        assert_eq!(world.jobs().await, 3, "it is left to people");
    }
}
