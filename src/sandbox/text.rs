//! Text on its way in: cleaning, trimming, entities, and the lengths Telegram allows.

use serde_json::Value;

use super::html;
use super::model::{Entity, EntityKind};
use super::params::Params;
use super::refusal::Refusal;

/// The longest message text, in UTF-16 units after parsing.
pub(super) const MAX_TEXT: usize = 4096;
/// The longest caption, in UTF-16 units after parsing.
pub(super) const MAX_CAPTION: usize = 1024;

/// A text that was read and found good.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) entities: Vec<Entity>,
    pub(super) source: String,
}

impl Content {
    /// The length in UTF-16 units.
    pub(super) fn units(&self) -> usize {
        self.text.encode_utf16().count()
    }
}

/// Reads a text with its parse mode or explicit entities.
///
/// # Errors
/// 400 for faults in the markup.
pub(super) fn read(
    source: &str,
    mode: Option<&str>,
    marks: Option<&Value>,
) -> Result<Content, Refusal> {
    let parsed = match mode.unwrap_or_default().to_ascii_lowercase().as_str() {
        "" => html::Parsed {
            text: source.to_owned(),
            entities: given(marks)?,
        },
        "html" => html::parse(source)
            .map_err(|words| Refusal::bad(format!("can't parse entities: {words}")))?,
        "markdown" | "markdownv2" => {
            return Err(Refusal::bad(
                "the sandbox supports parse_mode HTML and plain text only",
            ));
        }
        _ => return Err(Refusal::bad("unsupported parse_mode")),
    };
    let mut content = tidy(parsed);
    content.entities.extend(commands(&content));
    content
        .entities
        .sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
    source.clone_into(&mut content.source);
    Ok(content)
}

/// Reads a caption from the usual three parameters.
///
/// # Errors
/// 400 for faults in the markup or a caption that is too long.
pub(super) fn caption(params: &Params) -> Result<Content, Refusal> {
    let source = params.text("caption").unwrap_or_default();
    let content = read(
        source,
        params.text("parse_mode"),
        params.json("caption_entities"),
    )?;
    if content.units() > MAX_CAPTION {
        return Err(Refusal::bad("message caption is too long"));
    }
    Ok(content)
}

/// Explicit entities, of which only the plain kinds are modelled.
fn given(marks: Option<&Value>) -> Result<Vec<Entity>, Refusal> {
    let marks = marks
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    marks.iter().map(given_one).collect()
}

fn given_one(mark: &Value) -> Result<Entity, Refusal> {
    let text = |key: &str| mark.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| {
        let number = mark.get(key).and_then(Value::as_u64);
        number
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or_default()
    };
    let kind = match text("type").unwrap_or_default().as_str() {
        "bold" => EntityKind::Bold,
        "italic" => EntityKind::Italic,
        "underline" => EntityKind::Underline,
        "strikethrough" => EntityKind::Strikethrough,
        "spoiler" => EntityKind::Spoiler,
        "code" => EntityKind::Code(None),
        "pre" => EntityKind::Pre(text("language")),
        "blockquote" => EntityKind::Blockquote { expandable: false },
        "expandable_blockquote" => EntityKind::Blockquote { expandable: true },
        "text_link" => EntityKind::TextLink(text("url").unwrap_or_default()),
        "bot_command" => EntityKind::BotCommand,
        other => {
            return Err(Refusal::bad(format!(
                "the sandbox does not model entities of type {other:?}"
            )));
        }
    };
    Ok(Entity {
        kind,
        offset: number("offset"),
        length: number("length"),
    })
}

/// Cleans control characters and trims both ends, moving the entities along.
fn tidy(parsed: html::Parsed) -> Content {
    let mut text = String::with_capacity(parsed.text.len());
    let mut moved = Vec::new();
    let mut units = 0;
    for c in parsed.text.chars() {
        match cleaned(c) {
            Some(c) => {
                moved.extend(std::iter::repeat_n(units, c.len_utf16()));
                units += c.len_utf16();
                text.push(c);
            }
            None => moved.extend(std::iter::repeat_n(units, c.len_utf16())),
        }
    }
    moved.push(units);
    let blank = [' ', '\n'];
    let cut = text.len() - text.trim_start_matches(blank).len();
    let trimmed = text.trim_matches(blank);
    let length = trimmed.encode_utf16().count();
    let place = |at: usize| {
        moved
            .get(at)
            .copied()
            .unwrap_or(units)
            .saturating_sub(cut)
            .min(length)
    };
    let entities = parsed.entities.into_iter().filter_map(|entity| {
        let from = place(entity.offset);
        let to = place(entity.offset + entity.length);
        (to > from).then(|| Entity {
            kind: entity.kind,
            offset: from,
            length: to - from,
        })
    });
    Content {
        entities: entities.collect(),
        source: String::new(),
        text: trimmed.to_owned(),
    }
}

/// What Telegram makes of a character: control characters become spaces, some vanish.
fn cleaned(c: char) -> Option<char> {
    match c {
        '\n' => Some(c),
        '\r' | '\u{2028}'..='\u{202e}' | '\u{333}' | '\u{33f}' | '\u{30a}' => None,
        '\0'..='\u{1f}' => Some(' '),
        _ => Some(c),
    }
}

/// Commands in the text, outside code and links.
fn commands(content: &Content) -> Vec<Entity> {
    let mut found = Vec::new();
    let mut units = 0;
    let mut before = ' ';
    for (at, c) in content.text.char_indices() {
        let may_start =
            c == '/' && !before.is_alphanumeric() && !['/', '_', '>', '<'].contains(&before);
        if may_start && let Some(length) = command_length(&content.text[at..]) {
            let taken = content.entities.iter().any(|e| covers(e, units));
            if !taken {
                found.push(Entity {
                    kind: EntityKind::BotCommand,
                    offset: units,
                    length,
                });
            }
        }
        units += c.len_utf16();
        before = c;
    }
    found
}

fn covers(entity: &Entity, at: usize) -> bool {
    let opaque = matches!(
        entity.kind,
        EntityKind::Code(_) | EntityKind::Pre(_) | EntityKind::TextLink(_) | EntityKind::BotCommand
    );
    opaque && (entity.offset..entity.offset + entity.length).contains(&at)
}

/// The length of a command at the start of the text: its name, and the bot it is for.
fn command_length(text: &str) -> Option<usize> {
    let word = |text: &str| {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(text.len())
    };
    let name = word(&text[1..]);
    if !(1..=64).contains(&name) {
        return None;
    }
    let rest = &text[1 + name..];
    let bot = rest.strip_prefix('@').map_or(0, word);
    let whole = 1 + name + if bot >= 3 { bot + 1 } else { 0 };
    let next = text[whole..].chars().next();
    (!next.is_some_and(|c| c == '/' || c.is_alphanumeric())).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, mode: Option<&str>) -> String {
        let content = read(source, mode, None).expect("fits");
        let entities = content
            .entities
            .iter()
            .map(|e| (e.kind.name(), e.offset, e.length));
        format!("{:?} {:?}", content.text, entities.collect::<Vec<_>>())
    }

    #[test]
    fn text_is_cleaned_and_trimmed_with_its_entities() {
        for (source, want) in [
            (" \n<b> a</b> \n", "\"a\" [(\"bold\", 0, 1)]"),
            ("a\tb\rc\0d", "\"a bc d\" []"),
            ("\r<b>a\r\nb</b> c", "\"a\\nb c\" [(\"bold\", 0, 3)]"),
            ("\u{202e}<i>😀</i>", "\"😀\" [(\"italic\", 0, 2)]"),
            ("<b>  </b>", "\"\" []"),
        ] {
            assert_eq!(shown(source, Some("HTML")), want, "{source:?}");
        }
    }

    #[test]
    fn commands_are_found() {
        for (source, want) in [
            ("/run a", "\"/run a\" [(\"bot_command\", 0, 4)]"),
            (
                "😀 /run@my_bot, /x",
                "\"😀 /run@my_bot, /x\" [(\"bot_command\", 3, 11), (\"bot_command\", 16, 2)]",
            ),
            ("a/b //c /usr/bin", "\"a/b //c /usr/bin\" []"),
        ] {
            assert_eq!(shown(source, None), want, "{source:?}");
        }
        assert_eq!(
            shown("<code>/run</code>", Some("HTML")),
            "\"/run\" [(\"code\", 0, 4)]"
        );
    }

    #[test]
    fn other_parse_modes_are_refused_plainly() {
        let words = read("x", Some("MarkdownV2"), None)
            .expect_err("refused")
            .description;
        assert!(words.contains("HTML and plain text only"), "{words}");
    }
}
