//! A text with places for values: `{{ params.repo }}`, `{{ steps.terminal.url }}`.
//!
//! What is put in stays what it is: a template becomes one text, never more than one argument, and no shell reads it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What is escaped in a part of an address: all but what RFC 3986, section 2.3, calls unreserved.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text with places for values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Piece {
    Text(String),
    Value(Source),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A parameter of the workflow: `params.repo`.
    Param(String),
    /// What an earlier step found: `steps.terminal.url`.
    Step(String, String),
    /// A variable of the bot's environment that the workflow passes on: `env.HOME`.
    Env(String),
    /// The run itself: `run.id`, `run.dir`, `run.by`.
    Run(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Param(name) => write!(f, "params.{name}"),
            Source::Step(step, name) => write!(f, "steps.{step}.{name}"),
            Source::Env(name) => write!(f, "env.{name}"),
            Source::Run(name) => write!(f, "run.{name}"),
        }
    }
}

impl Source {
    /// What `run.` may be followed by.
    pub const OF_RUN: [&'static str; 3] = ["id", "dir", "by"];

    /// That it has no value, and what gives it one.
    fn lacking(&self) -> String {
        match self {
            Source::Step(step, _) => format!("{self} has no value, since {step} did not find it"),
            Source::Env(name) => format!(
                "{self} has no value: set {name} in the environment of the bot, and name it in env_pass"
            ),
            Source::Param(_) | Source::Run(_) => format!("{self} has no value"),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.');
        let source = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("params"), Some(name), None, None) => Source::Param(name.to_owned()),
            (Some("steps"), Some(step), Some(name), None) => {
                Source::Step(step.to_owned(), name.to_owned())
            }
            (Some("env"), Some(name), None, None) => Source::Env(name.to_owned()),
            (Some("run"), Some(name), None, None) if Source::OF_RUN.contains(&name) => {
                Source::Run(name.to_owned())
            }
            _ => {
                return Err(format!(
                    "`{{{{ {text} }}}}` names no value; write params.NAME, steps.STEP.NAME, env.NAME, or run.id, run.dir, run.by"
                ));
            }
        };
        Ok(source)
    }
}

/// The values of a run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    known: BTreeMap<Source, String>,
    /// How those look to people that hold something which must not be seen.
    veiled: BTreeMap<Source, String>,
    /// Why those that are wanted are not there.
    lacking: BTreeMap<Source, String>,
}

impl Values {
    /// Adds or replaces a value.
    pub fn set(&mut self, source: Source, value: impl Into<String>) {
        self.veiled.remove(&source);
        self.known.insert(source, value.into());
    }

    /// Adds or replaces a value that is shown to people as `veiled`.
    pub fn set_veiled(&mut self, source: Source, value: impl Into<String>, veiled: String) {
        self.set(source.clone(), value);
        self.veiled.insert(source, veiled);
    }

    /// Says why a value is not there, for whoever wants it.
    pub fn lack(&mut self, source: Source, why: impl Into<String>) {
        self.lacking.insert(source, why.into());
    }

    /// The value.
    ///
    /// # Errors
    /// That it is not there, and why.
    fn wanted(&self, source: &Source) -> Result<&str, String> {
        let lacking = || match self.lacking.get(source) {
            Some(why) => format!("{source} has no value, since {why}"),
            None => source.lacking(),
        };
        self.get(source).ok_or_else(lacking)
    }

    /// A value, if there is one yet.
    #[must_use]
    pub fn get(&self, source: &Source) -> Option<&str> {
        self.known.get(source).map(String::as_str)
    }

    /// A value as people may see it.
    fn shown(&self, source: &Source) -> Option<&str> {
        let veiled = self.veiled.get(source).map(String::as_str);
        veiled.or_else(|| self.get(source))
    }
}

impl Template {
    /// A text as it is.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        let pieces = vec![Piece::Text(text.into())];
        Self { pieces }
    }

    /// A value alone.
    #[must_use]
    pub fn value(source: Source) -> Self {
        let pieces = vec![Piece::Value(source)];
        Self { pieces }
    }

    /// Reads `{{ … }}`; two braces themselves are written `{{ "{{" }}`. A single brace is text.
    ///
    /// # Errors
    /// What is wrong with a place, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            plain.push_str(before);
            let (inside, tail) = match after.trim_start().strip_prefix("\"{{\"") {
                Some(tail) => ("\"{{\"", tail),
                None => {
                    let end = after.find("}}");
                    let end = end.ok_or_else(|| {
                        format!(
                            "`{text}` opens {{{{ and does not close it; write }}}} after the name"
                        )
                    })?;
                    (after[..end].trim(), &after[end..])
                }
            };
            let tail = tail.trim_start().strip_prefix("}}").ok_or_else(|| {
                format!("`{text}` opens {{{{ and does not close it; write }}}} after the name")
            })?;
            if inside == "\"{{\"" {
                plain.push_str("{{");
            } else {
                let source = Source::parse(inside)?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Value(source));
            }
            rest = tail;
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// The text, when there is no place in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The value, when it is one and nothing else.
    #[must_use]
    pub fn as_value(&self) -> Option<&Source> {
        match self.pieces.as_slice() {
            [Piece::Value(source)] => Some(source),
            _ => None,
        }
    }

    /// The text before the first place; empty when it begins with one.
    #[must_use]
    pub fn beginning(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::Value(_)) | None => "",
        }
    }

    /// The same with this text in front.
    #[must_use]
    pub fn prefixed(&self, text: &str) -> Self {
        let mut pieces = self.pieces.clone();
        match pieces.first_mut() {
            Some(Piece::Text(first)) => first.insert_str(0, text),
            Some(Piece::Value(_)) | None => pieces.insert(0, Piece::Text(text.to_owned())),
        }
        Self { pieces }
    }

    /// What it needs.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(source) => Some(source),
        })
    }

    /// Replaces each value by what `map` makes of it; what it leaves stays.
    pub fn replace(&mut self, map: impl Fn(&Source) -> Option<Source>) {
        for piece in &mut self.pieces {
            if let Piece::Value(source) = piece
                && let Some(other) = map(source)
            {
                *source = other;
            }
        }
    }

    /// The text with its values.
    ///
    /// # Errors
    /// Which value is not there.
    pub fn fill(&self, values: &Values) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Value(source) => text.push_str(values.wanted(source)?),
            }
        }
        Ok(text)
    }

    /// The text as the path of a folder: by its values it leads neither up nor, unless it was written so, anywhere but
    /// below.
    ///
    /// # Errors
    /// Which value is not there, or that the path leads elsewhere.
    pub fn fill_path(&self, values: &Values) -> Result<String, String> {
        let path = self.fill(values)?;
        let climbs = |path: &str| path.split('/').any(|part| part == "..");
        let written = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(plain) => Some(plain.as_str()),
            Piece::Value(_) => None,
        });
        let leads_up = climbs(&path) && !written.into_iter().any(climbs);
        let leads_away = path.starts_with('/') && !self.beginning().starts_with('/');
        match leads_up || leads_away {
            true => Err(format!(
                "`{path}` leads out of the folder that it is to be below"
            )),
            false => Ok(path),
        }
    }

    /// The text as an address of the web: a value is one part of it and never more, whatever it holds, unless the address
    /// begins with it.
    ///
    /// # Errors
    /// Which value is not there, or cannot be a part of an address.
    pub fn fill_address(&self, values: &Values) -> Result<String, String> {
        let mut text = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Value(source) => {
                    let value = values.wanted(source)?;
                    // Escaped, they would still be read as steps through folders.
                    if matches!(value, "." | "..") {
                        return Err(format!(
                            "{source} is `{value}`, which is no part of an address"
                        ));
                    }
                    match at {
                        0 => text.push_str(value),
                        _ => text.extend(utf8_percent_encode(value, PART)),
                    }
                }
            }
        }
        Ok(text)
    }

    /// The text for people before anything ran: what is not known yet stays as it was written.
    #[must_use]
    pub fn show(&self, values: &Values) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(plain) => plain.clone(),
            Piece::Value(source) => match values.shown(source) {
                Some(value) => value.to_owned(),
                None => format!("{{{{ {source} }}}}"),
            },
        };
        self.pieces.iter().map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::Url;

    fn values() -> Values {
        let mut values = Values::default();
        values.set(Source::Param("repo".into()), "a b; $(rm)");
        values.set(Source::Step("t".into(), "url".into()), "{{ params.repo }}");
        values
    }

    fn fill(text: &str) -> Result<String, String> {
        Template::parse(text)?.fill(&values())
    }

    #[test]
    fn places_are_filled_once_and_stay_one_text() {
        assert_eq!(fill("plain {x}").unwrap(), "plain {x}");
        assert_eq!(fill("").unwrap(), "");
        assert_eq!(fill("--x={{params.repo}}!").unwrap(), "--x=a b; $(rm)!");
        // A value that looks like a place is none.
        assert_eq!(fill("{{ steps.t.url }}").unwrap(), "{{ params.repo }}");
        assert_eq!(fill(r#"{{ "{{" }} .Name }}"#).unwrap(), "{{ .Name }}");
    }

    #[test]
    fn values_do_not_lead_a_path_elsewhere() {
        for (text, value, wanted) in [
            ("{{ params.x }}", "repo/src", Some("repo/src")),
            ("{{ params.x }}", "/etc", None),
            ("{{ params.x }}", "a/../../b", None),
            ("repo/{{ params.x }}", "..", None),
            ("repo/{{ params.x }}", "..a", Some("repo/..a")),
            ("/srv/{{ params.x }}", "site", Some("/srv/site")),
            ("/srv/{{ params.x }}", "../etc", None),
            ("../{{ params.x }}", "site", Some("../site")),
        ] {
            let mut values = Values::default();
            values.set(Source::Param("x".into()), value);
            let filled = Template::parse(text).unwrap().fill_path(&values);
            assert_eq!(filled.ok().as_deref(), wanted, "{text} {value}");
        }
    }

    fn address(text: &str, value: &str) -> Result<Url, String> {
        let mut values = Values::default();
        values.set(Source::Param("x".into()), value);
        let filled = Template::parse(text).unwrap().fill_address(&values)?;
        Url::parse(&filled).map_err(|error| format!("{filled}: {error}"))
    }

    #[test]
    fn a_value_is_one_part_of_an_address() {
        let url = address("http://a/x/{{ params.x }}?y=1", "a b/../c?d=é").unwrap();
        assert_eq!(url.as_str(), "http://a/x/a%20b%2F..%2Fc%3Fd%3D%C3%A9?y=1");
        let url = address("{{ params.x }}/y", "http://a:1/x").unwrap();
        assert_eq!(url.as_str(), "http://a:1/x/y");
        let wrong = address("http://a/{{ params.x }}/y", "..").unwrap_err();
        assert_eq!(wrong, "params.x is `..`, which is no part of an address");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, told) in [
            ("{{ repo }}", "names no value"),
            ("{{ run.name }}", "run.id"),
            ("{{ steps.a }}", "steps.STEP.NAME"),
            ("{{ params.repo", "does not close"),
        ] {
            let wrong = fill(text).unwrap_err();
            assert!(wrong.contains(told), "{text}: {wrong}");
        }
        let lacks = fill("{{ env.X }}").unwrap_err();
        assert!(lacks.starts_with("env.X has no value: set X in"), "{lacks}");
        let lacks = fill("{{ steps.a.b }}").unwrap_err();
        assert_eq!(lacks, "steps.a.b has no value, since a did not find it");
        let source = Source::Step("a".into(), "b".into());
        let mut values = Values::default();
        values.lack(source.clone(), "a was left out");
        let template = Template::parse("http://x/{{ steps.a.b }}").unwrap();
        for lacks in [template.fill(&values), template.fill_address(&values)] {
            let lacks = lacks.unwrap_err();
            assert_eq!(lacks, "steps.a.b has no value, since a was left out");
        }
        values.set(source, "1");
        assert_eq!(template.fill(&values).unwrap(), "http://x/1");
    }

    #[test]
    fn what_is_not_known_is_shown_as_written() {
        let template = Template::parse("{{ params.repo }} {{ steps.a.b }}").unwrap();
        assert_eq!(template.show(&values()), "a b; $(rm) {{ steps.a.b }}");
    }

    proptest! {
        #[test]
        fn a_value_leaves_the_rest_of_an_address_alone(value in "\\PC{1,20}") {
            if let Ok(url) = address("http://host/a/{{ params.x }}/b?q={{ params.x }}&r=1#f", &value) {
                prop_assert_eq!(url.host_str(), Some("host"));
                prop_assert_eq!(url.path_segments().unwrap().count(), 3);
                let pairs: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
                prop_assert_eq!(pairs, [("q".to_owned(), value), ("r".to_owned(), "1".to_owned())]);
            }
        }

        #[test]
        fn stored_and_read_back_it_is_the_same(text in "[a-z{} \".]{0,40}|\\{\\{ params\\.a \\}\\}[a-z]{0,9}") {
            if let Ok(template) = Template::parse(&text) {
                let json = serde_json::to_string(&template).unwrap();
                prop_assert_eq!(serde_json::from_str::<Template>(&json).unwrap(), template);
            }
        }
    }
}
