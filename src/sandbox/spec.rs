//! What each method of the Bot API takes, read from `bot_api.txt`, so that a wrong name fails loudly.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::params::Params;
use super::refusal::Refusal;

/// The table of methods and objects, generated from the published description of the Bot API.
const TABLE: &str = include_str!("bot_api.txt");

static SPEC: LazyLock<Spec> = LazyLock::new(|| Spec::read(TABLE));

/// One parameter of a method or one field of an object.
struct Field {
    name: &'static str,
    required: bool,
    kind: Kind,
}

/// What a value must look like.
enum Kind {
    Integer,
    Text,
    Flag,
    Number,
    ChatId,
    File,
    Anything,
    Array(Box<Kind>),
    OneOf(Vec<&'static str>),
}

/// A method of the Bot API.
pub(super) struct Method {
    /// The name as the Bot API spells it.
    pub(super) name: &'static str,
    fields: Vec<Field>,
}

struct Spec {
    methods: HashMap<String, Method>,
    objects: HashMap<&'static str, Vec<Field>>,
}

impl Spec {
    fn read(table: &'static str) -> Spec {
        let mut spec = Spec {
            methods: HashMap::new(),
            objects: HashMap::new(),
        };
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let fields = words.filter_map(read_field).collect();
            match name.strip_prefix('@') {
                Some(object) => {
                    spec.objects.insert(object, fields);
                }
                None => {
                    spec.methods
                        .insert(name.to_ascii_lowercase(), Method { name, fields });
                }
            }
        }
        spec
    }
}

fn read_field(word: &'static str) -> Option<Field> {
    let at = word.find(['!', ':'])?;
    let (name, rest) = word.split_at(at);
    Some(Field {
        name,
        required: rest.starts_with('!'),
        kind: read_kind(&rest[1..]),
    })
}

fn read_kind(text: &'static str) -> Kind {
    if let Some(inner) = text.strip_prefix('[') {
        return Kind::Array(Box::new(read_kind(inner)));
    }
    match text {
        "i" => Kind::Integer,
        "s" => Kind::Text,
        "b" => Kind::Flag,
        "f" => Kind::Number,
        "c" => Kind::ChatId,
        "F" => Kind::File,
        "j" => Kind::Anything,
        objects => Kind::OneOf(
            objects
                .split('|')
                .map(|name| name.trim_start_matches('@'))
                .collect(),
        ),
    }
}

/// Finds a method by its name in any case.
pub(super) fn method(name: &str) -> Option<&'static Method> {
    SPEC.methods.get(&name.to_ascii_lowercase())
}

impl Method {
    /// Checks every parameter against the table and turns form strings into typed values.
    ///
    /// # Errors
    /// 400 for an unknown parameter, a missing one or one of the wrong shape.
    pub(super) fn check(&self, params: &mut Params) -> Result<(), Refusal> {
        self.check_names(params)?;
        for field in &self.fields {
            match params.take(field.name) {
                Some(value) => {
                    let value = field.kind.read(value, field.name)?;
                    params.put(field.name, value);
                }
                None if field.required && !params.has_file(field.name) => {
                    return Err(missing(field.name));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn check_names(&self, params: &Params) -> Result<(), Refusal> {
        let known = |name: &str| self.fields.iter().any(|field| field.name == name);
        if let Some(name) = params.names().find(|name| !known(name)) {
            return Err(Refusal::bad(format!(
                "unknown parameter \"{name}\" in {}",
                self.name
            )));
        }
        match params.unclaimed_files().find(|name| !known(name)) {
            Some(name) => Err(Refusal::bad(format!(
                "unknown file \"{name}\" in {}: no parameter and no attach:// names it",
                self.name
            ))),
            None => Ok(()),
        }
    }
}

/// Telegram's words for a parameter that is not there.
fn missing(name: &str) -> Refusal {
    Refusal::bad(match name {
        "chat_id" => "chat_id is empty".to_owned(),
        "text" => "message text is empty".to_owned(),
        "message_id" => "message identifier is not specified".to_owned(),
        "message_ids" => "message identifiers are not specified".to_owned(),
        "document" => "there is no document in the request".to_owned(),
        "photo" => "there is no photo in the request".to_owned(),
        "user_id" => "invalid user_id specified".to_owned(),
        "file_id" => "file_id not specified".to_owned(),
        "action" => "wrong parameter action in request".to_owned(),
        other => format!("parameter \"{other}\" is required"),
    })
}

impl Kind {
    /// The value as its type: form fields arrive as text, JSON bodies as they are.
    fn read(&self, value: Value, name: &str) -> Result<Value, Refusal> {
        let wrong = |want: &str| Refusal::bad(format!("parameter \"{name}\" must be {want}"));
        match (self, value) {
            (Kind::Integer, Value::Number(n)) if n.is_i64() => Ok(Value::Number(n)),
            (Kind::Integer, Value::String(s)) => s
                .trim()
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| wrong("an integer")),
            (Kind::Integer, _) => Err(wrong("an integer")),
            (Kind::Flag, Value::Bool(b)) => Ok(Value::Bool(b)),
            (Kind::Flag, Value::String(s)) => match s.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Ok(Value::Bool(true)),
                "false" | "no" | "0" | "" => Ok(Value::Bool(false)),
                _ => Err(wrong("a boolean")),
            },
            (Kind::Flag, _) => Err(wrong("a boolean")),
            (Kind::Number, Value::Number(n)) => Ok(Value::Number(n)),
            (Kind::Number, Value::String(s)) => s
                .parse::<f64>()
                .map(Value::from)
                .map_err(|_| wrong("a number")),
            (Kind::Number, _) => Err(wrong("a number")),
            (Kind::ChatId, Value::Number(n)) if n.is_i64() => Ok(Value::Number(n)),
            (Kind::ChatId, Value::String(s)) => Ok(s
                .trim()
                .parse::<i64>()
                .map_or(Value::String(s), Value::from)),
            (Kind::ChatId, _) => Err(wrong("a chat identifier")),
            (Kind::Text | Kind::File, Value::String(s)) => Ok(Value::String(s)),
            (Kind::Text, Value::Number(n)) => Ok(Value::String(n.to_string())),
            (Kind::Text | Kind::File, _) => Err(wrong("a string")),
            (kind, Value::String(s)) => {
                let json = serde_json::from_str(&s)
                    .map_err(|e| Refusal::bad(format!("can't parse {name} JSON object: {e}")))?;
                kind.read_json(json, name)
            }
            (kind, json) => kind.read_json(json, name),
        }
    }

    fn read_json(&self, json: Value, name: &str) -> Result<Value, Refusal> {
        self.check_json(&json, name).map_err(Refusal::bad)?;
        Ok(json)
    }

    /// Checks a JSON value strictly; the error names the place.
    fn check_json(&self, json: &Value, place: &str) -> Result<(), String> {
        let fits = match self {
            Kind::Anything => true,
            Kind::Integer => json.is_i64(),
            Kind::Text | Kind::File => json.is_string(),
            Kind::Flag => json.is_boolean(),
            Kind::Number => json.is_number(),
            Kind::ChatId => json.is_i64() || json.is_string(),
            Kind::Array(inner) => {
                let items = json
                    .as_array()
                    .ok_or_else(|| format!("can't parse {place}: must be an array"))?;
                return items
                    .iter()
                    .try_for_each(|item| inner.check_json(item, place));
            }
            Kind::OneOf(objects) => {
                let map = json
                    .as_object()
                    .ok_or_else(|| format!("can't parse {place}: must be an object"))?;
                return check_objects(objects, map, place);
            }
        };
        if fits {
            Ok(())
        } else {
            Err(format!("can't parse {place}: wrong type of value {json}"))
        }
    }
}

/// Accepts a map that is one of the objects; otherwise the complaint of the nearest one.
fn check_objects(objects: &[&str], map: &Map<String, Value>, place: &str) -> Result<(), String> {
    let mut nearest: Option<(usize, String)> = None;
    for name in objects {
        let Some(fields) = SPEC.objects.get(name) else {
            return Err(format!(
                "can't parse {place}: object {name} is not in the table"
            ));
        };
        match check_object(name, fields, map, place) {
            Ok(()) => return Ok(()),
            Err(words) => {
                let known = fields
                    .iter()
                    .filter(|field| map.contains_key(field.name))
                    .count();
                if nearest.as_ref().is_none_or(|(best, _)| known > *best) {
                    nearest = Some((known, words));
                }
            }
        }
    }
    Err(nearest.map_or_else(String::new, |(_, words)| words))
}

fn check_object(
    name: &str,
    fields: &[Field],
    map: &Map<String, Value>,
    place: &str,
) -> Result<(), String> {
    if let Some(stranger) = map
        .keys()
        .find(|key| !fields.iter().any(|field| field.name == **key))
    {
        return Err(format!(
            "can't parse {place}: unknown field \"{stranger}\" in {name}"
        ));
    }
    for field in fields {
        match map.get(field.name) {
            Some(Value::Null) | None if field.required => {
                return Err(format!(
                    "can't parse {place}: Can't find field \"{}\" in {name}",
                    field.name
                ));
            }
            Some(Value::Null) | None => {}
            Some(value) => field
                .kind
                .check_json(value, &format!("{place}.{}", field.name))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(name: &str, body: Value) -> Result<Params, String> {
        let mut params = Params::from_json(body).expect("an object");
        let method = method(name).expect("a method");
        method
            .check(&mut params)
            .map(|()| params)
            .map_err(|refusal| refusal.description)
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(method("SendMessage").map(|m| m.name), Some("sendMessage"));
        assert!(method("sendNothing").is_none());
    }

    #[test]
    fn every_object_a_method_names_is_in_the_table() {
        fn walk(kind: &Kind) {
            match kind {
                Kind::Array(inner) => walk(inner),
                Kind::OneOf(names) => {
                    for name in names {
                        assert!(SPEC.objects.contains_key(name), "{name}");
                    }
                }
                _ => {}
            }
        }
        let methods = SPEC.methods.values().flat_map(|m| &m.fields);
        methods
            .chain(SPEC.objects.values().flatten())
            .for_each(|field| walk(&field.kind));
    }

    #[test]
    fn unknown_missing_and_misshapen_parameters_are_named() {
        for (name, body, want) in [
            (
                "sendMessage",
                json!({"chat_id": 1, "text": "x", "txet": "y"}),
                "unknown parameter \"txet\" in sendMessage",
            ),
            ("sendMessage", json!({"text": "x"}), "chat_id is empty"),
            (
                "sendMessage",
                json!({"chat_id": 1}),
                "message text is empty",
            ),
            (
                "deleteMessage",
                json!({"chat_id": 1}),
                "message identifier is not specified",
            ),
            (
                "deleteMessage",
                json!({"chat_id": 1, "message_id": "x"}),
                "\"message_id\" must be an integer",
            ),
            (
                "sendMessage",
                json!({"chat_id": 1, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback": "b"}]]}}),
                "unknown field \"callback\" in InlineKeyboardButton",
            ),
            (
                "sendMessage",
                json!({"chat_id": 1, "text": "x", "reply_markup": {"inline_keybord": []}}),
                "reply_markup",
            ),
            (
                "sendMessage",
                json!({"chat_id": 1, "text": "x", "reply_parameters": {"message_id": 1, "allow": true}}),
                "unknown field \"allow\" in ReplyParameters",
            ),
        ] {
            let words = check(name, body).expect_err("must be refused");
            assert!(words.contains(want), "{words:?} does not contain {want:?}");
        }
    }

    #[test]
    fn form_strings_become_typed_values() {
        let params = check(
            "sendMessage",
            json!({"chat_id": "-5", "text": "x", "disable_notification": "true", "reply_markup": "{\"inline_keyboard\":[]}"}),
        )
        .expect("fits");
        assert_eq!(params.int("chat_id"), Some(-5));
        assert!(params.flag("disable_notification"));
        assert!(params.json("reply_markup").is_some_and(Value::is_object));
    }
}
