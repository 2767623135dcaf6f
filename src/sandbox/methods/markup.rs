//! Keyboards: what Telegram accepts under a message.

use serde_json::Value;

use crate::sandbox::model::Button;
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;

/// The most buttons under one message.
const MAX_BUTTONS: usize = 100;

/// The most characters in an empty input field.
const MAX_PLACEHOLDER: usize = 64;

/// The colours a button may have.
const STYLES: [&str; 3] = ["danger", "success", "primary"];

/// Actions of buttons that nothing here plays.
const NOT_MODELLED: [&str; 7] = [
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "callback_game",
    "pay",
];

/// What stands under a message.
#[derive(Default)]
pub(super) struct Markup {
    pub(super) buttons: Vec<Vec<Button>>,
    pub(super) force_reply: bool,
    pub(super) placeholder: Option<String>,
}

/// Reads `reply_markup`.
///
/// # Errors
/// 400 for buttons that Telegram would not take, and for reply keyboards, which are not modelled.
pub(super) fn read(params: &Params) -> Result<Markup, Refusal> {
    let Some(markup) = params.json("reply_markup") else {
        return Ok(Markup::default());
    };
    if markup.get("force_reply").is_some() {
        let placeholder = markup
            .get("input_field_placeholder")
            .and_then(Value::as_str);
        if placeholder.is_some_and(|words| !(1..=MAX_PLACEHOLDER).contains(&words.chars().count()))
        {
            return Err(Refusal::bad("input field placeholder is too long"));
        }
        return Ok(Markup {
            force_reply: true,
            placeholder: placeholder.map(str::to_owned),
            ..Markup::default()
        });
    }
    let Some(rows) = markup.get("inline_keyboard").and_then(Value::as_array) else {
        return Err(Refusal::bad("the sandbox does not model reply keyboards"));
    };
    let mut buttons = Vec::new();
    for row in rows {
        let row = row.as_array().map(Vec::as_slice).unwrap_or_default();
        let row = row
            .iter()
            .map(read_button)
            .collect::<Result<Vec<Button>, Refusal>>()?;
        if !row.is_empty() {
            buttons.push(row);
        }
    }
    if buttons.iter().map(Vec::len).sum::<usize>() > MAX_BUTTONS {
        return Err(Refusal::bad("reply markup is too long"));
    }
    Ok(Markup {
        buttons,
        ..Markup::default()
    })
}

/// Reads an inline keyboard only, as edits take it.
///
/// # Errors
/// 400 as [`read`].
pub(super) fn read_inline(params: &Params) -> Result<Vec<Vec<Button>>, Refusal> {
    read(params).map(|markup| markup.buttons)
}

fn read_button(json: &Value) -> Result<Button, Refusal> {
    if let Some(key) = NOT_MODELLED.iter().find(|key| json.get(key).is_some()) {
        return Err(Refusal::bad(format!(
            "the sandbox does not model buttons with {key}"
        )));
    }
    let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
    let copy = json
        .get("copy_text")
        .and_then(|copy| copy.get("text"))
        .and_then(Value::as_str);
    let button = Button {
        text: text("text").unwrap_or_default(),
        data: text("callback_data"),
        url: text("url"),
        copy: copy.map(str::to_owned),
        style: text("style"),
    };
    check(&button).map_err(Refusal::bad)?;
    Ok(button)
}

fn check(button: &Button) -> Result<(), &'static str> {
    let bytes = |data: &String| (1..=64).contains(&data.len());
    let units = |copy: &String| (1..=256).contains(&copy.encode_utf16().count());
    let actions = [&button.data, &button.url, &button.copy]
        .into_iter()
        .flatten()
        .count();
    if button.text.trim().is_empty() {
        return Err("inline keyboard button text must be non-empty");
    }
    if !button
        .style
        .as_deref()
        .is_none_or(|style| STYLES.contains(&style))
    {
        return Err("can't parse inline keyboard button: invalid button style specified");
    }
    match actions {
        0 => Err(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        1 if !button.data.as_ref().is_none_or(bytes) => Err("BUTTON_DATA_INVALID"),
        1 if !button.url.as_ref().is_none_or(|url| is_address(url)) => Err("BUTTON_URL_INVALID"),
        1 if !button.copy.as_ref().is_none_or(units) => Err("BUTTON_COPY_TEXT_INVALID"),
        1 => Ok(()),
        _ => Err("can't parse inline keyboard button: exactly one action must be used"),
    }
}

fn is_address(url: &str) -> bool {
    if let Some(link) = url.strip_prefix("tg://") {
        return !link.is_empty();
    }
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .unwrap_or(url);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
    host.contains('.') && !host.contains(char::is_whitespace)
}
