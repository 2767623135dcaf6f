//! What a dialog looks like: the question with its buttons, the message that wants a reply, the last words.

use super::state::{State, few_values, print_of};
use crate::actions::choices::{Choices, NoChoices};
use crate::base::error::Refusal;
use crate::base::job::OutputMode;
use crate::base::text::{bytes, escape, pre, shorten, utf16_len};
use crate::chat::dialog::tap::Tap;
use crate::chat::keyboards::{PAGE, Press, in_pairs};
use crate::config::{Arg, FileRule, Kind, Script};
use crate::delivery::{Button, Buttons};

/// The longest label of a value, in UTF-16 units.
const LABEL: usize = 64;
/// The longest value in the summary, in UTF-16 units.
const VALUE: usize = 100;
/// The longest summary, in UTF-16 units.
const SUMMARY: usize = 2000;
/// Small numbers in a row of buttons.
const NUMBERS_IN_A_ROW: usize = 6;

/// A question for an argument.
pub(super) struct Question<'s> {
    /// The argument.
    pub arg: &'s Arg,
    /// What its program listed, if one lists its values.
    pub list: Option<Result<Choices, NoChoices>>,
    /// Why it is asked again, in HTML; empty when it is not.
    pub note: String,
    /// Which page of the values is shown.
    pub page: usize,
}

impl Question<'_> {
    /// The values that can be pressed.
    pub fn values(&self) -> Vec<String> {
        match &self.list {
            Some(Ok(choices)) => choices.values.clone(),
            Some(Err(_)) => Vec::new(),
            None => few_values(self.arg),
        }
    }

    /// Whether the answer has to be typed.
    pub fn wants_reply(&self) -> bool {
        match &self.list {
            Some(Ok(choices)) => choices.cut && self.arg.pattern.is_some(),
            Some(Err(_)) => self.arg.pattern.is_some(),
            None => few_values(self.arg).is_empty(),
        }
    }
}

/// Which dialog and step the buttons belong to.
#[derive(Clone, Copy)]
pub(super) struct Stand<'a> {
    /// The dialog.
    pub dialog: i64,
    /// Its open question.
    pub step: i64,
    /// Whom it is for, where others see it as well.
    pub name: Option<&'a str>,
    /// Whether the end of a failed program's errors is shown.
    pub admin: bool,
}

impl Stand<'_> {
    fn button(&self, label: impl Into<String>, tap: Tap) -> Button {
        let (dialog, step) = (self.dialog, self.step);
        Press::Ask { dialog, step, tap }.button(label)
    }
}

/// The question with what is known so far, and its buttons.
pub(super) fn question(
    script: &Script,
    state: &State,
    question: &Question<'_>,
    stand: Stand<'_>,
) -> (String, Buttons) {
    let arg = question.arg;
    let mut html = head(script, state, stand.name);
    html.push('\n');
    if !question.note.is_empty() {
        html.push_str(&question.note);
        html.push('\n');
    }
    match &arg.description {
        Some(words) => html.push_str(&format!(
            "<b>{}</b>: {}",
            escape(arg.name.as_str()),
            escape(&shorten(words, 300))
        )),
        None => html.push_str(&format!("<b>{}</b>?", escape(arg.name.as_str()))),
    }
    let values = question.values();
    let pages = values.len().div_ceil(PAGE).max(1);
    let page = question.page.min(pages - 1);
    for line in explain(question, stand.admin, page, pages) {
        html.push('\n');
        html.push_str(&line);
    }
    let mut buttons = value_buttons(arg, &values, page, pages, stand);
    buttons.extend(other_buttons(script, state, question, stand));
    (html, buttons)
}

/// What is to be said beside the question.
fn explain(question: &Question<'_>, admin: bool, page: usize, pages: usize) -> Vec<String> {
    let arg = question.arg;
    let mut lines = Vec::new();
    match &question.list {
        Some(Err(no)) => {
            lines.push(escape(&no.words(arg)));
            if admin && !no.said.is_empty() {
                lines.push(pre(&shorten(&no.said, 600)));
            }
        }
        Some(Ok(choices)) if choices.values.is_empty() => {
            lines.push("There are no values to choose from now.".to_owned());
        }
        Some(Ok(_)) | None => {}
    }
    if pages > 1 {
        lines.push(format!(
            "Page {} of {pages}. You may also write it, as a reply.",
            page + 1
        ));
    }
    if question.wants_reply() {
        lines.push(form(arg));
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// What a typed value must look like, in HTML.
pub(super) fn form(arg: &Arg) -> String {
    match (&arg.kind, &arg.hint, &arg.pattern_text) {
        (Kind::Integer { min, max }, _, _) => match (*min, *max) {
            (i64::MIN, i64::MAX) => "A whole number.".to_owned(),
            (i64::MIN, max) => format!("A whole number up to {max}."),
            (min, i64::MAX) => format!("A whole number from {min} on."),
            (min, max) => format!("A whole number from {min} to {max}."),
        },
        (Kind::File(rule), _, _) => file_form(rule),
        (_, Some(hint), _) => {
            format!(
                "Expected: {}.",
                escape(&shorten(hint.trim_end_matches('.'), 200))
            )
        }
        (_, None, Some(pattern)) => {
            format!("Its form: <code>{}</code>", escape(&shorten(pattern, 200)))
        }
        (_, None, None) => String::new(),
    }
}

/// Which file is taken, in HTML.
fn file_form(rule: &FileRule) -> String {
    let most = bytes(rule.max_size);
    let accept: Vec<_> = rule.accept.iter().map(|one| escape(&one.words())).collect();
    let what = match accept.is_empty() {
        true => String::new(),
        false => format!(" ({})", accept.join(", ")),
    };
    format!("A file{what} of up to {most}. Send the file as a reply to the message below.")
}

fn value_buttons(
    arg: &Arg,
    values: &[String],
    page: usize,
    pages: usize,
    stand: Stand<'_>,
) -> Buttons {
    let button = |value: &String| {
        let mark = match arg.default.as_ref() == Some(value) {
            true => " (default)",
            false => "",
        };
        let label = format!("{}{mark}", shorten(arg.spoken(value), LABEL));
        let label = match label.trim().is_empty() {
            true => "(blank)".to_owned(),
            false => label,
        };
        stand.button(label, Tap::Value(print_of(value)))
    };
    if let Kind::Integer { .. } = arg.kind {
        let rows = values.chunks(NUMBERS_IN_A_ROW);
        return rows.map(|row| row.iter().map(button).collect()).collect();
    }
    let shown = values.iter().skip(page * PAGE).take(PAGE);
    let mut rows = in_pairs(shown.map(button).collect());
    let mut turn = Vec::new();
    if page > 0 {
        turn.push(stand.button("‹ Previous", Tap::Page(page - 1)));
    }
    if page + 1 < pages {
        turn.push(stand.button("More ›", Tap::Page(page + 1)));
    }
    if !turn.is_empty() {
        rows.push(turn);
    }
    rows
}

/// Leaving it out, looking again, going back, giving up.
fn other_buttons(
    script: &Script,
    state: &State,
    question: &Question<'_>,
    stand: Stand<'_>,
) -> Buttons {
    let arg = question.arg;
    let mut rows = Vec::new();
    let mut skip = Vec::new();
    match &arg.default {
        Some(default) if few_values(arg).contains(default) => {}
        Some(default) => {
            let label = format!("Use {}", shorten(arg.spoken(default), LABEL));
            skip.push(stand.button(label, Tap::Skip));
        }
        None if arg.optional => skip.push(stand.button("Skip", Tap::Skip)),
        None => {}
    }
    if state.skippable(script) > 1 {
        skip.push(stand.button("Defaults for the rest", Tap::SkipAll));
    }
    if let Some(Err(_)) = question.list {
        skip.push(stand.button("Look again", Tap::Again));
    } else if question
        .list
        .as_ref()
        .is_some_and(|list| matches!(list, Ok(all) if all.values.is_empty()))
    {
        skip.push(stand.button("Look again", Tap::Again));
    }
    if !skip.is_empty() {
        rows.push(skip);
    }
    let mut last = Vec::new();
    if !state.answers.is_empty() {
        last.push(stand.button("‹ Back", Tap::Back));
    }
    last.push(stand.button("Cancel", Tap::Cancel));
    rows.push(last);
    rows
}

/// The message that opens the keyboard, in HTML: for this person, if it answers none of theirs.
pub(super) fn prompt(arg: &Arg, refusal: Option<&Refusal>, mention: Option<(i64, &str)>) -> String {
    let mut html = String::new();
    if let Some(refusal) = refusal {
        html.push_str(&refusal_html(refusal));
        html.push('\n');
    }
    let line = escape(&prompt_line(
        mention.map(|(_, name)| name),
        arg.name.as_str(),
        arg.is_file(),
    ));
    match mention {
        Some((id, name)) => {
            let name = escape(name);
            let rest = line.strip_prefix(name.as_str()).unwrap_or(&line);
            html.push_str(&format!("<a href=\"tg://user?id={id}\">{name}</a>{rest}"));
        }
        None => html.push_str(&line),
    }
    html
}

/// The last line of a prompt, by which a reply to it is known again.
pub(super) fn prompt_line(name: Option<&str>, arg: &str, is_file: bool) -> String {
    match (name, is_file) {
        (Some(name), false) => format!("{name}, reply to this message with the value of {arg}."),
        (None, false) => format!("Reply to this message with the value of {arg}."),
        (Some(name), true) => format!("{name}, reply to this message with the file for {arg}."),
        (None, true) => format!("Reply to this message with the file for {arg}."),
    }
}

/// A refusal with its code shown as code.
pub(super) fn refusal_html(refusal: &Refusal) -> String {
    match refusal.parts() {
        (words, "") => escape(words),
        (words, code) => format!("{}<code>{}</code>", escape(words), escape(code)),
    }
}

/// The script and the values so far.
pub(super) fn head(script: &Script, state: &State, name: Option<&str>) -> String {
    let mut html = format!("<b>{}</b>", escape(script.name.as_str()));
    if let Some(name) = name {
        html.push_str(&format!(" for {}", escape(name)));
    }
    html.push('\n');
    let line = |arg: &Arg| {
        let value = state.value(arg.name.as_str())?;
        let shown = match (value, &arg.default) {
            (Some(value), _) => code(arg, value),
            (None, Some(default)) => format!("{} (default)", code(arg, default)),
            (None, None) => "left out".to_owned(),
        };
        Some(format!("{}: {shown}\n", escape(arg.name.as_str())))
    };
    let lines: Vec<String> = script.args.iter().filter_map(line).collect();
    let mut from = 0;
    while utf16_len(&lines[from..].concat()) > SUMMARY {
        from += 1;
    }
    if from > 0 {
        html.push_str("…\n");
    }
    html.push_str(&lines[from..].concat());
    html
}

fn code(arg: &Arg, value: &str) -> String {
    format!(
        "<code>{}</code>",
        escape(&shorten(arg.spoken(value), VALUE))
    )
}

/// The last words of a dialog, with a button to begin again.
pub(super) fn over(state: &State, words: &str, again: bool) -> (String, Buttons) {
    let html = format!("<b>{}</b>\n{}", escape(&state.script), escape(words));
    let buttons = match again {
        true => vec![vec![begin_again(state)]],
        false => Vec::new(),
    };
    (html, buttons)
}

/// The button that begins the script anew.
pub(super) fn begin_again(state: &State) -> Button {
    let script = state.script.clone();
    match state.output {
        Some(OutputMode::Stream) => Press::Stream(script).button("Start again"),
        Some(OutputMode::Card | OutputMode::File | OutputMode::Silent) | None => {
            Press::Run(script).button("Start again")
        }
    }
}
