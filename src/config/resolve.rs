//! From what a person typed to the argv of a program, or to one sentence that says what would be right.

use super::args::Arg;
use super::read::one_of;
use super::scripts::Script;
use crate::base::name::Name;
use crate::base::suggest::closest;
use crate::base::text::shorten;
use std::borrow::Cow;

/// A command ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedArgs {
    /// The program and its arguments, exactly as they are passed; never empty.
    pub argv: Vec<String>,
    /// The declared arguments that have a value, in their order.
    pub values: Vec<(Name, String)>,
}

/// Why what was typed cannot be run. `Display` is one or two calm sentences in plain text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgError {
    /// A required argument was not given.
    #[error("“{arg}” is missing. Write /run {usage}.")]
    Missing {
        /// The argument.
        arg: Name,
        /// How the script is called.
        usage: String,
    },
    /// More was given than is declared.
    #[error("“{}” is one argument too many. Write /run {usage}.", short(value))]
    Surplus {
        /// The first value too many.
        value: String,
        /// How the script is called.
        usage: String,
    },
    /// An argument was given twice.
    #[error("“{arg}” is given twice. Write /run {usage}.")]
    Twice {
        /// The argument.
        arg: Name,
        /// How the script is called.
        usage: String,
    },
    /// The value is none of the choices.
    #[error("“{}” is not a value for {arg}. {}", short(value), suggestion(choices, nearest.as_deref()))]
    NotAChoice {
        /// The argument.
        arg: Name,
        /// What was given.
        value: String,
        /// What is allowed.
        choices: Vec<String>,
        /// The choice that was probably meant.
        nearest: Option<String>,
    },
    /// The value does not match the pattern.
    #[error(
        "“{}” does not fit {arg}. It must match the pattern “{pattern}”.",
        short(value)
    )]
    NoMatch {
        /// The argument.
        arg: Name,
        /// What was given.
        value: String,
        /// The pattern as written in the configuration.
        pattern: String,
    },
    /// The value starts with `-`, so that a program could take it for an option.
    #[error(
        "“{}” for {arg} starts with a dash, which this script does not take. Write a value without it.",
        short(value)
    )]
    Dash {
        /// The argument.
        arg: Name,
        /// What was given.
        value: String,
    },
    /// The value holds a line break, a NUL or another control character.
    #[error(
        "The value of {arg} holds a line break or a control character. Write it in one plain line."
    )]
    Control {
        /// The argument.
        arg: Name,
    },
    /// The value is too long.
    #[error("The value of {arg} has {length} characters. At most {max} are taken.")]
    TooLong {
        /// The argument.
        arg: Name,
        /// The characters given.
        length: usize,
        /// The characters allowed.
        max: usize,
    },
}

fn suggestion(choices: &[String], nearest: Option<&str>) -> String {
    let words: Vec<&str> = choices.iter().map(String::as_str).collect();
    match nearest {
        Some(near) => format!("Did you mean {near}? It can be {}.", one_of(&words)),
        None => format!("It can be {}.", one_of(&words)),
    }
}

/// Enough of a value to know it again.
fn short(value: &str) -> Cow<'_, str> {
    shorten(value, 60)
}

/// Values by argument, and the words that were not given by name.
type Assigned<'w> = (Vec<Option<String>>, Vec<&'w str>);

impl Script {
    /// Checks what a person gave against the declared arguments and builds the argv.
    ///
    /// Values are taken in the order of the declaration; `name=value` sets a declared argument by its name.
    ///
    /// # Errors
    /// The first [`ArgError`] found.
    pub fn resolve(&self, given: &[String]) -> Result<ResolvedArgs, ArgError> {
        let values = self.assign(given)?;
        let argv = self
            .run
            .iter()
            .filter_map(|element| element.fill(&values))
            .collect();
        let values = self
            .args
            .iter()
            .zip(values)
            .filter_map(|(arg, value)| Some((arg.name.clone(), value?)))
            .collect();
        Ok(ResolvedArgs { argv, values })
    }

    /// The value of each declared argument.
    fn assign(&self, given: &[String]) -> Result<Vec<Option<String>>, ArgError> {
        let (mut values, unnamed) = self.assign_named(given)?;
        let mut unnamed = unnamed.into_iter();
        for (arg, value) in self.args.iter().zip(&mut values) {
            if value.is_none()
                && let Some(word) = unnamed.next()
            {
                arg.check(word)?;
                *value = Some(word.to_owned());
            }
        }
        if let Some(word) = unnamed.next() {
            let (value, usage) = (word.to_owned(), self.usage());
            return Err(ArgError::Surplus { value, usage });
        }
        for (arg, value) in self.args.iter().zip(&mut values) {
            if value.is_none() && arg.required() {
                let (arg, usage) = (arg.name.clone(), self.usage());
                return Err(ArgError::Missing { arg, usage });
            }
            if value.is_none() {
                value.clone_from(&arg.default);
            }
        }
        Ok(values)
    }

    /// The values given by name, and the words that go by place.
    fn assign_named<'w>(&self, given: &'w [String]) -> Result<Assigned<'w>, ArgError> {
        let mut values = vec![None; self.args.len()];
        let mut unnamed = Vec::new();
        for word in given {
            let Some((index, value)) = self.named(word) else {
                unnamed.push(word.as_str());
                continue;
            };
            let arg = &self.args[index];
            arg.check(value)?;
            if values[index].replace(value.to_owned()).is_some() {
                let (arg, usage) = (arg.name.clone(), self.usage());
                return Err(ArgError::Twice { arg, usage });
            }
        }
        Ok((values, unnamed))
    }

    /// Splits `name=value` when the name is declared.
    fn named<'w>(&self, word: &'w str) -> Option<(usize, &'w str)> {
        let (name, value) = word.split_once('=')?;
        let index = self.args.iter().position(|arg| arg.name.as_str() == name)?;
        Some((index, value))
    }

    /// How the script is called: `deploy <service: api|web> [tag=v1.0]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_string();
        for arg in &self.args {
            let name = &arg.name;
            let choices = match arg.choices.as_slice() {
                [] => String::new(),
                choices => format!(": {}", choices.join("|")),
            };
            let part = match &arg.default {
                Some(default) => format!(" [{name}{choices}={default}]"),
                None if arg.optional => format!(" [{name}{choices}]"),
                None => format!(" <{name}{choices}>"),
            };
            usage.push_str(&part);
        }
        usage
    }
}

impl Arg {
    /// Whether a value may be passed on as it is.
    ///
    /// # Errors
    /// The rule that the value breaks.
    pub fn check(&self, value: &str) -> Result<(), ArgError> {
        let arg = || self.name.clone();
        if value.chars().any(char::is_control) {
            return Err(ArgError::Control { arg: arg() });
        }
        let length = value.chars().count();
        if length > self.max_len {
            let max = self.max_len;
            return Err(ArgError::TooLong {
                arg: arg(),
                length,
                max,
            });
        }
        if self.choices.iter().any(|choice| choice == value) {
            return Ok(());
        }
        if value.starts_with('-') && !self.allow_dash {
            return Err(ArgError::Dash {
                arg: arg(),
                value: value.to_owned(),
            });
        }
        if !self.choices.is_empty() {
            let near = closest(value, self.choices.iter().map(String::as_str));
            return Err(ArgError::NotAChoice {
                arg: arg(),
                value: value.to_owned(),
                choices: self.choices.clone(),
                nearest: near.map(str::to_owned),
            });
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(value) => Err(ArgError::NoMatch {
                arg: arg(),
                value: value.to_owned(),
                pattern: self.pattern_text.clone().unwrap_or_default(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
