//! What a program prints: any bytes are drawn, and nothing that moves a cursor is left in the picture.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsgram::delivery::render::{Size, render};

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (cols, rows, bytes) = input;
    let (cols, rows) = (u16::from(cols), u16::from(rows));
    for size in [Size::Pipe, Size::Terminal { cols, rows }] {
        let shown = render(bytes, size);
        let left = shown.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(left, None, "{shown:?}");
    }
});
