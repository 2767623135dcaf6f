//! Many steps, many runs, and cards that have much to say.

use crate::harness::BEN;
use crate::on_both;
use opsgram::base::job::JobState;
use opsgram::base::text::{MESSAGE_UNITS, utf16_len};
use std::fmt::Write;

on_both! {
    /// A thousand steps come to their end, and their card fits.
    async fn a_thousand_steps(world) {
        let mut yaml = "workflows:\n  long:\n    notify: []\n    steps:\n".to_owned();
        for number in 0..1000 {
            writeln!(yaml, "      - {{name: step-{number}, run: [echo, x], when: '{{{{ run.by }}}} == nobody'}}").unwrap();
        }
        world.set(&yaml);
        world.start().await;
        world.say(BEN, "/workflow run long");
        let card = world.sees(BEN, "long · #1 · succeeded").await;
        assert!(card.text.contains("skipped") && card.text.contains("⏭ step-999"), "{}", card.text);
        assert!(utf16_len(&card.text) <= MESSAGE_UNITS);
    }
}

on_both! {
    /// A hundred runs at once all end well.
    async fn a_hundred_runs_at_once(world) {
        world.set("jobs: {per_user: 200}
workflows: {short: {concurrency: parallel, notify: [], steps: [{name: one, run: [echo, one]}, {name: pause, hold: 1s}], always: [{name: last, run: [echo, last]}]}}");
        world.start().await;
        for _ in 0..100 {
            world.say(BEN, "/workflow run short");
        }
        world.sees(BEN, "#100").await;
        world.quiet().await;
        let db = world.database().await;
        for run in 1..=100 {
            assert_eq!(world.job(&db, run).await.state, JobState::Succeeded, "#{run}");
        }
    }
}

on_both! {
    /// Steps that fail with much to say: the card stays within Telegram's length.
    async fn a_card_of_long_failures_fits(world) {
        let path = "very-long-&-winding/".repeat(60);
        let mut yaml = "workflows:\n  sad:\n    parallel: 8\n    notify: []\n    steps:\n".to_owned();
        for number in 0..40 {
            writeln!(yaml, "      - {{name: step-{number}, needs: [], on_failure: continue, run: ['{{{{ run.dir }}}}/{path}none']}}").unwrap();
        }
        world.set(&yaml);
        world.start().await;
        world.say(BEN, "/workflow run sad");
        let card = world.sees(BEN, "completed with warnings").await;
        assert!(card.text.contains("40 failed (ignored)") && card.text.contains("⚠️ step-11 "), "{}", card.text);
        assert!(utf16_len(&card.text) <= MESSAGE_UNITS);
    }
}
