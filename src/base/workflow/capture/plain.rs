//! What a line says without its escape sequences (ECMA-48).

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;

/// A piece of a line.
enum Piece<'a> {
    Text(&'a [u8]),
    /// A sequence with parameters, such as a colour: `ESC [ 31 m`. Its last byte says what it does.
    Control(&'a [u8]),
    /// A sequence that holds a text of its own, such as a title or the target of a link, up to its end.
    Held,
    /// Any other.
    Other(&'a [u8]),
}

/// The text alone: no sequences and no control characters but tabs. Where the cursor moves to another line or to a given
/// column, there is a newline.
pub(super) fn plain(line: &[u8]) -> String {
    let mut text = Vec::with_capacity(line.len());
    for piece in pieces(line) {
        match piece {
            Piece::Text(bytes) => text.extend_from_slice(bytes),
            Piece::Control([.., b'A' | b'B' | b'E'..=b'H' | b'f']) => text.push(b'\n'),
            Piece::Control(_) | Piece::Held | Piece::Other(_) => {}
        }
    }
    bare(&text)
}

/// Whether any sequence begins in the line.
pub(super) fn has_sequences(line: &[u8]) -> bool {
    line.contains(&ESCAPE)
}

/// The text with its sequences, as if they were none.
pub(super) fn bare(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let seen = |c: &char| !c.is_control() || matches!(c, '\t' | '\n');
    text.chars().filter(seen).collect()
}

/// The line as it is, without the sequences that hold a text of their own: a terminal does not show it.
pub(super) fn without_strings(line: &[u8]) -> Vec<u8> {
    let shown = pieces(line).map(|piece| match piece {
        Piece::Text(bytes) | Piece::Control(bytes) | Piece::Other(bytes) => bytes,
        Piece::Held => &[],
    });
    shown.flatten().copied().collect()
}

fn pieces(line: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let (piece, length) = if *first == ESCAPE {
            sequence(rest)
        } else {
            let end = rest.iter().position(|byte| *byte == ESCAPE);
            let length = end.unwrap_or(rest.len());
            (Piece::Text(&rest[..length]), length)
        };
        rest = &rest[length..];
        Some(piece)
    })
}

/// The sequence at the beginning, and its length. One that breaks off ends before what is no part of it.
fn sequence(bytes: &[u8]) -> (Piece<'_>, usize) {
    let skip = |from: usize, within: std::ops::RangeInclusive<u8>| {
        let more = bytes[from..].iter();
        from + more.take_while(|byte| within.contains(byte)).count()
    };
    match bytes.get(1) {
        Some(b'[') => {
            let end = skip(skip(2, 0x30..=0x3f), 0x20..=0x2f);
            let last = usize::from(matches!(bytes.get(end), Some(0x40..=0x7e)));
            (Piece::Control(&bytes[..end + last]), end + last)
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => (Piece::Held, 2 + held(&bytes[2..])),
        Some(_) => {
            let end = skip(1, 0x20..=0x2f);
            let last = usize::from(matches!(bytes.get(end), Some(0x30..=0x7e)));
            (Piece::Other(&bytes[..end + last]), end + last)
        }
        None => (Piece::Other(bytes), 1),
    }
}

/// How long the text is that a sequence holds, its end included.
fn held(bytes: &[u8]) -> usize {
    match bytes.iter().position(|byte| matches!(*byte, BELL | ESCAPE)) {
        Some(at) if bytes[at] == BELL => at + 1,
        Some(at) if bytes.get(at + 1) == Some(&b'\\') => at + 2,
        Some(at) => at,
        None => bytes.len(),
    }
}
