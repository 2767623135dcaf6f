//! `answerCallbackQuery`: once for each press.

use std::time::Instant;

use serde_json::json;

use super::Reply;
use crate::sandbox::model::{Answer, What};
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{State, push_bounded};

/// The longest answer, in UTF-16 units.
const MAX_ANSWER: usize = 200;

/// `answerCallbackQuery`.
pub(super) fn answer(state: &mut State, params: &Params) -> Reply {
    let text = params
        .text("text")
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    if text
        .as_ref()
        .is_some_and(|text| text.encode_utf16().count() > MAX_ANSWER)
    {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    let id = params.text("callback_query_id").unwrap_or_default();
    match state.presses.get_mut(id) {
        Some(press) if !press.answered => press.answered = true,
        _ => {
            let words = "query is too old and response timeout expired or query ID is invalid";
            return Err(Refusal::bad(words));
        }
    }
    let alert = params.flag("show_alert");
    let callback_id = id.to_owned();
    let answer = Answer {
        callback_id: callback_id.clone(),
        text: text.clone(),
        alert,
        at: Instant::now(),
    };
    push_bounded(&mut state.answers, answer, state.keep);
    state.happened(What::Answered {
        callback_id,
        text,
        alert,
    });
    Ok(json!(true))
}
