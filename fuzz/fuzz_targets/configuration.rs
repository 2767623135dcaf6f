//! What stands in the file: it is read, or its faults are told; either way quickly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsgram::config::{Env, load};
use std::cell::OnceCell;
use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| TempDir::new().expect("a temporary folder can be made"));
        let file = folder.path().join("opsgram.yaml");
        std::fs::write(&file, data).expect("the temporary folder can be written");
        match load(&file, &Env::default()) {
            Ok(loaded) => assert!(loaded.config.jobs.workers > 0),
            Err(faults) => assert!(!faults.to_string().is_empty()),
        }
    });
});
