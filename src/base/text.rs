//! Text as Telegram counts and reads it: HTML escaping, UTF-16 lengths, cutting and splitting at lines.

use std::borrow::Cow;

/// The longest message text, in UTF-16 units after entity parsing (Bot API, *sendMessage*: "1-4096 characters after entities parsing").
pub const MESSAGE_UNITS: usize = 4096;
/// The longest caption, in UTF-16 units after entity parsing (*sendDocument*: "0-1024 characters after entities parsing").
pub const CAPTION_UNITS: usize = 1024;
/// The longest data of a button, in bytes (*InlineKeyboardButton*: "callback_data … 1-64 bytes").
pub const CALLBACK_BYTES: usize = 64;
/// The longest answer to a button press, in UTF-16 units (*answerCallbackQuery*: "0-200 characters").
pub const ANSWER_UNITS: usize = 200;
/// The largest document a bot may send, in bytes (*sendDocument*: "files of any type of up to 50 MB in size").
pub const DOCUMENT_BYTES: u64 = 50_000_000;
/// The largest file a bot may fetch, in bytes (*getFile*: "bots can download files of up to 20MB in size").
pub const DOWNLOAD_BYTES: u64 = 20_000_000;

/// How far a cut moves back to keep one visible character whole, in chars; the longest emoji sequences have about ten.
const JOINED_CHARS: usize = 24;

/// Plain text as Telegram HTML: `<`, `>` and `&` become entities, and control characters other than newline and tab
/// (which Telegram refuses or drops) are left out.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '\n' | '\t' => html.push(c),
            c if c.is_control() => {}
            c => html.push(c),
        }
    }
    html
}

/// Plain text as a fixed-width HTML block, escaped.
#[must_use]
pub fn pre(text: &str) -> String {
    format!("<pre>{}</pre>", escape(text))
}

/// The length as Telegram counts it, in UTF-16 code units.
#[must_use]
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The length of our own HTML as Telegram counts it: UTF-16 units after parsing, tags left out, an entity counted as
/// the character it stands for.
#[must_use]
pub fn visible_len(html: &str) -> usize {
    utf16_len(&plain_of_html(html))
}

/// Our own HTML as plain text: tags left out, entities decoded. What is no tag and no entity stays as it is.
#[must_use]
pub fn plain_of_html(html: &str) -> String {
    let mut plain = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (text, length) = if rest.starts_with('<') {
            (None, rest.find('>').map(|end| end + 1))
        } else {
            entity(rest).map_or((None, None), |(c, length)| (Some(c), Some(length)))
        };
        match length {
            Some(length) => {
                plain.extend(text);
                rest = &rest[length..];
            }
            None => {
                plain.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The longest beginning of `text` that has at most `max` UTF-16 units and ends between two visible characters
/// (for a single one longer than `max`: between two chars).
#[must_use]
pub fn head_units(text: &str, max: usize) -> &str {
    &text[..cut(text, max)]
}

/// The last whole lines of `text` that have at most `max` UTF-16 units together, and the number of lines left out
/// before them. Newlines at the end are dropped first. When the last line alone is too long, its end is returned.
#[must_use]
pub fn tail_lines(text: &str, max: usize) -> (&str, usize) {
    let text = text.trim_end_matches('\n');
    let mut units = 0;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        units += c.len_utf16();
        if units > max {
            break;
        }
        start = at;
    }
    if start == 0 {
        return (text, 0);
    }
    let cut_inside = !text[..start].ends_with('\n');
    let start = match text[start..].find('\n') {
        _ if !cut_inside => start,
        Some(newline) => start + newline + 1,
        None => start + joined_ahead(text, start),
    };
    (&text[start..], text[..start].matches('\n').count())
}

/// Cuts `text` into pieces of at most `max` UTF-16 units (at least 2): at a newline where there is one, else after a
/// space, else between characters. Nothing is lost but the newline at a cut, and pieces that would be blank, which
/// Telegram refuses.
#[must_use]
pub fn split(text: &str, max: usize) -> Vec<&str> {
    let max = max.max(2);
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = first_piece(rest, max);
        if !is_blank(piece) {
            pieces.push(piece);
        }
        rest = after;
    }
    pieces
}

/// Whether nothing of the text can be seen. Telegram refuses a message of such characters alone as empty, or takes them out.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    let unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c,
                '\u{AD}' | '\u{30A}' | '\u{333}' | '\u{33F}' | '\u{34F}' // soft hyphen, marks that Telegram takes out
                | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}' // fillers, the empty Braille pattern
                | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' // zero width
                | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFFC}' | '\u{E0000}'..='\u{E01EF}')
    };
    text.chars().all(unseen)
}

/// `text` with at most `max` UTF-16 units; a longer one ends with `…`.
#[must_use]
pub fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    if utf16_len(text) <= max {
        return Cow::Borrowed(text);
    }
    let head = head_units(text, max.saturating_sub(1)).trim_end();
    Cow::Owned(format!("{head}…"))
}

fn first_piece(text: &str, max: usize) -> (&str, &str) {
    let end = cut(text, max);
    if end == text.len() {
        return (text, "");
    }
    if text[end..].starts_with('\n') {
        return (&text[..end], &text[end + 1..]);
    }
    if let Some(newline) = text[..end].rfind('\n') {
        return (&text[..newline], &text[newline + 1..]);
    }
    match text[..end].rfind(' ') {
        Some(space) if space >= end / 2 => text.split_at(space + 1),
        _ => text.split_at(end),
    }
}

/// The byte at which the first `max` UTF-16 units end, moved back so that no visible character is cut in two.
fn cut(text: &str, max: usize) -> usize {
    let mut units = 0;
    let Some((end, _)) = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > max
    }) else {
        return text.len();
    };
    let back = text[..end]
        .char_indices()
        .rev()
        .map(|(at, _)| at)
        .take(JOINED_CHARS);
    std::iter::once(end)
        .chain(back)
        .find(|at| *at > 0 && is_boundary(text, *at))
        .unwrap_or(end)
}

/// How many bytes after `at` the next visible character starts, 0 when it does not come soon.
fn joined_ahead(text: &str, at: usize) -> usize {
    text[at..]
        .char_indices()
        .take(JOINED_CHARS)
        .map(|(offset, _)| offset)
        .find(|offset| is_boundary(text, at + offset))
        .unwrap_or(0)
}

/// Whether a visible character starts at this byte: no joiner, combining mark, emoji modifier or half of a flag lies across it.
fn is_boundary(text: &str, at: usize) -> bool {
    let (Some(before), Some(after)) = (text[..at].chars().next_back(), text[at..].chars().next())
    else {
        return true;
    };
    let flag = |c: &char| matches!(c, '\u{1F1E6}'..='\u{1F1FF}');
    if flag(&before) && flag(&after) {
        return text[..at].chars().rev().take_while(flag).count() % 2 == 0;
    }
    before != ZERO_WIDTH_JOINER && !extends(after)
}

const ZERO_WIDTH_JOINER: char = '\u{200D}';

fn extends(c: char) -> bool {
    matches!(c,
        ZERO_WIDTH_JOINER
        | '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{20D0}'..='\u{20FF}' // combining marks
        | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}' // variation selectors, flag tags
        | '\u{1F3FB}'..='\u{1F3FF}') // skin tones
}

/// The character of the entity that `text` starts with, and the entity's length in bytes.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|b| b == b';')?;
    let c = match &text[1..end] {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((c, end + 1))
}

/// A number of bytes as people read it, in powers of 1000: `812 B`, `35 kB`, `1.6 MB`, `12 GB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let mut unit = 1;
    for name in ["B", "kB", "MB", "GB"] {
        if count < unit * 1000 || name == "GB" {
            let tenths = count * 10 / unit;
            return match unit {
                1 => format!("{count} B"),
                _ if tenths < 100 && !tenths.is_multiple_of(10) => {
                    format!("{}.{} {name}", tenths / 10, tenths % 10)
                }
                _ => format!("{} {name}", tenths / 10),
            };
        }
        unit *= 1000;
    }
    format!("{count} B")
}

/// A text with a capital letter at its beginning.
#[must_use]
pub fn capital(words: &str) -> String {
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A number with commas between its thousands: `20,000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    /// A family of three: five chars, eight units, one visible character.
    const FAMILY: &str = "👨\u{200D}👩\u{200D}👧";

    #[test]
    fn what_cannot_be_seen_is_blank() {
        for blank in [
            "",
            " \n\t",
            "\u{202e}\u{200f}",
            "\u{2800} \u{2800}",
            "\u{30a}",
            "\u{200b}\u{feff}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in [
            ".",
            "\u{200b}x",
            "\u{FFFD}",
            "e\u{301}",
            "\u{1F468}\u{200D}\u{1F469}",
        ] {
            assert!(!is_blank(seen), "{seen:?}");
        }
        assert!(split(&"\u{202e}".repeat(10), 4).is_empty());
    }

    #[test]
    fn markup_is_escaped_and_control_characters_vanish() {
        assert_eq!(
            escape("a<b>&\"c\0\r\u{7}\u{9b}\n\td"),
            "a&lt;b&gt;&amp;\"c\n\td"
        );
        assert_eq!(pre("```\n<x>"), "<pre>```\n&lt;x&gt;</pre>");
    }

    #[test]
    fn lengths_are_utf16_units_after_parsing() {
        assert_eq!(utf16_len("aé😀"), 4);
        assert_eq!(visible_len("<b>a</b>&lt;😀&#128512;&#x41;"), 7);
        assert_eq!(
            plain_of_html("<a href=\"x\">1 &amp; 2</a> & &x; <"),
            "1 & 2 & &x; <"
        );
        assert_eq!(plain_of_html("&é;&#xD800;"), "&é;&#xD800;");
    }

    #[test]
    fn a_tail_is_whole_lines() {
        assert_eq!(tail_lines("one\ntwo\nthree\n", 9), ("two\nthree", 1));
        assert_eq!(tail_lines("one\ntwo\nthree", 8), ("three", 2));
        assert_eq!(tail_lines("one\ntwo\nthree", 6), ("three", 2));
        assert_eq!(tail_lines("one\ntwo", 7), ("one\ntwo", 0));
        assert_eq!(tail_lines("one\nlonger", 3), ("ger", 1));
        assert_eq!(tail_lines("", 3), ("", 0));
        assert_eq!(tail_lines("a\n", 0), ("", 0));
    }

    #[test]
    fn a_cut_keeps_visible_characters_whole() {
        assert_eq!(head_units(&format!("ab{FAMILY}"), 9), "ab");
        assert_eq!(head_units("a😀", 2), "a");
        assert_eq!(head_units("e\u{301}e\u{301}", 3), "e\u{301}");
        assert_eq!(head_units("🇩🇪🇫🇷", 6), "🇩🇪");
        assert_eq!(tail_lines(&format!("ab{FAMILY}c"), 5).0, "c");
        assert_eq!(
            head_units(FAMILY, 4),
            "👨\u{200D}",
            "alone it must be cut somewhere"
        );
        assert_eq!(
            head_units(&"\u{301}".repeat(99), 40),
            "\u{301}".repeat(40).as_str()
        );
    }

    #[test]
    fn text_is_split_at_lines_then_words_then_characters() {
        assert_eq!(split("ab\ncd\nef", 5), ["ab\ncd", "ef"]);
        assert_eq!(split("ab\ncdefg", 5), ["ab", "cdefg"]);
        assert_eq!(split("one two three", 8), ["one two ", "three"]);
        assert_eq!(split("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(split("😀😀😀", 3), ["😀", "😀", "😀"]);
        assert_eq!(split("\n\n\n", 1), Vec::<&str>::new());
        assert_eq!(split("", 9), Vec::<&str>::new());
    }

    #[test]
    fn a_long_text_is_shortened_with_an_ellipsis() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abc def", 5), "abc…");
    }

    fn output() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec![
                "a", "é", "😀", "\n", " ", FAMILY, "🇩🇪", "e\u{301}", "<", "&amp;", "word",
                "\u{200D}",
            ]),
            0..200,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn split_loses_nothing_but_newlines_at_cuts(text in output(), max in 2usize..40) {
            let mut at = 0;
            for piece in split(&text, max) {
                prop_assert!(utf16_len(piece) <= max && !is_blank(piece));
                let start = piece.as_ptr() as usize - text.as_ptr() as usize;
                let gap = &text[at..start];
                prop_assert!(is_blank(gap));
                at = start + piece.len();
            }
            prop_assert!(is_blank(&text[at..]));
        }

        #[test]
        fn without_blank_pieces_split_rejoins(lines in prop::collection::vec("[a-zé😀]{1,12}", 1..60), max in 2usize..60) {
            let text = lines.join("\n");
            let pieces = split(&text, max);
            let longest = lines.iter().map(|line| utf16_len(line)).max().unwrap_or(0);
            prop_assert_eq!(pieces.concat().replace('\n', ""), text.replace('\n', ""));
            if longest <= max {
                prop_assert_eq!(pieces.join("\n"), text, "whole lines are never cut");
            }
        }

        #[test]
        fn a_tail_fits_and_is_an_end(text in output(), max in 0usize..60) {
            let (tail, skipped) = tail_lines(&text, max);
            prop_assert!(utf16_len(tail) <= max);
            let trimmed = text.trim_end_matches('\n');
            prop_assert!(trimmed.ends_with(tail));
            let before = &trimmed[..trimmed.len() - tail.len()];
            prop_assert_eq!(before.matches('\n').count(), skipped);
        }

        #[test]
        fn a_head_fits_and_is_a_beginning(text in output(), max in 0usize..60) {
            let head = head_units(&text, max);
            prop_assert!(utf16_len(head) <= max && text.starts_with(head));
        }

        #[test]
        fn escaping_reads_back(text in any::<String>()) {
            let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
            prop_assert_eq!(plain_of_html(&pre(&text)), clean.as_str());
            prop_assert_eq!(visible_len(&escape(&text)), utf16_len(&clean));
        }

        #[test]
        fn any_html_can_be_read(html in "[<>&;#x0-9a-z😀é]{0,40}") {
            let _ = visible_len(&html);
        }
    }
}
