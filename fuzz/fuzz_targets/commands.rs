//! What a person types: it becomes words or a refusal, and no word is longer than what was typed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsgram::base::words::words;
use opsgram::chat::commands::{Command, read_line};

fuzz_target!(|text: &str| {
    if let Some(line) = read_line(text) {
        let _ = Command::named(&line.name);
        assert!(text.contains(line.rest));
        if let Ok(words) = words(line.rest) {
            let letters: usize = words.iter().map(String::len).sum();
            assert!(letters <= line.rest.len());
        }
    }
    let _ = words(text);
});
