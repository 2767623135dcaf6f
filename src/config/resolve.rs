//! From what a person typed to the argv of a program, or to one sentence that says what would be right.

use super::args::Arg;
use super::kind::Kind;
use super::read::one_of;
use super::scripts::Script;
use super::template::ArgTemplate;
use crate::base::error::{Error, Refusal};
use crate::base::name::Name;
use crate::base::suggest::closest;
use crate::base::text::shorten;
use crate::base::workflow::{Source, Values};
use std::borrow::Cow;

/// The most values that a refusal names.
const NAMED: usize = 12;

/// A command ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedArgs {
    /// The program and its arguments, exactly as they are passed; never empty.
    pub argv: Vec<String>,
    /// The program that takes it back and its arguments; empty when there is none.
    pub undo: Vec<String>,
    /// The declared arguments that have a value, in their order.
    pub values: Vec<(Name, String)>,
}

/// Why what was typed cannot be run. `Display` is one or two calm sentences in plain text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgError {
    /// A required argument was not given.
    #[error("“{arg}” is missing. Write {usage}.")]
    Missing {
        /// The argument.
        arg: Name,
        /// How the script is called.
        usage: String,
    },
    /// More was given than is declared.
    #[error("“{}” is one argument too many. Write {usage}.", short(value))]
    Surplus {
        /// The first value too many.
        value: String,
        /// How the script is called.
        usage: String,
    },
    /// An argument was given twice.
    #[error("“{arg}” is given twice. Write {usage}.")]
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
        "“{}” does not have the expected form for {arg}. The whole value must match {pattern}",
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
    /// The value does not match the pattern, and the configuration says in words what is expected.
    #[error("“{}” does not fit {arg}. Expected: {}.", short(value), hint.trim_end_matches('.'))]
    NotAsHinted {
        /// The argument.
        arg: Name,
        /// What was given.
        value: String,
        /// What is expected, as written in the configuration.
        hint: String,
    },
    /// The value is no whole number within the bounds.
    #[error("“{}” does not fit {arg}. Write a whole number{}.", short(value), within(*min, *max))]
    NotANumber {
        /// The argument.
        arg: Name,
        /// What was given.
        value: String,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// The value means neither yes nor no.
    #[error("“{}” does not fit {arg}. Write yes or no.", short(value))]
    NotYesNo {
        /// The argument.
        arg: Name,
        /// What was given.
        value: String,
    },
    /// A file cannot be typed.
    #[error("{arg} is a file. Send the file itself, with the command as its caption.")]
    Typed {
        /// The argument.
        arg: Name,
    },
    /// A file is missing.
    #[error(
        "{arg} is a file. Send it with the command as its caption, or send the command as a reply to it: {usage}"
    )]
    NoFile {
        /// The argument.
        arg: Name,
        /// How the script is called.
        usage: String,
    },
    /// A value was given under a name that no argument has, and it is no value for the argument at its place.
    #[error("There is no argument “{name}”. Write {usage}.")]
    NoSuchName {
        /// The name.
        name: Name,
        /// How the script is called.
        usage: String,
    },
    /// A value was given under a name that is probably mistyped.
    #[error(
        "There is no argument “{name}”. Did you mean {near}={}? If the whole is meant as a value, write {place}={}.",
        short(value),
        short(word)
    )]
    UnknownName {
        /// The name as typed.
        name: String,
        /// The value given under it.
        value: String,
        /// Both, as typed.
        word: String,
        /// The argument that was probably meant.
        near: Name,
        /// The argument that would take the word as its value.
        place: Name,
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

impl ArgError {
    /// The same where another command was typed than the one that runs it: this is how that one is called.
    #[must_use]
    pub fn with_usage(mut self, other: String) -> Self {
        if let Self::Missing { usage, .. }
        | Self::Surplus { usage, .. }
        | Self::Twice { usage, .. }
        | Self::NoSuchName { usage, .. } = &mut self
        {
            *usage = other;
        }
        self
    }
}

impl From<ArgError> for Error {
    fn from(wrong: ArgError) -> Self {
        let words = wrong.to_string();
        let pattern = match &wrong {
            ArgError::NoMatch { pattern, .. } => {
                words.strip_suffix(pattern.as_str()).zip(Some(pattern))
            }
            ArgError::Missing { .. }
            | ArgError::Surplus { .. }
            | ArgError::Twice { .. }
            | ArgError::NotAChoice { .. }
            | ArgError::NotAsHinted { .. }
            | ArgError::NotANumber { .. }
            | ArgError::NotYesNo { .. }
            | ArgError::Typed { .. }
            | ArgError::NoFile { .. }
            | ArgError::UnknownName { .. }
            | ArgError::NoSuchName { .. }
            | ArgError::Dash { .. }
            | ArgError::Control { .. }
            | ArgError::TooLong { .. } => None,
        };
        Error::Refused(match pattern {
            Some((before, pattern)) => Refusal::with_code(before, pattern),
            None => Refusal::new(words),
        })
    }
}

/// ` from 1 to 9`, as far as there are bounds.
fn within(min: i64, max: i64) -> String {
    match (min, max) {
        (i64::MIN, i64::MAX) => String::new(),
        (i64::MIN, max) => format!(" up to {max}"),
        (min, i64::MAX) => format!(" from {min} on"),
        (min, max) => format!(" from {min} to {max}"),
    }
}

fn suggestion(choices: &[String], nearest: Option<&str>) -> String {
    let named = named(choices);
    match nearest {
        Some(near) => format!("Did you mean {near}? It can be {named}."),
        None => format!("It can be {named}."),
    }
}

/// The values there are, in words: `api, web or db`.
fn named(choices: &[String]) -> String {
    let mut words: Vec<&str> = choices.iter().map(String::as_str).take(NAMED).collect();
    if choices.len() > NAMED {
        words.push("one of the others");
    }
    one_of(&words)
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
        self.resolve_with(given, |_| None)
    }

    /// The same with files, whose values are not typed but found by the argument's name.
    ///
    /// # Errors
    /// The first [`ArgError`] found.
    pub fn resolve_with(
        &self,
        given: &[String],
        file: impl Fn(&Name) -> Option<String>,
    ) -> Result<ResolvedArgs, ArgError> {
        let values = self.assign(given, file)?;
        let fill = |argv: &[ArgTemplate]| {
            let filled = argv.iter().filter_map(|element| element.fill(&values));
            filled.collect()
        };
        let (argv, undo) = (fill(&self.run), fill(&self.undo));
        let values = self
            .args
            .iter()
            .zip(values)
            .filter_map(|(arg, value)| Some((arg.name.clone(), value?)))
            .collect();
        Ok(ResolvedArgs { argv, undo, values })
    }

    /// The value of each declared argument, defaults included.
    fn assign(
        &self,
        given: &[String],
        file: impl Fn(&Name) -> Option<String>,
    ) -> Result<Vec<Option<String>>, ArgError> {
        let mut values = self.given(given)?;
        for (arg, value) in self.args.iter().zip(&mut values) {
            if arg.is_file() {
                *value = file(&arg.name);
            }
            if value.is_none() && arg.required() {
                let name = arg.name.clone();
                return Err(match arg.is_file() {
                    true => ArgError::NoFile {
                        arg: name,
                        usage: self.usage(),
                    },
                    false => ArgError::Missing {
                        arg: name,
                        usage: self.command(),
                    },
                });
            }
        }
        Ok(self.with_defaults(&values))
    }

    /// The values that were given, by declared argument; what is missing is not told yet.
    ///
    /// # Errors
    /// The first [`ArgError`] found.
    pub fn given(&self, given: &[String]) -> Result<Vec<Option<String>>, ArgError> {
        let (mut values, unnamed) = self.assign_named(given)?;
        let mut unnamed = unnamed.into_iter();
        for (arg, value) in self.args.iter().zip(&mut values) {
            if value.is_none()
                && !arg.is_file()
                && let Some(word) = unnamed.next()
            {
                self.refuse_typo(arg, word)?;
                let checked = arg.check(word);
                *value = Some(checked.map_err(|error| self.or_no_such_name(word, error))?);
            }
        }
        if let Some(word) = unnamed.next() {
            let (value, usage) = (word.to_owned(), self.command());
            return Err(ArgError::Surplus { value, usage });
        }
        Ok(values)
    }

    /// Refuses `tga=v1` where `tag` is declared, unless the rules of the argument at its place want just that text.
    fn refuse_typo(&self, place: &Arg, word: &str) -> Result<(), ArgError> {
        let Some((name, value)) = word.split_once('=') else {
            return Ok(());
        };
        let near = Name::new(name).ok().and_then(|_| {
            let names = self.args.iter().map(|arg| arg.name.as_str());
            closest(name, names.filter(|known| is_slip(name, known)))
        });
        let near = self
            .args
            .iter()
            .find(|arg| Some(arg.name.as_str()) == near)
            .filter(|_| !(place.has_form() && place.check(word).is_ok()));
        match near {
            None => Ok(()),
            Some(near) => Err(ArgError::UnknownName {
                name: name.to_owned(),
                value: value.to_owned(),
                word: word.to_owned(),
                near: near.name.clone(),
                place: place.name.clone(),
            }),
        }
    }

    /// The refusal of a value, unless it was meant for an argument that there is not: `foo=bar`.
    fn or_no_such_name(&self, word: &str, error: ArgError) -> ArgError {
        match word.split_once('=').map(|(name, _)| Name::new(name)) {
            Some(Ok(name)) => ArgError::NoSuchName {
                name,
                usage: self.command(),
            },
            Some(Err(_)) | None => error,
        }
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
            if values[index].replace(arg.check(value)?).is_some() {
                let (arg, usage) = (arg.name.clone(), self.command());
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

    /// The values with the defaults of those that have none.
    #[must_use]
    pub fn with_defaults(&self, values: &[Option<String>]) -> Vec<Option<String>> {
        let args = self.args.iter().zip(values);
        args.map(|(arg, value)| value.clone().or_else(|| arg.default.clone()))
            .collect()
    }

    /// What was given, put by name for each argument: the form in which it means the same wherever it stands.
    #[must_use]
    pub fn by_name(&self, values: &[Option<String>]) -> Vec<String> {
        let named = self.args.iter().zip(values);
        named
            .filter_map(|(arg, value)| Some(format!("{}={}", arg.name, value.as_ref()?)))
            .collect()
    }

    /// The values of a workflow's parameters; one that may be left out, and was, is empty.
    ///
    /// # Errors
    /// The first [`ArgError`] found.
    pub fn params(&self, given: &[String]) -> Result<Values, ArgError> {
        let resolved = self.resolve(given)?;
        let mut values = Values::default();
        for arg in &self.args {
            values.set(Source::Param(arg.name.to_string()), "");
        }
        for (name, value) in resolved.values {
            values.set(Source::Param(name.to_string()), value);
        }
        Ok(values)
    }

    /// The command that runs it, with its arguments as in [`Self::usage`].
    #[must_use]
    pub fn command(&self) -> String {
        let command = match self.steps {
            None => "/run",
            Some(_) => "/workflow run",
        };
        format!("{command} {}", self.usage())
    }

    /// How the script is called: `deploy <service: api or web> [tag, else v1.0]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_string();
        for arg in &self.args {
            let name = &arg.name;
            let choices = match (&arg.kind, arg.choices.as_slice()) {
                (Kind::Boolean, _) => ": yes or no".to_owned(),
                (Kind::File(_), _) => ": a file".to_owned(),
                (Kind::Integer { min, max }, _) if *min > i64::MIN && *max < i64::MAX => {
                    format!(": {min} to {max}")
                }
                (Kind::Integer { .. }, _) => ": a number".to_owned(),
                (Kind::Text, []) => String::new(),
                (Kind::Text, choices) => format!(": {}", named(choices)),
            };
            let part = match arg.default.as_deref().map(|value| arg.spoken(value)) {
                Some(default) => format!(" [{name}{choices}, else {default}]"),
                None if arg.optional => format!(" [{name}{choices}]"),
                None => format!(" <{name}{choices}>"),
            };
            usage.push_str(&part);
        }
        usage
    }
}

/// Whether a name is a declared one with a letter wrong, missing, surplus or swapped, or written in other case.
fn is_slip(name: &str, known: &str) -> bool {
    let (name, known) = (name.to_lowercase(), known.to_lowercase());
    let mistakes = strsim::osa_distance(&name, &known);
    mistakes == 0 || (mistakes == 1 && name.chars().count() >= 3)
}

impl Arg {
    /// Checks a value and returns it as it is passed on.
    ///
    /// # Errors
    /// The rule that the value breaks.
    pub fn check(&self, value: &str) -> Result<String, ArgError> {
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
        match self.kind {
            Kind::Text => self.check_text(value).map(|()| value.to_owned()),
            Kind::Integer { min, max } => self.check_number(value, min, max),
            Kind::Boolean => match read_flag(value) {
                Some(flag) => Ok(flag.to_string()),
                None => Err(ArgError::NotYesNo {
                    arg: arg(),
                    value: value.to_owned(),
                }),
            },
            Kind::File(_) => Err(ArgError::Typed { arg: arg() }),
        }
    }

    fn check_number(&self, value: &str, min: i64, max: i64) -> Result<String, ArgError> {
        let number = value.trim().parse::<i64>().ok();
        let number = number.filter(|number| (min..=max).contains(number));
        let Some(number) = number else {
            return Err(ArgError::NotANumber {
                arg: self.name.clone(),
                value: value.to_owned(),
                min,
                max,
            });
        };
        Ok(number.to_string())
    }

    fn check_text(&self, value: &str) -> Result<(), ArgError> {
        let arg = || self.name.clone();
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
            return Err(self.not_a_choice(value, &self.choices));
        }
        let value = || value.to_owned();
        match (&self.pattern, &self.hint) {
            (Some(pattern), _) if pattern.is_match(&value()) => Ok(()),
            (Some(_), Some(hint)) => Err(ArgError::NotAsHinted {
                arg: arg(),
                value: value(),
                hint: hint.clone(),
            }),
            (Some(_), None) => Err(ArgError::NoMatch {
                arg: arg(),
                value: value(),
                pattern: self.pattern_text.clone().unwrap_or_default(),
            }),
            (None, _) => Ok(()),
        }
    }

    /// The refusal of a value that is not in this list.
    #[must_use]
    pub fn not_a_choice(&self, value: &str, choices: &[String]) -> ArgError {
        let near = closest(value, choices.iter().map(String::as_str));
        ArgError::NotAChoice {
            arg: self.name.clone(),
            value: value.to_owned(),
            choices: choices.to_vec(),
            nearest: near.map(str::to_owned),
        }
    }

    /// A value as people say it: `yes` for `true`.
    #[must_use]
    pub fn spoken<'v>(&self, value: &'v str) -> &'v str {
        match (&self.kind, value) {
            (Kind::Boolean, "true") => "yes",
            (Kind::Boolean, "false") => "no",
            (Kind::Boolean | Kind::Text | Kind::Integer { .. } | Kind::File(_), other) => other,
        }
    }

    /// Whether its rules say more than that it is a text.
    fn has_form(&self) -> bool {
        self.kind != Kind::Text || self.pattern.is_some() || !self.choices.is_empty()
    }
}

/// Yes or no, as people type it.
fn read_flag(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "yes" | "y" | "on" | "1" | "true" => Some(true),
        "no" | "n" | "off" | "0" | "false" => Some(false),
        _ => None,
    }
}
