//! Rust source as words, for the tests that read our own code: comments and literals are left out.

use std::path::{Path, PathBuf};

/// A name, `::`, or any other single sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
}

/// The words of a source text, in order.
pub fn words(source: &str) -> Vec<Word<'_>> {
    let mut reader = Reader {
        source,
        at: 0,
        line: 1,
        words: Vec::new(),
    };
    while reader.at < source.len() {
        reader.step();
    }
    reader.words
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    words: Vec<Word<'a>>,
}

impl<'a> Reader<'a> {
    fn step(&mut self) {
        let rest = &self.source[self.at..];
        let first = rest.chars().next().unwrap_or(' ');
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(comment_len(rest));
        } else if let Some(len) = literal_len(rest) {
            self.skip(len);
        } else if first == '_' || first.is_alphabetic() {
            let raw = rest.starts_with("r#");
            self.skip(if raw { 2 } else { 0 });
            let rest = &self.source[self.at..];
            self.keep(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        } else if first.is_ascii_digit() {
            self.skip(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        } else if rest.starts_with("::") {
            self.keep(2);
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else {
            self.keep(first.len_utf8());
        }
    }

    fn skip(&mut self, len: usize) {
        let skipped = &self.source[self.at..self.at + len];
        self.line += skipped.matches('\n').count();
        self.at += len;
    }

    fn keep(&mut self, len: usize) {
        let text = &self.source[self.at..self.at + len];
        self.words.push(Word {
            text,
            line: self.line,
        });
        self.skip(len);
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The length of a block comment, inner ones included.
fn comment_len(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of the string, character or lifetime that the text begins with.
fn literal_len(rest: &str) -> Option<usize> {
    let letters = rest.bytes().take_while(|b| b"brc".contains(b)).count();
    let body = &rest[letters..];
    if rest[..letters].ends_with('r') || letters == 0 {
        let hashes = body.bytes().take_while(|b| *b == b'#').count();
        if letters > 0 && body[hashes..].starts_with('"') {
            let start = letters + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let len = rest[start..].find(&end)?;
            return Some(start + len + end.len());
        }
    }
    if letters <= 1 && body.starts_with('"') {
        return Some(letters + 1 + quoted_len(&body[1..], '"'));
    }
    if (letters == 0 || rest.starts_with("b'")) && body.starts_with('\'') {
        let inner = &body[1..];
        let first = inner.chars().next()?;
        if first == '\\' || inner[first.len_utf8()..].starts_with('\'') {
            return Some(letters + 1 + quoted_len(inner, '\''));
        }
        // A lifetime or a label.
        let name = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
        return Some(letters + 1 + name);
    }
    None
}

/// The length up to and with the closing quote.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files under a folder of the project whose names end so, sorted, relative to the project.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path.strip_prefix(root()).unwrap_or(&path).to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The text of a file of the project.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

#[test]
fn comments_and_literals_are_left_out() {
    let source = r####"
        a // b ::c
        /* d /* e */ f */ g "h \" i" r#"j " k"# br"l" b"m" c"n" 'o' '\'' b'p' 'q: r<'s> {
        t::r#u 1_000u64 0..2 rbc "v
w" x
    "####;
    let texts: Vec<_> = words(source).iter().map(|word| word.text).collect();
    let expected = "a g : r < > { t :: u . . rbc x";
    assert_eq!(texts.join(" "), expected);
    assert_eq!(words(source).last().map(|word| word.line), Some(5));
}
