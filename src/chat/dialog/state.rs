//! What a dialog has learnt so far, as data, and what each answer makes of it.

use crate::base::ids::{JobId, MessageId, Place};
use crate::base::job::OutputMode;
use crate::base::upload::{Upload, Uploads};
use crate::config::{Arg, Kind, Script};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Whole numbers of a range of at most so many are offered as buttons.
const FEW_NUMBERS: i64 = 12;

/// The state of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The script.
    pub script: String,
    /// What tells its declaration from another one.
    pub form: String,
    /// The values that stood in the command, by argument.
    pub given: BTreeMap<String, String>,
    /// The answers, in the order of asking; without a value: left out, or at its default.
    pub answers: Vec<(String, Option<String>)>,
    /// The argument that is asked for.
    pub asking: String,
    /// The files, by argument.
    #[serde(default)]
    pub files: Uploads,
    /// Another output mode than the script's own.
    pub output: Option<OutputMode>,
    /// The job that is repeated.
    pub retry_of: Option<JobId>,
    /// The message of the asker that the dialog answers.
    pub reply_to: Option<MessageId>,
    /// Where it is held.
    pub place: Place,
    /// How many messages were sent that want a reply.
    pub prompts: u32,
    /// How many of those belong to questions that were answered.
    pub old_prompts: u32,
}

impl State {
    /// The value of an argument, of a file its name; the inner `None` when it was left out on purpose.
    pub fn value(&self, name: &str) -> Option<Option<&str>> {
        if let Some(file) = self.files.get(name) {
            return Some(Some(&file.name));
        }
        if let Some(value) = self.given.get(name) {
            return Some(Some(value));
        }
        let answer = self.answers.iter().find(|(arg, _)| arg == name);
        answer.map(|(_, value)| value.as_deref())
    }

    /// The values by declared argument, without files.
    pub fn values(&self, script: &Script) -> Vec<Option<String>> {
        let value = |arg: &Arg| {
            let value = self.value(arg.name.as_str()).flatten();
            value.filter(|_| !arg.is_file()).map(str::to_owned)
        };
        script.args.iter().map(value).collect()
    }

    /// Takes an answer to the open question.
    pub fn answer(&mut self, value: Option<String>) {
        let asked = self.asking.clone();
        self.forget(&asked);
        self.answers.push((asked, value));
    }

    /// Takes a file as the answer to the open question.
    pub fn answer_file(&mut self, file: Upload) {
        let asked = self.asking.clone();
        self.answer(None);
        self.files.insert(asked, file);
    }

    /// Leaves out everything that is not settled and may be left out.
    pub fn skip_all(&mut self, script: &Script) {
        for arg in script.args.iter().filter(|arg| !arg.required()) {
            let name = arg.name.as_str();
            if self.value(name).is_none() {
                self.answers.push((name.to_owned(), None));
            }
        }
    }

    /// Drops the value of an argument, so that it is asked for again.
    pub fn forget(&mut self, name: &str) {
        self.given.remove(name);
        self.files.remove(name);
        self.answers.retain(|(arg, _)| arg != name);
    }

    /// Goes back to the last question that was answered; `false` when there is none.
    pub fn back(&mut self) -> bool {
        let Some((name, _)) = self.answers.pop() else {
            return false;
        };
        self.files.remove(&name);
        true
    }

    /// How many arguments that may be left out are not settled.
    pub fn skippable(&self, script: &Script) -> usize {
        let open = |arg: &&Arg| self.value(arg.name.as_str()).is_none();
        let open: Vec<_> = script.args.iter().filter(open).collect();
        match open.iter().all(|arg| !arg.required()) {
            true => open.len(),
            false => 0,
        }
    }
}

/// Tells one declaration of a script from another.
pub(super) fn form_of(script: &Script) -> String {
    let mut hasher = DefaultHasher::new();
    format!("{:?}{:?}{:?}", script.run, script.args, script.steps).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What a button says of a value, so that the value itself need not fit it.
pub(super) fn print_of(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The values of an argument that are few by themselves: choices, yes and no, small numbers.
pub(super) fn few_values(arg: &Arg) -> Vec<String> {
    match arg.kind {
        Kind::Boolean => vec!["true".to_owned(), "false".to_owned()],
        Kind::Integer { min, max } if max.checked_sub(min).is_some_and(|n| n < FEW_NUMBERS) => {
            (min..=max).map(|number| number.to_string()).collect()
        }
        Kind::Integer { .. } | Kind::File(_) => Vec::new(),
        Kind::Text => arg.choices.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ChatId;

    fn state() -> State {
        State {
            script: "s".to_owned(),
            form: String::new(),
            given: BTreeMap::from([("a".to_owned(), "1".to_owned())]),
            answers: Vec::new(),
            asking: "b".to_owned(),
            files: Uploads::new(),
            output: None,
            retry_of: None,
            reply_to: None,
            place: Place {
                chat: ChatId(1),
                thread: None,
            },
            prompts: 0,
            old_prompts: 0,
        }
    }

    #[test]
    fn back_drops_the_last_answer_and_nothing_that_was_given() {
        let mut state = state();
        state.answer(Some("x".to_owned()));
        state.asking = "c".to_owned();
        state.answer(None);
        assert_eq!(state.value("b"), Some(Some("x")));
        assert_eq!(state.value("c"), Some(None));
        assert_eq!(state.value("d"), None);
        assert!(state.back());
        assert_eq!(state.value("c"), None);
        assert!(state.back() && !state.back());
        assert_eq!(state.value("a"), Some(Some("1")));
    }

    #[test]
    fn an_answer_replaces_what_was_there() {
        let mut state = state();
        state.asking = "a".to_owned();
        state.answer(Some("2".to_owned()));
        state.answer(Some("3".to_owned()));
        assert_eq!(state.value("a"), Some(Some("3")));
        assert_eq!(state.answers.len(), 1);
    }

    #[test]
    fn a_file_is_an_answer_that_back_drops_and_that_is_not_typed_anew() {
        let mut state = state();
        state.answer_file(Upload {
            file_id: "id".to_owned(),
            name: "b.sql".to_owned(),
            size: None,
            mime: None,
        });
        assert_eq!(state.value("b"), Some(Some("b.sql")));
        assert!(state.back());
        assert_eq!(state.value("b"), None);
    }

    #[test]
    fn it_is_kept_as_data() {
        let mut state = state();
        state.answer(None);
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
    }
}
