//! The parameters of one call, however they came: query, form, JSON or multipart.

use std::collections::{BTreeMap, HashMap};

use axum::body::Bytes;
use serde_json::{Map, Value};

/// A file that came with a multipart body.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// The name the client gave, or an empty one.
    pub(super) name: String,
    /// The content type the client gave.
    pub(super) mime: Option<String>,
    /// The content.
    pub(super) bytes: Bytes,
}

/// Parameters by name; after [`super::spec::Method::check`] each has its type.
#[derive(Default, Debug)]
pub(super) struct Params {
    values: BTreeMap<String, Value>,
    files: HashMap<String, Upload>,
}

impl Params {
    /// Reads a JSON body; an empty one is no parameters.
    ///
    /// # Errors
    /// The reason in words.
    pub(super) fn from_json(body: Value) -> Result<Params, String> {
        match body {
            Value::Object(map) => Ok(Params {
                values: without_nulls(map),
                files: HashMap::new(),
            }),
            _ => Err("the body must be a JSON object".to_owned()),
        }
    }

    /// Adds a value; a later one wins.
    pub(super) fn put(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Adds a file under its field name.
    pub(super) fn put_file(&mut self, name: String, upload: Upload) {
        self.files.insert(name, upload);
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// The names of all plain parameters.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether a file came directly under this name.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Files that no `attach://` in any value names.
    pub(super) fn unclaimed_files(&self) -> impl Iterator<Item = &str> {
        let claimed = |name: &str| {
            let link = format!("attach://{name}");
            self.values.values().any(|value| mentions(value, &link))
        };
        self.files
            .keys()
            .map(String::as_str)
            .filter(move |name| !claimed(name))
    }

    /// The file a parameter means: sent directly, or by `attach://`.
    pub(super) fn file(&self, name: &str) -> Option<&Upload> {
        match self.text(name) {
            Some(text) => self.attached(text),
            None => self.files.get(name),
        }
    }

    /// The file behind an `attach://` link.
    pub(super) fn attached(&self, link: &str) -> Option<&Upload> {
        self.files.get(link.strip_prefix("attach://")?)
    }

    /// A text parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// An integer parameter.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.values.get(name)?.as_i64()
    }

    /// A boolean parameter; false when it is not there.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.values
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// All of them as one object, files by name and size.
    pub(super) fn shown(&self) -> Value {
        let plain = self.values.iter();
        let mut all: Map<String, Value> = plain.map(|(k, v)| (k.clone(), v.clone())).collect();
        for (field, upload) in &self.files {
            let words = format!("file {:?}, {} bytes", upload.name, upload.bytes.len());
            all.insert(field.clone(), Value::String(words));
        }
        Value::Object(all)
    }

    /// A structured parameter.
    pub(super) fn json(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

fn without_nulls(map: Map<String, Value>) -> BTreeMap<String, Value> {
    map.into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect()
}

/// Whether a value, or text inside it, is this link.
fn mentions(value: &Value, link: &str) -> bool {
    match value {
        Value::String(text) => {
            text == link || (text.starts_with(['{', '[']) && text.contains(&format!("\"{link}\"")))
        }
        Value::Array(items) => items.iter().any(|item| mentions(item, link)),
        Value::Object(map) => map.values().any(|item| mentions(item, link)),
        _ => false,
    }
}
