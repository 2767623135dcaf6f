//! What Telegram sends: whatever is taken in can be read back after a restart, and means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsgram::chat::message::Incoming;
use teloxide::types::{Update, UpdateKind};

fuzz_target!(|data: &[u8]| {
    let Ok(update) = serde_json::from_slice::<Update>(data) else {
        return;
    };
    let Ok(stored) = serde_json::to_string(&update) else {
        return;
    };
    let Ok(again) = serde_json::from_str::<Update>(&stored) else {
        panic!("stored, and not read back: {stored}");
    };
    if let (UpdateKind::Message(before), UpdateKind::Message(after)) = (&update.kind, &again.kind) {
        let (before, after) = (Incoming::of(before), Incoming::of(after));
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    }
});
