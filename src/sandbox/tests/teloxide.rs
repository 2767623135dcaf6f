//! A real teloxide bot, unchanged, against the sandbox.

use teloxide::Bot;
use teloxide::net::Download;
use teloxide::payloads::{
    EditMessageTextSetters, GetUpdatesSetters, SendDocumentSetters, SendMessageSetters,
    SetMyCommandsSetters,
};
use teloxide::prelude::Requester;
use teloxide::types::{
    BotCommand, BotCommandScope, ChatId, InlineKeyboardButton, InlineKeyboardMarkup, InputFile,
    LinkPreviewOptions, ParseMode, ReactionType, Recipient, ReplyParameters, UpdateKind, UserId,
};
use teloxide::{ApiError, RequestError};

use super::{ANN, SOON, sandbox};
use crate::sandbox::{EntityKind, Fault, FaultKind, Sandbox, Standing};

fn bot(sandbox: &Sandbox) -> Bot {
    let url = sandbox.api_url().parse().expect("an address");
    Bot::with_client(sandbox.token(), reqwest::Client::new()).set_api_url(url)
}

fn keyboard(data: &str) -> InlineKeyboardMarkup {
    InlineKeyboardMarkup::new([[InlineKeyboardButton::callback("Cancel", data)]])
}

#[tokio::test]
async fn a_conversation() {
    let sandbox = sandbox().await;
    let bot = bot(&sandbox);
    let ann = ChatId(ANN);
    assert_eq!(bot.get_me().await.expect("me").username(), "sandbox_bot");
    let said = sandbox.say(ANN, ANN, "/run hello");
    let updates = bot.get_updates().timeout(5).await.expect("updates");
    assert_eq!(Some(i64::from(updates[0].id.0)), said.update_id);
    let UpdateKind::Message(command) = &updates[0].kind else {
        panic!("{updates:?}")
    };
    let no_preview = LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    };
    let card = bot
        .send_message(ann, "<b>hello</b> · <code>x &lt; y</code>")
        .parse_mode(ParseMode::Html)
        .reply_parameters(ReplyParameters::new(command.id).allow_sending_without_reply())
        .link_preview_options(no_preview)
        .reply_markup(keyboard("c:1"))
        .await
        .expect("sent");
    assert_eq!(
        (card.text(), card.reply_to_message().map(|m| m.id)),
        (Some("hello · x < y"), Some(command.id))
    );
    bot.edit_message_text(ann, card.id, "done")
        .reply_markup(keyboard("r:1"))
        .await
        .expect("edited");
    let again = bot
        .edit_message_text(ann, card.id, "done")
        .reply_markup(keyboard("r:1"))
        .await;
    assert!(
        matches!(again, Err(RequestError::Api(ApiError::MessageNotModified))),
        "{again:?}"
    );
    bot.edit_message_reply_markup(ann, card.id)
        .await
        .expect("edited");
    let seen = sandbox
        .wait(SOON, "the card", |view| view.last_from_bot(ANN).cloned())
        .await
        .expect("seen");
    let texts: Vec<&str> = seen
        .history
        .iter()
        .map(|version| version.text.as_str())
        .collect();
    assert_eq!(texts, ["hello · x < y", "done", "done"]);
    assert_eq!(seen.reply_to, Some(said.message_id));
    assert!(seen.buttons.is_empty());
}

#[tokio::test]
async fn buttons_reactions_and_menus() {
    let sandbox = sandbox().await;
    let bot = bot(&sandbox);
    let card = bot
        .send_message(ChatId(ANN), "/go")
        .reply_markup(keyboard("c:1"))
        .await
        .expect("sent");
    sandbox
        .press(ANN, ANN, card.id.0, "Cancel")
        .expect("the button is there");
    let updates = bot.get_updates().await.expect("updates");
    let UpdateKind::CallbackQuery(query) = &updates[0].kind else {
        panic!("{updates:?}")
    };
    bot.answer_callback_query(query.id.clone())
        .await
        .expect("answered");
    bot.set_message_reaction(ChatId(ANN), card.id)
        .await
        .expect("no reaction is fine");
    let reaction = ReactionType::Emoji {
        emoji: "👍".to_owned(),
    };
    let mut request = bot.set_message_reaction(ChatId(ANN), card.id);
    request.reaction = Some(vec![reaction]);
    request.await.expect("reacted");
    let menu = [BotCommand::new("run", "Runs a script")];
    let scope = BotCommandScope::Chat {
        chat_id: Recipient::Id(ChatId(ANN)),
    };
    bot.set_my_commands(menu).scope(scope).await.expect("set");
    assert_eq!(sandbox.commands("chat:77")[0].command, "run");
    assert_eq!(
        sandbox.messages(ANN)[0].entities[0].kind,
        EntityKind::BotCommand
    );
    bot.delete_webhook().await.expect("deleted");
    bot.get_webhook_info().await.expect("info");
    bot.delete_message(ChatId(ANN), card.id)
        .await
        .expect("deleted");
}

#[tokio::test]
async fn files_go_both_ways() {
    let sandbox = sandbox().await;
    let bot = bot(&sandbox);
    let file = InputFile::memory("line\n".repeat(1000)).file_name("hello-1.log");
    let sent = bot
        .send_document(ChatId(ANN), file)
        .caption("<b>log</b>")
        .parse_mode(ParseMode::Html)
        .reply_markup(keyboard("x"))
        .await
        .expect("sent");
    let seen = sandbox
        .messages(ANN)
        .pop()
        .and_then(|m| m.document)
        .expect("a file");
    assert_eq!(
        (seen.name.as_str(), seen.bytes.len()),
        ("hello-1.log", 5000)
    );
    let id = sent
        .document()
        .map(|d| d.file.id.clone())
        .expect("a document");
    bot.send_document(ChatId(ANN), InputFile::file_id(id.clone()))
        .await
        .expect("sent again");
    let wrong = bot
        .send_document(ChatId(ANN), InputFile::file_id("nothing".to_owned().into()))
        .await;
    assert!(
        matches!(wrong, Err(RequestError::Api(ApiError::WrongFileIdOrUrl))),
        "{wrong:?}"
    );
    let path = bot.get_file(id).await.expect("a path").path;
    let mut bytes = Vec::new();
    bot.download_file(&path, &mut bytes)
        .await
        .expect("the file");
    assert_eq!(bytes.len(), 5000);
    bot.edit_message_caption(ChatId(ANN), sent.id)
        .await
        .expect("edited");
}

#[tokio::test]
async fn chats_and_members_are_read() {
    let sandbox = sandbox().await;
    let bot = bot(&sandbox);
    let group = -1_000_000_000_001;
    sandbox.add_group(group, "Team", true);
    sandbox.add_member(group, ANN, Standing::Creator);
    sandbox.set_bot_standing(group, ANN, Standing::Administrator);
    for chat in [ANN, group] {
        bot.get_chat(ChatId(chat)).await.expect("teloxide reads it");
    }
    let ann = UserId(ANN.unsigned_abs());
    assert!(
        bot.get_chat_member(ChatId(group), ann)
            .await
            .expect("a member")
            .is_owner()
    );
    assert_eq!(
        bot.get_chat_administrators(ChatId(group))
            .await
            .expect("a list")
            .len(),
        2
    );
    let updates = bot.get_updates().await.expect("updates");
    assert!(
        matches!(updates[0].kind, UpdateKind::MyChatMember(_)),
        "{updates:?}"
    );
}

#[tokio::test]
async fn errors_are_teloxides_own() {
    let sandbox = sandbox().await;
    let bot = bot(&sandbox);
    let send = || bot.send_message(ChatId(ANN), "x");
    sandbox.fault(Fault::once(FaultKind::TooManyRequests(1)));
    let answer = send().await;
    assert!(
        matches!(&answer, Err(RequestError::RetryAfter(s)) if s.seconds() == 1),
        "{answer:?}"
    );
    sandbox.set_rates(crate::sandbox::Rates::Off);
    sandbox.fault(Fault::once(FaultKind::Garbage));
    assert!(matches!(
        send().await,
        Err(RequestError::InvalidJson { .. })
    ));
    sandbox.fault(Fault::once(FaultKind::DropBefore));
    assert!(matches!(send().await, Err(RequestError::Network(_))));
    sandbox.add_group(-5, "Team", false);
    let new = sandbox.migrate(-5);
    let answer = bot.send_message(ChatId(-5), "x").await;
    assert!(
        matches!(&answer, Err(RequestError::MigrateToChatId(chat)) if chat.0 == new),
        "{answer:?}"
    );
    sandbox.block(ANN);
    assert!(matches!(
        send().await,
        Err(RequestError::Api(ApiError::BotBlocked))
    ));
}
