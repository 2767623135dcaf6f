//! The YAML file as a tree in which every value knows its line and column.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::fault::{At, Report};

mod quotes;

/// More values than any configuration holds; stops a file that multiplies itself by aliases.
const MAX_NODES: usize = 50_000;
/// Deeper than any configuration; keeps the recursion bounded.
const MAX_DEPTH: usize = 32;

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

/// What a value is. Scalars stay text until a reader says what they should be.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    /// `plain` when it was written without quotes, so that it may be a number or a flag.
    Scalar {
        text: String,
        plain: bool,
    },
    Seq(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) node: Node,
}

impl Node {
    /// A value as if written without quotes at `at`.
    pub(super) fn plain(at: At, text: &str) -> Self {
        let value = match text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            _ => Value::Scalar {
                text: text.to_owned(),
                plain: true,
            },
        };
        Self { at, value }
    }

    /// An empty mapping.
    pub(super) fn empty_map(at: At) -> Self {
        Self {
            at,
            value: Value::Map(Vec::new()),
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Scalar { .. } => 0,
            Value::Seq(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
        }
    }
}

/// Reads the text; an empty one is an empty mapping. `None` when it is not YAML, which is then one fault in the report.
pub(super) fn parse(text: &str, report: &mut Report) -> Option<Node> {
    let mut builder = Builder {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
        unquoted: Vec::new(),
        report,
    };
    let read = builder.document();
    let mut unquoted = builder.unquoted;
    let node = match read {
        Ok(node) => Some(node),
        Err(stop) => {
            let (at, message) = match quotes::unquoted(text, stop.at.line()) {
                Some((at, value)) => (at, quotes::lacks(&value)),
                None => (stop.at, stop.message),
            };
            // It is the same value, of which more is known now.
            unquoted.retain(|(other, _)| *other != at);
            report.fault(&at, message);
            None
        }
    };
    for (at, value) in unquoted {
        report.fault(&at, quotes::lacks(&value));
    }
    node
}

/// Why the reading could not go on.
struct Stop {
    at: At,
    message: String,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        let marker = error.marker();
        Self {
            at: At::Line(marker.line(), marker.col() + 1),
            message: format!(
                "this is not YAML ({}); check the indentation, quotes and brackets here and in the lines around",
                error.info()
            ),
        }
    }
}

struct Builder<'a, 'r> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Places for values that stand without quotes.
    unquoted: Vec<(At, String)>,
    report: &'r mut Report,
}

impl<'a> Builder<'a, '_> {
    fn next(&mut self) -> Result<(Event<'a>, At), Stop> {
        loop {
            let Some(next) = self.events.next_event() else {
                return Ok((Event::StreamEnd, At::File));
            };
            let (event, span) = next?;
            if !matches!(event, Event::Comment(..)) {
                return Ok((event, start(&span)));
            }
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Stop {
                        at,
                        message: "a second document starts here; one file holds one configuration, so remove the `---`".to_owned(),
                    });
                }
                Event::DocumentStart(..) => {}
                other => root = Some(self.node(other, at, 0)?),
            }
        }
        let root = root.unwrap_or_else(|| Node::empty_map(At::File));
        Ok(match root.value {
            Value::Null => Node::empty_map(root.at),
            Value::Scalar { .. } | Value::Seq(_) | Value::Map(_) => root,
        })
    }

    fn node(&mut self, event: Event<'a>, at: At, depth: usize) -> Result<Node, Stop> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            let message = "the file holds too much here; keep it flat and without repeated aliases";
            return Err(Stop {
                at,
                message: message.to_owned(),
            });
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain =
                    style == ScalarStyle::Plain && self.tag(tag.as_deref(), &at) != Some("str");
                let node = if plain {
                    Node::plain(at, &text)
                } else {
                    let text = text.into_owned();
                    let value = Value::Scalar { text, plain: false };
                    Node { at, value }
                };
                (node, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), &at);
                (self.sequence(at, depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), &at);
                (self.mapping(at, depth)?, anchor)
            }
            Event::Alias(id) => (self.alias(id, at)?, 0),
            other => {
                return Err(Stop {
                    at,
                    message: format!("a value was expected here, not {other:?}"),
                });
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// The name of a core tag; any other tag is a fault, since nothing here has a meaning for it.
    fn tag<'t>(&mut self, tag: Option<&'t Tag>, at: &At) -> Option<&'t str> {
        let tag = tag?;
        let core = tag.core_suffix();
        if core.is_none() {
            let message = format!("the tag `{}` means nothing here; remove it", tag.original());
            self.report.fault(at, message);
        }
        core
    }

    fn alias(&mut self, id: usize, at: At) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(Stop {
                at,
                message: "this alias stands inside the value it names; write the value out"
                    .to_owned(),
            });
        };
        self.nodes += node.size();
        Ok(node)
    }

    fn sequence(&mut self, at: At, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, item_at) = self.next()?;
            if event == Event::SequenceEnd {
                let value = Value::Seq(items);
                return Ok(Node { at, value });
            }
            items.push(self.node(event, item_at, depth + 1)?);
        }
    }

    fn mapping(&mut self, at: At, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        let mut place = None;
        loop {
            let (event, key_at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_first = entries.is_empty() && place.is_none();
            let key = self.node(event, key_at.clone(), depth + 1)?;
            let (event, value_at) = self.next()?;
            let node = self.node(event, value_at, depth + 1)?;
            if is_first && let Some(inside) = quotes::inside(&key, &node) {
                place = Some(format!("{{{{ {inside} }}}}"));
                continue;
            }
            let key = match key.value {
                Value::Scalar { text, plain: true } if text == "<<" => {
                    merged.push(node);
                    continue;
                }
                Value::Scalar { text, .. } => text,
                Value::Null | Value::Seq(_) | Value::Map(_) => {
                    let message = "a key must be a word; write `key: value`";
                    self.report.fault(&key_at, message);
                    continue;
                }
            };
            self.add(&mut entries, key, key_at, node);
        }
        if let Some(text) = place {
            self.unquoted.push((at.clone(), text.clone()));
            let value = Value::Scalar { text, plain: false };
            return Ok(Node { at, value });
        }
        for node in merged {
            self.merge(&mut entries, node);
        }
        let value = Value::Map(entries);
        Ok(Node { at, value })
    }

    /// Adds an entry; a second one of the same name is a fault and is not looked at.
    fn add(&mut self, entries: &mut Vec<Entry>, key: String, at: At, node: Node) {
        let Some(first) = entries.iter().find(|entry| entry.key == key) else {
            entries.push(Entry { key, at, node });
            return;
        };
        let line = first.at.line();
        let message = format!("`{key}` is already set in line {line}; keep one of the two");
        self.report.fault(&at, message);
    }

    /// `<<: *other`: takes over the entries that are not set here.
    fn merge(&mut self, entries: &mut Vec<Entry>, node: Node) {
        match node.value {
            Value::Map(others) => {
                for other in others {
                    if !entries.iter().any(|entry| entry.key == other.key) {
                        entries.push(other);
                    }
                }
            }
            Value::Seq(nodes) => {
                for node in nodes {
                    self.merge(entries, node);
                }
            }
            Value::Null | Value::Scalar { .. } => {
                let message = "`<<` takes over the keys of a mapping; name one with `*anchor`";
                self.report.fault(&node.at, message);
            }
        }
    }
}

fn start(span: &Span) -> At {
    At::Line(span.start.line(), span.start.col() + 1)
}
