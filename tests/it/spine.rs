//! The main path: a command runs a script, and its output comes back.

use crate::harness::{ANN, BEN};
use crate::on_both;

on_both! {
    /// A short job makes exactly one message, with its output.
    async fn a_short_job_is_one_message(world) {
        world.script("hello", "echo Hello, $1", &["args: [{name: who, default: world}]"]);
        world.start().await;
        world.say(BEN, "/run hello “big world”");
        let card = world.sees(BEN, "exit 0").await;
        assert!(card.text.starts_with("✅ hello · #1 · exit 0"), "{}", card.text);
        assert!(card.text.contains("Hello, big world"));
        assert_eq!(card.edits(), 0);
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(BEN).len(), 1);
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
