//! Program output as the text that a terminal would show.

use regex::Regex;
use std::num::NonZeroU16;
use std::sync::LazyLock;
use vt100::capture::{
    BasicFormattedCaptureRange, BasicFormattedCaptureState, RowContents, basic_formatted_to_plain,
};

/// The terminal that a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// None: the program wrote to a pipe. Lines have any length, a newline also returns to the first column, and cursor
    /// moves reach back over some hundred lines.
    Pipe,
    /// A terminal of this many columns and rows; what scrolls off its top is kept.
    Terminal {
        /// Columns, at least 2.
        cols: u16,
        /// Rows, at least 2.
        rows: u16,
    },
}

/// The narrowest and widest screen used for a pipe, in columns; longer lines are wrapped by the screen and joined again.
const PIPE_COLS: std::ops::RangeInclusive<usize> = 80..=512;
/// The fewest and most rows of a pipe's screen.
const PIPE_ROWS: std::ops::RangeInclusive<usize> = 24..=512;
/// The most cells of a pipe's screen (32 bytes each): 4 MiB, so that every job may be rendered at once.
const PIPE_CELLS: usize = 128 * 1024;
/// The most cells touched in all, when every newline scrolls and every code erases the whole screen of a pipe.
const PIPE_WORK: usize = 64 * 1024 * 1024;
/// The longest run of one character that a single code may repeat; without a limit eight bytes make 65,535.
const MAX_REPEAT: usize = 512;

/// Stands for an invalid byte while the terminal works, which would drop U+FFFD; the last private-use character, which no program prints.
const INVALID: char = '\u{10FFFD}';
/// Asks for an emoji's coloured form, and makes a narrow one wide after it was drawn: the terminal fails on that at a line's end.
const EMOJI_FORM: char = '\u{FE0F}';
/// Stands for [`EMOJI_FORM`] while the terminal works; the last variation selector, which no program prints.
const STAND_IN_FORM: char = '\u{E01EF}';

/// What erases a whole screen and starts at its top.
const CLEARS: [&str; 4] = ["\x1b[H\x1b[2J", "\x1b[H\x1b[J", "\x1b[2J\x1b[H", "\x1bc"];

/// What a terminal shows after these bytes, with everything that scrolled off above it: colours left out, `\r` and
/// cursor moves obeyed, tabs expanded, invalid UTF-8 as U+FFFD, no white space at line ends, no empty lines at the end.
///
/// Meant for up to some 100 KiB; time grows with the length, memory is bounded.
#[must_use]
pub fn render(bytes: &[u8], size: Size) -> String {
    let text = String::from_utf8_lossy(bytes);
    if is_plain(&text) {
        return tidy(text.lines());
    }
    let text = harmless(&text);
    let drawn = match size {
        Size::Pipe => {
            let frame = last_frame(&text);
            let (cols, rows) = pipe_screen(frame);
            draw(&frame.replace('\n', "\r\n"), cols, rows)
        }
        Size::Terminal { cols, rows } => draw(&text, cols, rows),
    };
    let drawn = drawn
        .replace(INVALID, "\u{FFFD}")
        .replace(STAND_IN_FORM, "\u{FE0F}");
    tidy(drawn.lines())
}

/// Whether a terminal would show the text as it is: nothing in it moves the cursor, but for line ends.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let control = |(at, byte): (usize, &u8)| match byte {
        b'\n' => false,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        // 0xC2 leads U+0080 to U+00BF, of which the first half are controls.
        _ => *byte < 0x20 || *byte == 0x7F || *byte == 0xC2,
    };
    !bytes.iter().enumerate().any(control)
}

/// The text without what the terminal would drop, fail on, or take very long for.
fn harmless(text: &str) -> String {
    static REPEAT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\x1b[\x00-\x1a\x1c-\x1f\x7f]*\[([0-9;:\x00-\x1a\x1c-\x1f\x7f]*)b")
            .expect("a constant pattern")
    });
    let bounded = |repeat: &regex::Captures<'_>| {
        let times = repeat[1].parse().unwrap_or(1).min(MAX_REPEAT);
        format!("\x1b[{times}b")
    };
    REPEAT
        .replace_all(text, bounded)
        .replace(
            char::REPLACEMENT_CHARACTER,
            INVALID.encode_utf8(&mut [0; 4]),
        )
        .replace(EMOJI_FORM, STAND_IN_FORM.encode_utf8(&mut [0; 4]))
}

/// What follows the last time that a program erased everything it had shown.
fn last_frame(text: &str) -> &str {
    let start = CLEARS.iter().filter_map(|clear| text.rfind(clear)).max();
    &text[start.unwrap_or(0)..]
}

/// Columns and rows wide and tall enough that, within bounds, no line wraps and none scrolls off.
fn pipe_screen(text: &str) -> (u16, u16) {
    let columns = |line: &str| line.len() + 7 * line.matches('\t').count();
    let longest = text.split(['\n', '\r']).map(columns).max().unwrap_or(0);
    let moves = text.matches(['\n', '\x1b']).count();
    let cells = PIPE_CELLS.min(PIPE_WORK / moves.max(1));
    let cols = longest.min(cells / PIPE_ROWS.start());
    let cols = cols.clamp(*PIPE_COLS.start(), *PIPE_COLS.end());
    let lines = text.split('\n').map(|line| line.len() / cols + 1);
    let rows = lines.sum::<usize>().min(cells / cols);
    let rows = rows.clamp(*PIPE_ROWS.start(), *PIPE_ROWS.end());
    (saturated(cols), saturated(rows))
}

fn saturated(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Everything the terminal ever showed and did not overwrite, line by line.
fn draw(text: &str, cols: u16, rows: u16) -> String {
    let at_least_two = |number: u16| NonZeroU16::new(number.max(2)).unwrap_or(NonZeroU16::MIN);
    let mut terminal = vt100::Parser::new_with_callbacks(
        at_least_two(rows),
        at_least_two(cols),
        0,
        Scrolled::default(),
    );
    terminal.process(text.as_bytes());
    let (screen, scrolled) = terminal.screen_and_callbacks_mut();
    // Writing to a String cannot fail.
    let _ = screen.write_contents_formatted_basic(
        &mut scrolled.text,
        BasicFormattedCaptureRange::Full(&mut scrolled.state),
    );
    basic_formatted_to_plain(&scrolled.text).collect()
}

/// Collects the rows that leave the screen at its top.
#[derive(Default)]
struct Scrolled {
    text: String,
    state: BasicFormattedCaptureState,
}

impl vt100::Callbacks for Scrolled {
    fn on_scroll(&mut self, row: RowContents<'_>, alternate_screen: bool) {
        if !alternate_screen {
            // Writing to a String cannot fail.
            let _ = row.write_formatted_basic(&mut self.text, &mut self.state);
        }
    }
}

fn tidy<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end_matches('\n').len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    const TERMINAL: Size = Size::Terminal { cols: 80, rows: 24 };

    fn pipe(text: &str) -> String {
        render(text.as_bytes(), Size::Pipe)
    }

    #[test]
    fn output_is_shown_as_a_terminal_would() {
        let cases = [
            ("one\ntwo\n\n\n", "one\ntwo"),
            ("\n\none", "\n\none"),
            ("a\r\nb  \r\n", "a\nb"),
            (
                "\x1b[1;31mred\x1b[0m and \x1b[38;5;9mmore\x1b[m",
                "red and more",
            ),
            ("10%\r50%\r100%\ndone", "100%\ndone"),
            ("longer line\rshort", "shortr line"),
            ("longer line\r\x1b[Kshort", "short"),
            ("a\nb\nc\x1b[2A\rX\x1b[2B", "X\nb\nc"),
            ("ab\x08c", "ac"),
            ("a\tb\n12345678\tc", "a       b\n12345678        c"),
            ("before\n\x1b[2J\x1b[Hafter", "after"),
            (
                "title\x1b]0;window\x07 text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
                "title textlink",
            ),
            ("\x1b[?1049hmenu\x1b[?1049lback", "back"),
            ("a\x1b[3bb", "aaaab"),
            ("\x07bell\0nul\x7f\u{85}c1", "bellnulc1"),
            (
                "\x1b[32m😀 e\u{301} 👨\u{200D}👩\u{200D}👧 🇩🇪 ❤\u{FE0F} 漢字",
                "😀 e\u{301} 👨\u{200D}👩\u{200D}👧 🇩🇪 ❤\u{FE0F} 漢字",
            ),
            (
                "😀 e\u{301} 👨\u{200D}👩\u{200D}👧",
                "😀 e\u{301} 👨\u{200D}👩\u{200D}👧",
            ),
            ("\x1b[31m", ""),
            ("", ""),
        ];
        for (bytes, shown) in cases {
            assert_eq!(pipe(bytes), shown, "{bytes:?}");
        }
    }

    #[test]
    fn invalid_bytes_are_replaced_with_and_without_a_terminal() {
        assert_eq!(render(b"a\xFFb\xE2\x82", Size::Pipe), "a\u{FFFD}b\u{FFFD}");
        assert_eq!(render(b"\x1b[1ma\xFFb", Size::Pipe), "a\u{FFFD}b");
    }

    #[test]
    fn long_lines_are_not_broken() {
        let long = "x".repeat(64 * 1024);
        assert_eq!(pipe(&long), long);
        let coloured = format!("\x1b[32m{long}\x1b[0m\nnext");
        assert_eq!(pipe(&coloured), format!("{long}\nnext"));
        let wide = "漢".repeat(300);
        assert_eq!(render(format!("\x1b[1m{wide}").as_bytes(), TERMINAL), wide);
    }

    #[test]
    fn nothing_is_lost_when_it_scrolls_off() {
        let lines: Vec<String> = (0..5000).map(|n| format!("line {n}")).collect();
        let text = format!("\x1b[1mstart\x1b[0m\n{}", lines.join("\n"));
        let shown = format!("start\n{}", lines.join("\n"));
        assert_eq!(pipe(&text), shown);
        assert_eq!(
            render(text.replace('\n', "\r\n").as_bytes(), TERMINAL),
            shown
        );
    }

    #[test]
    fn a_program_that_redraws_its_screen_is_shown_as_it_stands() {
        let frames: String = (0..50)
            .map(|n| format!("\x1b[H\x1b[2JEvery 2s\nrun {n}\n{}", "row\n".repeat(30)))
            .collect();
        let shown = format!("Every 2s\nrun 49\n{}", "row\n".repeat(30));
        assert_eq!(pipe(&frames), shown.trim_end());
    }

    #[test]
    fn a_terminal_keeps_its_size() {
        let screen = Size::Terminal { cols: 10, rows: 3 };
        assert_eq!(
            render(b"a\r\nb\r\nc\r\nd\x1b[HX", screen),
            "a\nX\nc\nd",
            "the cursor's home is the top of what is visible"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_rendered(bytes in prop::collection::vec(any::<u8>(), 0..400), cols in 0u16..90, rows in 0u16..30) {
            let _ = render(&bytes, Size::Pipe);
            let _ = render(&bytes, Size::Terminal { cols, rows });
        }

        #[test]
        fn terminal_codes_never_break_it(parts in prop::collection::vec(codes(), 0..120), cols in 0u16..12, rows in 0u16..6) {
            let text = parts.concat();
            let shown = render(text.as_bytes(), Size::Pipe);
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
            let _ = render(text.as_bytes(), Size::Terminal { cols, rows });
        }

        #[test]
        fn plain_lines_are_the_same_with_and_without_colours(lines in prop::collection::vec("[a-zé漢😀 ]{0,30}", 0..40)) {
            let plain = lines.join("\n");
            prop_assert_eq!(pipe(&format!("\x1b[0m{plain}")), pipe(&plain));
        }
    }

    fn codes() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::{Just, Strategy, prop_oneof};
        prop_oneof![
            (0u32..70000, 0u32..300, "[@A-Za-z`]")
                .prop_map(|(a, b, end)| format!("\x1b[{a};{b}{end}")),
            (0u32..2100, "[hlJK]").prop_map(|(a, end)| format!("\x1b[?{a}{end}")),
            "[78=>McDEHgNOZ]".prop_map(|end| format!("\x1b{end}")),
            prop::sample::select(vec![
                "\n", "\r", "\t", "\x08", "\x0b", "\x0c", "\x0e", "漢", "😀", "\u{301}",
                "\u{FE0F}", "❤", "\u{200D}", "\u{17D8}", "\u{FFFD}"
            ])
            .prop_map(str::to_owned),
            "[a-z]{1,30}",
            Just("\x1b]0;x\x07".to_owned()),
        ]
    }
}
