//! Telegram's HTML: markup to plain text and entities, by Telegram's own rules and error words.
//!
//! Written apart from the product's own text code on purpose: a fault there must not cancel out here.
//! Two rules are stricter than Telegram's, which would drop the inner entity in silence: nothing may
//! stand inside `pre` or `code`, and no quote inside a quote.

use super::model::{Entity, EntityKind};

/// Plain text with its entities, offsets in UTF-16 units.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parsed {
    pub(super) text: String,
    pub(super) entities: Vec<Entity>,
}

/// Parses HTML as Telegram does.
///
/// # Errors
/// The words that follow `can't parse entities: `.
pub(super) fn parse(source: &str) -> Result<Parsed, String> {
    let mut parser = Parser {
        source,
        at: 0,
        units: 0,
        out: Parsed::default(),
        open: Vec::new(),
    };
    parser.run()?;
    let mut out = parser.out;
    out.entities
        .sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
    Ok(out)
}

/// A tag that waits for its end.
struct Open {
    name: String,
    argument: Option<String>,
    offset: usize,
    text_from: usize,
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    units: usize,
    out: Parsed,
    open: Vec<Open>,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.peek() {
            match c {
                '<' if self.source[self.at + 1..].starts_with('/') => self.end_tag()?,
                '<' => self.start_tag()?,
                '&' => {
                    let c = self.reference().unwrap_or('&');
                    self.push(c);
                }
                _ => {
                    self.at += c.len_utf8();
                    self.push(c);
                }
            }
        }
        match self.open.last() {
            Some(open) => Err(format!(
                "Can't find end tag corresponding to start tag \"{}\"",
                open.name
            )),
            None => Ok(()),
        }
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn push(&mut self, c: char) {
        self.units += c.len_utf16();
        self.out.text.push(c);
    }

    /// Moves on while the character fits and returns what was passed.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let rest = &self.source[self.at..];
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn skip_space(&mut self) {
        self.take_while(is_space);
    }

    /// A character reference at `&`; an unknown one is a plain ampersand.
    fn reference(&mut self) -> Option<char> {
        let rest = &self.source[self.at + 1..];
        let (c, used) = if let Some(hex) = rest.strip_prefix("#x") {
            let digits = leading(hex, |c| c.is_ascii_hexdigit());
            (numeric(digits, 16), digits.len() + 2)
        } else if let Some(decimal) = rest.strip_prefix('#') {
            let digits = leading(decimal, |c| c.is_ascii_digit());
            (numeric(digits, 10), digits.len() + 1)
        } else {
            let name = leading(rest, |c| c.is_ascii_alphabetic());
            (named(name), name.len())
        };
        let found = c.filter(|_| used < 9);
        self.at += 1;
        if found.is_some() {
            self.at += used + usize::from(rest[used..].starts_with(';'));
        }
        found
    }

    fn start_tag(&mut self) -> Result<(), String> {
        let begin = self.at;
        self.at += 1;
        let name = self
            .take_while(|c| !is_space(c) && c != '>')
            .to_ascii_lowercase();
        if self.peek().is_none() {
            return Err(format!("Unclosed start tag at byte offset {begin}"));
        }
        if !KNOWN_TAGS.contains(&name.as_str()) {
            return Err(format!(
                "Unsupported start tag \"{name}\" at byte offset {begin}"
            ));
        }
        self.check_nesting(&name, begin)?;
        let argument = self.attributes(&name, begin)?;
        if name == "span" && argument.as_deref() != Some("tg-spoiler") {
            return Err(format!(
                "Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"
            ));
        }
        let text_from = self.out.text.len();
        self.open.push(Open {
            name,
            argument,
            offset: self.units,
            text_from,
        });
        Ok(())
    }

    fn check_nesting(&self, name: &str, begin: usize) -> Result<(), String> {
        let quoted = self.open.iter().any(|open| open.name == "blockquote");
        if name == "blockquote" && quoted {
            return Err(format!(
                "blockquote entities can't be nested, at byte offset {begin}"
            ));
        }
        let outer = self
            .open
            .iter()
            .find(|open| open.name == "pre" || open.name == "code");
        match outer {
            Some(outer) if outer.name == "pre" && name == "code" && self.open.len() == 1 => Ok(()),
            Some(outer) => Err(format!(
                "\"{}\" entities can't contain other entities, found \"{name}\" at byte offset {begin}",
                outer.name
            )),
            None => Ok(()),
        }
    }

    /// Reads the attributes up to and with `>`; returns the one value the tag uses.
    fn attributes(&mut self, tag: &str, begin: usize) -> Result<Option<String>, String> {
        let mut argument = None;
        loop {
            self.skip_space();
            match self.peek() {
                Some('>') => {
                    self.at += 1;
                    return Ok(argument);
                }
                None => {
                    return Err(format!(
                        "Unclosed start tag \"{tag}\" at byte offset {begin}"
                    ));
                }
                Some(_) => {}
            }
            let (name, value) = self.attribute(tag, begin)?;
            match (tag, name.as_str()) {
                ("a", "href") | ("tg-emoji", "emoji-id") | ("span", "class") => {
                    argument = Some(value)
                }
                ("blockquote", "expandable") => argument = Some(name),
                ("code", "class") => {
                    argument = value.strip_prefix("language-").map(str::to_owned);
                }
                _ => {}
            }
        }
    }

    fn attribute(&mut self, tag: &str, begin: usize) -> Result<(String, String), String> {
        let name = self
            .take_while(|c| !is_space(c) && c != '=' && c != '>')
            .to_ascii_lowercase();
        if name.is_empty() {
            return Err(format!(
                "Empty attribute name in the tag \"{tag}\" at byte offset {begin}"
            ));
        }
        self.skip_space();
        if self.peek() != Some('=') {
            if tag == "blockquote" && name == "expandable" {
                return Ok((name, String::new()));
            }
            return Err(format!(
                "Expected equal sign in declaration of an attribute of the tag \"{tag}\" at byte offset {begin}"
            ));
        }
        self.at += 1;
        self.skip_space();
        let value = match self.peek() {
            None => {
                return Err(format!(
                    "Unclosed start tag \"{tag}\" at byte offset {begin}"
                ));
            }
            Some(quote @ ('"' | '\'')) => self.quoted(quote, begin)?,
            Some(_) => self.bare()?,
        };
        Ok((name, value))
    }

    fn quoted(&mut self, quote: char, begin: usize) -> Result<String, String> {
        self.at += 1;
        let mut value = String::new();
        loop {
            match self.peek() {
                None => return Err(format!("Unclosed start tag at byte offset {begin}")),
                Some(c) if c == quote => {
                    self.at += 1;
                    return Ok(value);
                }
                Some('&') => value.push(self.reference().unwrap_or('&')),
                Some(c) => {
                    self.at += c.len_utf8();
                    value.push(c);
                }
            }
        }
    }

    fn bare(&mut self) -> Result<String, String> {
        let from = self.at;
        let value = self.take_while(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
        match self.peek() {
            Some(c) if is_space(c) || c == '>' => Ok(value.to_ascii_lowercase()),
            _ => Err(format!(
                "Unexpected end of name token at byte offset {from}"
            )),
        }
    }

    fn end_tag(&mut self) -> Result<(), String> {
        let begin = self.at;
        let Some(open) = self.open.pop() else {
            return Err(format!("Unexpected end tag at byte offset {begin}"));
        };
        self.at += 2;
        let name = self
            .take_while(|c| !is_space(c) && c != '>')
            .to_ascii_lowercase();
        self.skip_space();
        if self.peek() != Some('>') {
            return Err(format!("Unclosed end tag at byte offset {begin}"));
        }
        self.at += 1;
        if !name.is_empty() && name != open.name {
            return Err(format!(
                "Unmatched end tag at byte offset {begin}, expected \"</{}>\", found \"</{name}>\"",
                open.name
            ));
        }
        self.close(open)
    }

    fn close(&mut self, open: Open) -> Result<(), String> {
        let length = self.units - open.offset;
        if length == 0 {
            return Ok(());
        }
        let language = match (open.name.as_str(), self.out.entities.last()) {
            (
                "pre",
                Some(Entity {
                    kind: EntityKind::Code(language),
                    offset,
                    length: inner,
                }),
            ) if *offset == open.offset && *inner == length => Some(language.clone()),
            _ => None,
        };
        if language.is_some() {
            self.out.entities.pop();
        }
        let inside = &self.out.text[open.text_from..];
        if let Some(kind) = entity_kind(&open.name, open.argument, inside, language.flatten())? {
            self.out.entities.push(Entity {
                kind,
                offset: open.offset,
                length,
            });
        }
        Ok(())
    }
}

const KNOWN_TAGS: [&str; 16] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "span",
    "tg-spoiler",
    "tg-emoji",
    "blockquote",
];

fn entity_kind(
    tag: &str,
    argument: Option<String>,
    inside: &str,
    language: Option<String>,
) -> Result<Option<EntityKind>, String> {
    Ok(Some(match tag {
        "b" | "strong" => EntityKind::Bold,
        "i" | "em" => EntityKind::Italic,
        "u" | "ins" => EntityKind::Underline,
        "s" | "strike" | "del" => EntityKind::Strikethrough,
        "span" | "tg-spoiler" => EntityKind::Spoiler,
        "code" => EntityKind::Code(argument),
        "pre" => EntityKind::Pre(language),
        "blockquote" => EntityKind::Blockquote {
            expandable: argument.is_some(),
        },
        "tg-emoji" => {
            let id = argument.filter(|id| id.parse::<i64>().is_ok_and(|id| id != 0));
            EntityKind::CustomEmoji(id.ok_or("Invalid custom emoji identifier specified")?)
        }
        _ => {
            return Ok(link(
                argument
                    .filter(|url| !url.is_empty())
                    .unwrap_or_else(|| inside.to_owned()),
            ));
        }
    }))
}

/// A link entity; an address that Telegram would not take leaves plain text.
fn link(url: String) -> Option<EntityKind> {
    if let Some(id) = url.strip_prefix("tg://user?id=") {
        return id.parse().ok().map(EntityKind::TextMention);
    }
    let host = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        Some(("tg" | "ton" | "tonsite", _)) => return Some(EntityKind::TextLink(url)),
        Some(_) => return None,
        None => &url,
    };
    let name = host.split(['/', '?', '#']).next().unwrap_or_default();
    let fits = !name.is_empty() && !name.contains(char::is_whitespace);
    let local = name.starts_with("localhost");
    (fits && (local || name.contains('.'))).then_some(EntityKind::TextLink(url))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\0' | '\x0b')
}

fn leading(text: &str, fits: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !fits(c)).unwrap_or(text.len())]
}

fn numeric(digits: &str, radix: u32) -> Option<char> {
    let code = u32::from_str_radix(digits, radix)
        .ok()
        .filter(|code| *code != 0)?;
    char::from_u32(code)
}

fn named(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        match parse(source) {
            Ok(parsed) => {
                let entities: Vec<String> = parsed
                    .entities
                    .iter()
                    .map(|e| format!("{}@{}+{}", e.kind.name(), e.offset, e.length))
                    .collect();
                format!("{} [{}]", parsed.text, entities.join(" "))
            }
            Err(words) => format!("! {words}"),
        }
    }

    #[test]
    fn markup_becomes_text_and_entities() {
        for (source, want) in [
            ("plain", "plain []"),
            ("<b>a</b><i>b</i>", "ab [bold@0+1 italic@1+1]"),
            (
                "<strong>a</strong><em>b</em><ins>c</ins><del>d</del>",
                "abcd [bold@0+1 italic@1+1 underline@2+1 strikethrough@3+1]",
            ),
            (
                "<u>a</u><s>b</s><strike>c</strike>",
                "abc [underline@0+1 strikethrough@1+1 strikethrough@2+1]",
            ),
            ("<b>a<i>b</i></b>", "ab [bold@0+2 italic@1+1]"),
            ("<B>a</b>", "a [bold@0+1]"),
            ("<b>a</>", "a [bold@0+1]"),
            ("<b></b>x", "x []"),
            ("😀<b>é</b>", "😀é [bold@2+1]"),
            ("<b>👨‍👩‍👧</b>!", "👨‍👩‍👧! [bold@0+8]"),
            ("&lt;&gt;&amp;&quot;&#65;&#x1F600;", "<>&\"A😀 []"),
            (
                "&nbsp; &lt a & b &#0; &apos;",
                "&nbsp; < a & b &#0; &apos; []",
            ),
            ("<code>x</code>", "x [code@0+1]"),
            ("<pre>x</pre>", "x [pre@0+1]"),
            (
                "<pre><code class=\"language-rust\">fn</code></pre>",
                "fn [pre@0+2]",
            ),
            (
                "<span class=\"tg-spoiler\">x</span><tg-spoiler>y</tg-spoiler>",
                "xy [spoiler@0+1 spoiler@1+1]",
            ),
            (
                "<blockquote expandable>x</blockquote>",
                "x [expandable_blockquote@0+1]",
            ),
            (
                "<blockquote>x <b>y</b></blockquote>",
                "x y [blockquote@0+3 bold@2+1]",
            ),
            (
                "<a href=\"https://e.org/?a=1&amp;b=2\">x</a>",
                "x [text_link@0+1]",
            ),
            ("<a href='tg://user?id=5'>x</a>", "x [text_mention@0+1]"),
            ("<a href=\"nonsense\">x</a>", "x []"),
            (
                "<tg-emoji emoji-id=\"5368\">👍</tg-emoji>",
                "👍 [custom_emoji@0+2]",
            ),
            ("a > b", "a > b []"),
        ] {
            assert_eq!(shown(source), want, "{source}");
        }
    }

    #[test]
    fn faults_are_told_in_telegrams_words() {
        for (source, want) in [
            ("é<x>", "Unsupported start tag \"x\" at byte offset 2"),
            ("a < b", "Unsupported start tag \"\" at byte offset 2"),
            ("<b", "Unclosed start tag at byte offset 0"),
            (
                "<b>a",
                "Can't find end tag corresponding to start tag \"b\"",
            ),
            ("a</b>", "Unexpected end tag at byte offset 1"),
            (
                "<b>a</i>",
                "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\"",
            ),
            ("<b>a</b", "Unclosed end tag at byte offset 4"),
            (
                "<a href>x</a>",
                "Expected equal sign in declaration of an attribute of the tag \"a\" at byte offset 0",
            ),
            ("<a href=\"x>y</a>", "Unclosed start tag at byte offset 0"),
            (
                "<a href=x/y>z</a>",
                "Unexpected end of name token at byte offset 8",
            ),
            (
                "<span>x</span>",
                "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0",
            ),
            (
                "<tg-emoji>x</tg-emoji>",
                "Invalid custom emoji identifier specified",
            ),
            (
                "<pre>a<b>c</b></pre>",
                "\"pre\" entities can't contain other entities, found \"b\" at byte offset 6",
            ),
            (
                "<code><i>c</i></code>",
                "\"code\" entities can't contain other entities, found \"i\" at byte offset 6",
            ),
            (
                "<blockquote>a<blockquote>b</blockquote></blockquote>",
                "blockquote entities can't be nested, at byte offset 13",
            ),
            ("<br/>", "Unsupported start tag \"br/\" at byte offset 0"),
        ] {
            assert_eq!(shown(source), format!("! {want}"), "{source}");
        }
    }

    #[test]
    fn arguments_are_kept() {
        let parsed = parse("<pre><code class=\"language-rust\">fn</code></pre>").expect("fits");
        assert_eq!(
            parsed.entities[0].kind,
            EntityKind::Pre(Some("rust".to_owned()))
        );
        let parsed = parse("<a href=\"https://e.org/?a=1&amp;b=2\">x</a>").expect("fits");
        assert_eq!(
            parsed.entities[0].kind,
            EntityKind::TextLink("https://e.org/?a=1&b=2".to_owned())
        );
    }

    proptest::proptest! {
        #[test]
        fn any_input_is_parsed_or_refused_and_entities_stay_inside(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "<", ">", "</", "<b>", "</b>", "<pre>", "</pre>", "<code class=\"language-x\">", "</code>",
                    "<a href='", "'>", "</a>", "&", "&lt;", "&#x1F600;", "&#", "=", "\"", " ", "\n", "é", "😀", "x",
                ]),
                0..30,
            )
        ) {
            let source = parts.concat();
            if let Ok(parsed) = parse(&source) {
                let units = parsed.text.encode_utf16().count();
                proptest::prop_assert!(parsed.entities.iter().all(|e| e.length > 0 && e.offset + e.length <= units));
            }
        }
    }
}
