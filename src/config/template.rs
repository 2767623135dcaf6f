//! One element of an argv list, with its placeholders.

/// An argv element: text and placeholders. It always becomes exactly one element, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgTemplate {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The argument of this index.
    Arg(usize),
}

impl ArgTemplate {
    /// An element that is always the same.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        let pieces = vec![Piece::Text(text.into())];
        Self { pieces }
    }

    /// An element that is one argument, whole.
    pub(super) fn argument(index: usize) -> Self {
        let pieces = vec![Piece::Arg(index)];
        Self { pieces }
    }

    /// Reads `{name}` placeholders of declared arguments; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong with the placeholder, and what would be right.
    pub(super) fn parse(text: &str, arguments: &[&str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(found) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at(found);
            plain.push_str(before);
            if let Some(after) = tail.strip_prefix("{{").or_else(|| tail.strip_prefix("}}")) {
                plain.push_str(&tail[..1]);
                rest = after;
                continue;
            }
            let (name, after) = tail
                .strip_prefix('{')
                .and_then(|tail| tail.split_once('}'))
                .ok_or_else(|| {
                    format!("`{text}` has a lone brace; write `{{{{` or `}}}}` for a brace itself")
                })?;
            let index = arguments.iter().position(|known| *known == name);
            let index = index.ok_or_else(|| unknown(name, arguments))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Arg(index));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// The text, when there is no placeholder in it.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The indexes of the arguments in it.
    pub(super) fn arguments(&self) -> impl Iterator<Item = usize> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Arg(index) => Some(*index),
        })
    }

    /// The element with its values filled in; `None` when it is an argument alone that has no value.
    pub(super) fn fill(&self, values: &[Option<String>]) -> Option<String> {
        let value = |index: usize| values.get(index).and_then(Option::as_deref);
        if let [Piece::Arg(index)] = self.pieces.as_slice() {
            return value(*index).map(str::to_owned);
        }
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Arg(index) => value(*index).unwrap_or_default(),
        });
        Some(pieces.collect())
    }
}

fn unknown(name: &str, arguments: &[&str]) -> String {
    match crate::base::suggest::closest(name, arguments.iter().copied()) {
        Some(near) => {
            format!("`{{{name}}}` is not an argument of this script; did you mean `{{{near}}}`?")
        }
        None => format!(
            "`{{{name}}}` is not an argument of this script; declare it under `args`, or write `{{{{{name}}}}}` for the text itself"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<Option<String>, String> {
        let values = [Some("A".to_owned()), None];
        ArgTemplate::parse(text, &["a", "b"]).map(|template| template.fill(&values))
    }

    #[test]
    fn placeholders_become_exactly_one_element() {
        assert_eq!(fill("{a}"), Ok(Some("A".to_owned())));
        assert_eq!(fill("--x={a}-{b}!"), Ok(Some("--x=A-!".to_owned())));
        assert_eq!(fill("{b}"), Ok(None));
        assert_eq!(fill(""), Ok(Some(String::new())));
        assert_eq!(fill("{{a}} {{{a}}}"), Ok(Some("{a} {A}".to_owned())));
    }

    #[test]
    fn wrong_placeholders_are_named() {
        assert!(
            fill("{c}")
                .unwrap_err()
                .contains("`{c}` is not an argument")
        );
        for lone in ["{", "}", "x{a", "a}b"] {
            assert!(fill(lone).unwrap_err().contains("lone brace"), "{lone}");
        }
    }
}
