//! What is sent: pieces fit and lose nothing, and what was escaped reads as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsgram::base::text::{
    escape, head_units, is_blank, plain_of_html, shorten, split, tail_lines, utf16_len, visible_len,
};

fuzz_target!(|input: (u16, &str)| {
    let (max, text) = input;
    let max = usize::from(max).max(2);
    let mut at = 0;
    for piece in split(text, max) {
        assert!(utf16_len(piece) <= max && !is_blank(piece));
        let start = piece.as_ptr() as usize - text.as_ptr() as usize;
        assert!(is_blank(&text[at..start]), "something was lost before a piece");
        at = start + piece.len();
    }
    assert!(is_blank(&text[at..]), "something was lost at the end");
    let (tail, _) = tail_lines(text, max);
    assert!(utf16_len(tail) <= max);
    assert!(utf16_len(head_units(text, max)) <= max);
    assert!(utf16_len(&shorten(text, max)) <= max);
    let html = escape(text);
    let clean: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    assert_eq!(plain_of_html(&html), clean);
    assert_eq!(visible_len(&html), utf16_len(&clean));
    let _ = plain_of_html(text);
});
