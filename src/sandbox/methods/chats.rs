//! Chats, members, reactions and chat actions.

use serde_json::{Value, json};

use super::{Reply, chat_id, small, topic};
use crate::sandbox::model::What;
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{Chat, ChatKind, Standing, State};
use crate::sandbox::wire::person;
use crate::sandbox::world::stand;

/// What a bot may say it is doing.
const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// The emoji that can be reactions.
const REACTIONS: &str = "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡";

/// `getMe`.
pub(super) fn get_me(state: &State) -> Value {
    let mut me = person(&state.bot);
    me["can_join_groups"] = json!(true);
    me["can_read_all_group_messages"] = json!(!state.privacy);
    for ability in [
        "supports_inline_queries",
        "can_connect_to_business",
        "has_main_web_app",
        "has_topics_enabled",
    ] {
        me[ability] = json!(false);
    }
    me
}

/// `sendChatAction`.
pub(super) fn action(state: &mut State, params: &Params) -> Reply {
    let id = chat_id(params)?;
    let chat = state.writable(id)?;
    let thread = topic(chat, params)?;
    let action = params.text("action").unwrap_or_default().to_owned();
    if !ACTIONS.contains(&action.as_str()) {
        return Err(Refusal::bad("wrong parameter action in request"));
    }
    state.happened(What::Action {
        chat: id,
        thread,
        action,
    });
    Ok(json!(true))
}

/// `setMessageReaction`: at most one, as bots may.
pub(super) fn react(state: &mut State, params: &Params) -> Reply {
    let id = chat_id(params)?;
    state.writable(id)?;
    let message_id = small(params.int("message_id").unwrap_or_default());
    let given = params
        .json("reaction")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let emoji = |item: &Value| item.get("emoji").and_then(Value::as_str).map(str::to_owned);
    let emoji: Vec<String> = given.iter().filter_map(emoji).collect();
    if given.len() > 1 {
        return Err(Refusal::bad("REACTIONS_TOO_MANY"));
    }
    let known = |emoji: &String| {
        REACTIONS
            .split(' ')
            .any(|one| one == emoji.trim_end_matches('\u{fe0f}'))
    };
    if emoji.len() != given.len() || !emoji.iter().all(known) {
        return Err(Refusal::bad("REACTION_INVALID"));
    }
    let message = state.chat(id).messages.get_mut(&message_id);
    message
        .ok_or_else(|| Refusal::bad("message to react not found"))?
        .reactions
        .clone_from(&emoji);
    state.happened(What::Reacted {
        chat: id,
        message_id,
        emoji,
    });
    Ok(json!(true))
}

/// `getChat`.
pub(super) fn get(state: &State, params: &Params) -> Reply {
    let chat = state.readable(chat_id(params)?)?;
    let mut json = state.chat_json(chat);
    json["accent_color_id"] = json!(0);
    json["max_reaction_count"] = json!(11);
    json["accepted_gift_types"] = json!({
        "unlimited_gifts": false, "limited_gifts": false, "unique_gifts": false,
        "premium_subscription": false, "gifts_from_channels": false,
    });
    if chat.kind != ChatKind::Private {
        let may = true;
        json["permissions"] =
            json!({"can_send_messages": may, "can_send_documents": may, "can_send_photos": may});
    }
    Ok(json)
}

/// `leaveChat`; the bot is told of its own leaving as of any other change.
pub(super) fn leave(state: &mut State, params: &Params) -> Reply {
    let chat = state.readable(chat_id(params)?)?;
    if chat.kind == ChatKind::Private {
        return Err(Refusal::bad(
            "chat member status can't be changed in private chats",
        ));
    }
    let (id, bot) = (chat.id, state.bot.id);
    stand(state, id, bot, Standing::Left);
    Ok(json!(true))
}

/// `getChatMember`.
pub(super) fn member(state: &State, params: &Params) -> Reply {
    let chat = state.readable(chat_id(params)?)?;
    let user = params.int("user_id").unwrap_or_default();
    let standing = if user == state.bot.id {
        chat.bot
    } else if chat.kind == ChatKind::Private && user == chat.id {
        Standing::Member
    } else {
        match chat.members.get(&user) {
            Some(standing) => *standing,
            None if state.people.contains_key(&user) => Standing::Left,
            None => return Err(Refusal::bad("PARTICIPANT_ID_INVALID")),
        }
    };
    Ok(state.member_json(user, standing))
}

/// `getChatAdministrators`.
pub(super) fn administrators(state: &State, params: &Params) -> Reply {
    let chat = state.readable(chat_id(params)?)?;
    if chat.kind == ChatKind::Private {
        return Err(Refusal::bad(
            "there are no administrators in the private chat",
        ));
    }
    Ok(Value::Array(leaders(state, chat)))
}

fn leaders(state: &State, chat: &Chat) -> Vec<Value> {
    let own = [(&state.bot.id, &chat.bot)];
    chat.members
        .iter()
        .chain(own)
        .filter(|(_, standing)| matches!(standing, Standing::Creator | Standing::Administrator))
        .map(|(id, standing)| state.member_json(*id, *standing))
        .collect()
}
