//! Names of files that come from outside, made fit for a disk, a chat and an HTTP header.

/// The longest name that is kept, in bytes; Linux takes 255.
const MAX_BYTES: usize = 200;
/// The longest ending that a shortened name keeps, in bytes, its dot included.
const MAX_ENDING: usize = 16;

/// The name, kept as far as it can be: no separators, no control or direction characters, not too long, never empty.
#[must_use]
pub fn safe(name: &str) -> String {
    let clean = |c: char| if is_unfit(c) { '_' } else { c };
    let name: String = name.trim().chars().map(clean).collect();
    if name.chars().all(|c| c == '.') {
        return "file".to_owned();
    }
    if name.len() <= MAX_BYTES {
        return name;
    }
    let ending = ending(&name);
    let mut end = MAX_BYTES - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}

/// What cannot stand in a name, or would make it look like another one.
fn is_unfit(c: char) -> bool {
    let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    c.is_control() || turns || matches!(c, '/' | '\\')
}

/// The ending with its dot, such as `.tar`; empty when there is none, or a long one.
fn ending(name: &str) -> &str {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= MAX_ENDING => &name[at..],
        Some(_) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_kept_as_far_as_they_can_be() {
        for (given, kept) in [
            ("backup.sql", "backup.sql"),
            ("-rf", "-rf"),
            ("Bericht März 2026.pdf", "Bericht März 2026.pdf"),
            (".env", ".env"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("a\\b", "a_b"),
            ("two\nlines\r\n.txt", "two_lines__.txt"),
            ("gpj\u{202e}exe.txt", "gpj_exe.txt"),
            ("", "file"),
            ("  ", "file"),
            ("..", "file"),
        ] {
            assert_eq!(safe(given), kept, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let long = safe(&format!("{}.tar.gz", "ä".repeat(120)));
        assert!(long.len() <= MAX_BYTES && long.ends_with("ä.gz"), "{long}");
        let no_ending = safe(&"x".repeat(255));
        assert_eq!(no_ending.len(), MAX_BYTES);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_file_in_its_folder(name in "\\PC{0,300}|[./\\\\\n\0-]{0,20}") {
            let safe = safe(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= MAX_BYTES);
            let path = std::path::Path::new("/in").join(&safe);
            prop_assert_eq!(path.parent(), Some(std::path::Path::new("/in")));
            prop_assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(safe.as_str()));
        }
    }
}
