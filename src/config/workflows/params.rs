//! The rules of parameters in the form that a run keeps, and the check by it.

use regex::Regex;
use std::collections::BTreeMap;

use super::super::args::Arg;
use super::super::kind::Kind;
use crate::base::name::Name;
use crate::base::workflow::{Form, Param};

impl Arg {
    /// Its rules, to be stored; nothing for a file.
    pub(in super::super) fn rule(&self) -> Option<Param> {
        let form = match &self.kind {
            Kind::Text => Form::Text {
                choices: self.choices.clone(),
                pattern: self.pattern_text.clone(),
                hint: self.hint.clone(),
                allow_dash: self.allow_dash,
                max_len: self.max_len,
            },
            Kind::Integer { min, max } => Form::Integer {
                min: *min,
                max: *max,
            },
            Kind::Boolean => Form::Boolean,
            Kind::File(_) => return None,
        };
        Some(Param {
            name: self.name.to_string(),
            form,
            default: self.default.clone(),
            optional: self.optional,
        })
    }

    /// The argument of these rules.
    fn of(param: &Param) -> Result<Self, String> {
        let mut arg = Self {
            name: Name::new(param.name.as_str()).map_err(|wrong| wrong.to_string())?,
            description: None,
            kind: Kind::Text,
            choices: Vec::new(),
            choices_from: None,
            pattern: None,
            pattern_text: None,
            hint: None,
            default: param.default.clone(),
            optional: param.optional,
            allow_dash: false,
            max_len: usize::MAX,
        };
        match &param.form {
            Form::Text {
                choices,
                pattern,
                hint,
                allow_dash,
                max_len,
            } => {
                arg.choices.clone_from(choices);
                arg.hint.clone_from(hint);
                arg.allow_dash = *allow_dash;
                arg.max_len = *max_len;
                if let Some(pattern) = pattern {
                    let whole = Regex::new(&format!(r"\A(?:{pattern})\z"));
                    arg.pattern = Some(whole.map_err(|wrong| wrong.to_string())?);
                    arg.pattern_text = Some(pattern.clone());
                }
            }
            Form::Integer { min, max } => {
                arg.kind = Kind::Integer {
                    min: *min,
                    max: *max,
                };
            }
            Form::Boolean => arg.kind = Kind::Boolean,
        }
        Ok(arg)
    }
}

/// The value of each parameter, from what a call gives: checked, with defaults, and empty where it may be left out.
///
/// # Errors
/// A sentence that names the first value that is wrong or missing, and what would be right.
pub fn check_params(
    params: &[Param],
    given: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, String> {
    let surplus = |name: &&String| !params.iter().any(|param| param.name == **name);
    if let Some(name) = given.keys().find(surplus) {
        return Err(format!("There is no parameter “{name}”."));
    }
    params
        .iter()
        .map(|param| {
            let value = match given.get(&param.name) {
                Some(value) => Arg::of(param)?
                    .check(value)
                    .map_err(|wrong| wrong.to_string())?,
                None => match &param.default {
                    Some(default) => default.clone(),
                    None if param.optional => String::new(),
                    None => return Err(format!("“{}” is missing.", param.name)),
                },
            };
            Ok((param.name.clone(), value))
        })
        .collect()
}
