//! Command menus: `setMyCommands`, `getMyCommands`, `deleteMyCommands`.

use serde_json::{Value, json};

use super::Reply;
use crate::sandbox::model::{MenuEntry, What};
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::State;

/// The most entries in one menu.
const MAX_COMMANDS: usize = 100;

/// `setMyCommands`.
pub(super) fn set(state: &mut State, params: &Params) -> Reply {
    let key = key(state, params)?;
    let list = params
        .json("commands")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if list.len() > MAX_COMMANDS {
        return Err(Refusal::bad("BOT_COMMANDS_TOO_MUCH"));
    }
    let menu = list
        .iter()
        .map(entry)
        .collect::<Result<Vec<MenuEntry>, Refusal>>()?;
    put(state, key, menu);
    Ok(json!(true))
}

/// `getMyCommands`.
pub(super) fn get(state: &State, params: &Params) -> Reply {
    let menu = state
        .menus
        .get(&key(state, params)?)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let entry = |e: &MenuEntry| json!({"command": e.command, "description": e.description});
    Ok(Value::Array(menu.iter().map(entry).collect()))
}

/// `deleteMyCommands`.
pub(super) fn delete(state: &mut State, params: &Params) -> Reply {
    let key = key(state, params)?;
    put(state, key, Vec::new());
    Ok(json!(true))
}

fn put(state: &mut State, key: (String, String), menu: Vec<MenuEntry>) {
    let (scope, count) = (key.0.clone(), menu.len());
    if menu.is_empty() {
        state.menus.remove(&key);
    } else {
        state.menus.insert(key, menu);
    }
    state.happened(What::CommandsSet { scope, count });
}

fn entry(json: &Value) -> Result<MenuEntry, Refusal> {
    let text = |key: &str| {
        json.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let (command, description) = (text("command"), text("description"));
    let command = command.trim_start_matches('/').to_owned();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !(1..=32).contains(&command.len()) || !command.chars().all(plain) {
        return Err(Refusal::bad("BOT_COMMAND_INVALID"));
    }
    if !(1..=256).contains(&description.encode_utf16().count()) {
        return Err(Refusal::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
    }
    Ok(MenuEntry {
        command,
        description,
    })
}

/// The scope in one word, as [`crate::sandbox::Sandbox::commands`] takes it, and the language.
fn key(state: &State, params: &Params) -> Result<(String, String), Refusal> {
    let language = params.text("language_code").unwrap_or_default().to_owned();
    let two = language.len() == 2 && language.bytes().all(|b| b.is_ascii_lowercase());
    if !language.is_empty() && !two {
        return Err(Refusal::bad("invalid language code specified"));
    }
    Ok((scope(state, params.json("scope"))?, language))
}

fn scope(state: &State, scope: Option<&Value>) -> Result<String, Refusal> {
    let Some(scope) = scope else {
        return Ok("default".to_owned());
    };
    let number = |key: &str| scope.get(key).and_then(Value::as_i64);
    let kind = scope
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match kind {
        "default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators" => {
            Ok(kind.to_owned())
        }
        "chat" | "chat_administrators" | "chat_member" => {
            let chat = number("chat_id").ok_or_else(|| Refusal::bad("chat not found"))?;
            state.readable(chat)?;
            match (kind, number("user_id")) {
                ("chat_member", Some(user)) => Ok(format!("{kind}:{chat}:{user}")),
                ("chat_member", None) => Err(Refusal::bad("invalid user_id specified")),
                _ => Ok(format!("{kind}:{chat}")),
            }
        }
        _ => Err(Refusal::bad(
            "can't parse BotCommandScope: invalid type specified",
        )),
    }
}
