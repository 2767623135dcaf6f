//! A command line typed on a phone, cut into words: quotes as people and phones write them, and no expansion of any kind.

/// Why a text cannot be cut into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// A quote was opened and never closed; holds the opening quote as it was typed.
    #[error("The quote {0} is not closed: write it at both ends of the text, or leave it out.")]
    Unclosed(char),
}

/// Cuts a command line into words.
///
/// Words are separated by white space. `"…"`, `'…'`, `“…”`, `„…“`, `‘…’`, `’…’`, `«…»` and the like keep white space and newlines;
/// `""` is an empty word. A single quote counts as one only at the start of a word or after a sign, so `don’t` stays,
/// and a typographic one that has no partner stays as well. Inside double quotes `\"` and `\\` stand for `"` and `\`;
/// every other backslash is an ordinary character. A dash `–` or `—` that starts a word before a letter is read as `--`,
/// because phones put it there.
///
/// # Errors
/// [`WordsError::Unclosed`] when a quote has no partner.
pub fn words(text: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = after;
        if c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let begins = word.is_none();
        let open = word.get_or_insert_default();
        if begins && matches!(c, '–' | '—') && after.starts_with(char::is_alphabetic) {
            open.push_str("--");
        } else if let Some(quote) = Quote::opened_by(c, text, text.len() - after.len()) {
            match quote.read(after) {
                Some((inside, behind)) => {
                    open.push_str(&inside);
                    rest = behind;
                }
                None if may_stand_alone(c) => open.push(c),
                None => return Err(WordsError::Unclosed(c)),
            }
        } else {
            open.push(c);
        }
    }
    words.extend(word);
    Ok(words)
}

/// A kind of quote: what closes it, and whether it is a double one (which knows backslash escapes).
#[derive(Clone, Copy)]
struct Quote {
    closers: &'static [char],
    double: bool,
}

impl Quote {
    /// The quote that `c` opens; `after` is the byte of `text` behind it.
    fn opened_by(c: char, text: &str, after: usize) -> Option<Quote> {
        let (closers, double): (&'static [char], bool) = match c {
            '"' => (&['"'], true),
            '“' => (&['”', '“'], true),
            '„' => (&['“', '”'], true),
            '”' => (&['”'], true),
            '«' => (&['»'], true),
            '»' => (&['«', '»'], true),
            '\'' => (&['\''], false),
            '‘' => (&['’', '‘'], false),
            '‚' => (&['‘', '’'], false),
            '’' => (&['’'], false),
            _ => return None,
        };
        let inside_word = text[..after - c.len_utf8()].ends_with(char::is_alphanumeric);
        (double || !inside_word).then_some(Quote { closers, double })
    }

    /// What stands between the quotes, and what follows the closing one; `None` when nothing closes it.
    fn read(self, text: &str) -> Option<(String, &str)> {
        let mut inside = String::new();
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let behind = &text[at + c.len_utf8()..];
            if self.closers.contains(&c) && !self.is_apostrophe(&text[..at], behind) {
                return Some((inside, behind));
            }
            match chars.peek() {
                Some((_, next @ ('"' | '\\'))) if self.double && c == '\\' => {
                    inside.push(*next);
                    chars.next();
                }
                _ => inside.push(c),
            }
        }
        None
    }

    /// A single quote between two letters is an apostrophe, not the end of the quoted text.
    fn is_apostrophe(self, before: &str, behind: &str) -> bool {
        !self.double
            && before.ends_with(char::is_alphanumeric)
            && behind.starts_with(char::is_alphanumeric)
    }
}

/// Whether an opening quote may be meant as itself: a typographic apostrophe, or a closing mark.
fn may_stand_alone(quote: char) -> bool {
    matches!(quote, '‘' | '’' | '‚' | '”' | '»')
}

#[cfg(test)]
mod tests {
    use super::{WordsError, words};
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn words_are_cut_as_people_mean_them() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  \n\t ", &[]),
            ("deploy api", &["deploy", "api"]),
            ("deploy\u{a0}api\nv1", &["deploy", "api", "v1"]),
            (r#"say "two words" x"#, &["say", "two words", "x"]),
            ("say 'two words' x", &["say", "two words", "x"]),
            ("say “two words” x", &["say", "two words", "x"]),
            ("say „two words“ x", &["say", "two words", "x"]),
            ("say ”two words” x", &["say", "two words", "x"]),
            ("say ‘two words’ x", &["say", "two words", "x"]),
            ("say ’two words’ x", &["say", "two words", "x"]),
            ("say «two words» x", &["say", "two words", "x"]),
            ("say »two words« x", &["say", "two words", "x"]),
            ("I don’t and don't", &["I", "don’t", "and", "don't"]),
            ("'I don't know'", &["I don't know"]),
            ("‘I don’t know’", &["I don’t know"]),
            ("the dogs’ ’tis", &["the", "dogs’", "’tis"]),
            ("a” b", &["a”", "b"]),
            ("“I don’t” x", &["I don’t", "x"]),
            (r#""" '' “”"#, &["", "", ""]),
            (r#"--msg="two words""#, &["--msg=two words"]),
            ("--msg='two words'", &["--msg=two words"]),
            (r#"ab"c d"ef"#, &["abc def"]),
            (r#""a \"b\" \\ \d \n""#, &[r#"a "b" \ \d \n"#]),
            (r"C:\temp \d 'a\'", &[r"C:\temp", r"\d", r"a\"]),
            ("\"one\ntwo\"", &["one\ntwo"]),
            ("—force –v x—y", &["--force", "--v", "x—y"]),
            ("— –5 \"—x\"", &["—", "–5", "—x"]),
            (
                "$HOME `id` $(id) ; && | > * ~ {a,b} #x !1",
                &[
                    "$HOME", "`id`", "$(id)", ";", "&&", "|", ">", "*", "~", "{a,b}", "#x", "!1",
                ],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(
                words(text).as_deref(),
                Ok(expected.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        }
    }

    #[test]
    fn an_unclosed_quote_is_an_error_that_names_it() {
        for (text, quote) in [
            ("a \"b c", '"'),
            ("a 'b c", '\''),
            ("“b", '“'),
            ("«b", '«'),
            ("\"a\\\"", '"'),
        ] {
            assert_eq!(words(text), Err(WordsError::Unclosed(quote)), "{text}");
        }
        assert_eq!(
            WordsError::Unclosed('"').to_string(),
            "The quote \" is not closed: write it at both ends of the text, or leave it out."
        );
    }

    proptest! {
        #[test]
        fn plain_text_is_only_cut_at_white_space(text in r"[^'\x22“”„‚‘’«»–—]{0,60}") {
            let expected: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            prop_assert_eq!(words(&text), Ok(expected));
        }

        #[test]
        fn what_is_quoted_comes_out_verbatim(parts in proptest::collection::vec(r"[a-z $;&|\n]{0,10}", 1..6)) {
            let line = parts.iter().map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(words(&line), Ok(parts));
        }

        #[test]
        fn characters_that_are_no_quotes_are_kept_in_order(text in "[a-z \n'\"“”„‘’«»]{0,40}") {
            let letters = |s: &str| s.chars().filter(char::is_ascii_lowercase).collect::<String>();
            if let Ok(words) = words(&text) {
                prop_assert_eq!(letters(&words.concat()), letters(&text));
            }
        }

        #[test]
        fn any_text_is_read(text in ".{0,60}") {
            prop_assert!(words(&text).map_or(true, |words| words.len() <= text.len()));
        }
    }
}
