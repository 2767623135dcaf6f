//! What a button sends: forged data is nothing, or a press that reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsgram::chat::keyboards::Press;

fuzz_target!(|data: &str| {
    if let Some(press) = Press::read(data) {
        assert_eq!(Press::read(&press.data()), Some(press));
    }
});
