//! What does not fit at once: many workflows, many runs, much output; and what is asked for, one after the other.

use super::program;
use crate::harness::{ANN, BEN, PATIENCE, World};
use crate::on_both;
use opsgram::sandbox::Message;
use std::collections::BTreeSet;

/// The message once it shows this.
async fn shows(world: &World, message: &Message, words: &str) -> Message {
    let id = message.id;
    let found = |view: &opsgram::sandbox::View<'_>| {
        let mut all = view.from_bot(BEN);
        all.find(|message| message.id == id && message.text.contains(words))
            .cloned()
    };
    world.sandbox.wait(PATIENCE, words, found).await.unwrap()
}

on_both! {
    /// Thirty workflows are turned over like pages, each shown once; a slip names what was meant among all of them.
    async fn thirty_workflows_are_turned_over(world) {
        let flow = |number: usize| {
            let words = "what it does, at some length ".repeat(10);
            format!("  deploy-{number:02}: {{description: '{words}', steps: [{{name: a, run: [echo, a]}}]}}\n")
        };
        world.set(&format!("workflows:\n{}", (1..=30).map(flow).collect::<String>()));
        world.start().await;
        let name = |number: usize| format!("deploy-{number:02}");
        let mut page = world.asks(BEN, BEN, "/workflow").await;
        let mut seen = BTreeSet::new();
        for turn in 0.. {
            let here: Vec<usize> = (1..=30).filter(|number| page.text.contains(&format!("{} — ", name(*number)))).collect();
            for number in &here {
                assert!(seen.insert(*number), "{number} twice");
                assert!(page.button(&format!("Run {}", name(*number))).is_some());
            }
            assert_eq!(page.button("‹ Back").is_some(), turn > 0);
            if page.button("More ›").is_none() {
                break;
            }
            world.presses(BEN, &page, "More ›").await;
            page = shows(&world, &page, &name(here.last().unwrap() + 1)).await;
        }
        assert_eq!(seen.len(), 30);
        world.presses(BEN, &page, "‹ Back").await;
        page = shows(&world, &page, "deploy-24").await;
        world.presses(BEN, &page, "Run deploy-24").await;
        world.sees(BEN, "deploy-24 · #1 · succeeded").await;
        let slip = world.asks(BEN, BEN, "/workflow run delpoy-17").await;
        assert!(slip.text.contains("Did you mean deploy-17"), "{}", slip.text);
        world.polite();
    }
}

on_both! {
    /// What is missing is asked for in the order in which it is declared, by buttons where there is a choice; what was given is not.
    async fn missing_values_are_asked_for_in_order(world) {
        world.set("workflows:
  release:
    params:
      - {name: to, choices: [live, test]}
      - {name: tag, pattern: 'v[0-9]+', hint: a tag such as v7}
      - {name: speed, type: integer, min: 1, max: 9}
      - {name: note, default: none}
    steps: [{name: say, run: [echo, '{{ params.to }}', '{{ params.tag }}', '{{ params.speed }}', '{{ params.note }}']}]");
        world.start().await;
        world.say(BEN, "/workflow run release");
        world.sees(BEN, "to?").await;
        world.press(BEN, BEN, "test");
        world.sees(BEN, "tag?").await;
        world.say(BEN, "seven");
        world.sees(BEN, "a tag such as v7").await;
        world.say(BEN, "v7");
        world.sees(BEN, "speed?").await;
        world.say(BEN, "12");
        world.sees(BEN, "9").await;
        assert_eq!(world.jobs().await, 0);
        world.say(BEN, "3");
        world.sees(BEN, "note?").await;
        world.press(BEN, BEN, "Use none");
        world.sees(BEN, "release · #1 · succeeded").await;
        let log = world.asks(BEN, BEN, "/workflow log 1 say").await;
        assert!(log.text.contains("test v7 3 none"), "{}", log.text);
        world.say(BEN, "/workflow run release live v8");
        world.sees(BEN, "speed?").await;
        world.say(BEN, "4");
        world.sees(BEN, "speed: 4").await;
        world.press(BEN, BEN, "Use none");
        world.sees(BEN, "release · #2 · succeeded").await;
        let log = world.asks(BEN, BEN, "/workflow log 2 say").await;
        assert!(log.text.contains("live v8 4 none"), "{}", log.text);
        world.polite();
    }
}

on_both! {
    /// The log of a step that printed much is a file with every byte; twenty runs at once are listed as far as they fit, and how
    /// many more there are is said.
    async fn much_output_and_many_runs_are_told_whole(world) {
        let many = program(&world, "many", "seq 1 60000");
        world.set(&format!("workflows:
  long: {{notify: [], steps: [{{name: few, run: [echo, few]}}, {{name: many, run: [sh, {many}]}}]}}
  held: {{notify: [], concurrency: parallel, steps: [{{name: hold, hold: 1h}}]}}"));
        world.start().await;
        world.say(BEN, "/workflow run long");
        world.sees(BEN, "long · #1 · succeeded").await;
        world.say(BEN, "/workflow log 1 many");
        let log = world.sees(BEN, "#1 · many").await.document.unwrap();
        let whole: String = (1..=60000).map(|number| format!("{number}\n")).collect();
        assert_eq!(log.name, "long-1-many.log");
        assert!(log.bytes == whole.as_bytes(), "{} bytes", log.bytes.len());
        for run in 2..=21 {
            world.say(BEN, "/workflow run held");
            world.sees(BEN, &format!("held · #{run}")).await;
        }
        let status = world.asks(BEN, BEN, "/workflow status").await;
        assert!(status.text.contains("… and 8 more: /jobs running"), "{}", status.text);
        world.presses(BEN, &status, "held #5").await;
        shows(&world, &status, "held · #5").await;
        let list = world.asks(BEN, BEN, "/workflow").await;
        assert!(list.text.contains("runs now, #2, #3"), "{}", list.text);
        world.polite();
    }
}

on_both! {
    /// Tried again after its definition changed: what is still to be done goes as it is written now; what counts as done must not
    /// have changed, nor the list of steps.
    async fn a_retry_after_a_change_takes_over_only_what_is_the_same(world) {
        let flow = |build: &str, put: &str, more: &str| format!(
            "workflows: {{ship: {{notify: [], steps: [{{name: build, run: [echo, {build}]}}, {{name: put, run: [{put}]}}{more}]}}}}\n"
        );
        world.set(&flow("one", "'false'", ""));
        world.sandbox.open_private(ANN);
        world.start().await;
        world.say(BEN, "/workflow run ship");
        world.sees(BEN, "ship · #1 · failed at put").await;
        let mut number = 0;
        for (build, put, more, words) in [
            ("two", "'true'", "", "What build does, which counts as done, is not as it was in #1"),
            ("one", "'true'", ", {name: more, run: [echo, more]}", "The list of steps of ship is not as it was in #1"),
        ] {
            world.settings = flow(build, put, more);
            world.config_file();
            number += 1;
            changed(&world, number).await;
            let refused = world.asks(BEN, BEN, "/workflow retry 1").await;
            assert!(refused.text.contains(words), "{}", refused.text);
        }
        assert_eq!(world.jobs().await, 1);
        world.settings = flow("one", "echo, mended", "");
        world.config_file();
        changed(&world, number + 1).await;
        world.say(BEN, "/workflow retry 1");
        world.sees(BEN, "ship was changed since: the rest goes as it is written now.").await;
        world.sees(BEN, "ship · #2 · succeeded").await;
        let log = world.asks(BEN, BEN, "/workflow log 2 put").await;
        assert!(log.text.contains("mended"), "{}", log.text);
    }
}

/// Waits until the owner was told so often that the file was read again.
async fn changed(world: &World, times: usize) {
    let what = "the file to be read again";
    let told = |view: &opsgram::sandbox::View<'_>| {
        let mut all = view.from_bot(ANN);
        let all = all
            .by_ref()
            .filter(|message| message.text.contains("The configuration was read again"));
        (all.count() >= times).then_some(())
    };
    world.sandbox.wait(PATIENCE, what, told).await.unwrap();
}
