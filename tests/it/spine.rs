//! The main path: a command runs a script, and its output comes back.

use crate::harness::{ANN, BEN};
use crate::on_both;
use opsgram::base::ids::JobId;
use std::time::Duration;

on_both! {
    /// A job that ends within 300 ms makes exactly one message, with its output.
    async fn a_short_job_is_one_message(world) {
        world.script("hello", "echo Hello, $1", &["args: [{name: who, default: world}]"]);
        world.start().await;
        // On a machine that is busy elsewhere a run may take longer; what is promised is promised of a short one.
        for run in 1..=20 {
            let before = world.sandbox.from_bot(BEN).len();
            world.say(BEN, "/run hello “big world”");
            let card = world.sees(BEN, &format!("✅ hello · #{run} · exit 0")).await;
            assert!(card.text.contains("Hello, big world"));
            world.quiet().await;
            let mut db = world.services().store.read().await.unwrap();
            let job = opsgram::store::jobs::find(&mut db, JobId(run)).await.unwrap().unwrap();
            let took = job.finished_at.unwrap().since(job.new.created_at);
            if took < Duration::from_millis(250) {
                assert_eq!(card.edits(), 0);
                assert_eq!(world.sandbox.from_bot(BEN).len(), before + 1);
                break;
            }
            assert!(run < 20, "no run of twenty was short");
        }
    }
}

on_both! {
    /// A longer job is one card, edited while it runs, with a button to stop it.
    async fn a_longer_job_is_one_card_that_is_edited(world) {
        world.script("slow", "echo begun; read < gate; echo done", &[]);
        let gate = world.path().join("gate");
        nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
        world.start().await;
        world.say(ANN, "/run slow");
        let card = world.sees(ANN, "▶️ slow · #1").await;
        assert!(card.button("Cancel").is_some());
        std::fs::write(&gate, "go\n").unwrap();
        let ended = world.sees(ANN, "✅ slow · #1 · exit 0").await;
        assert_eq!(ended.id, card.id);
        assert!(ended.text.contains("begun\ndone"), "{}", ended.text);
        assert!(ended.button("Run again").is_some());
    }
}
