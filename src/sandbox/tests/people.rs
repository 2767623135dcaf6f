//! What people do reaches the bot as teloxide's own kinds of updates.

use serde_json::json;
use teloxide::types::{
    ChatMemberStatus, MaybeInaccessibleMessage, MessageOrigin, Update, UpdateKind,
};

use super::{ANN, bad, good, id_of, sandbox};
use crate::sandbox::{Sandbox, Standing};

const GROUP: i64 = -1_000_000_000_001;

/// All pending updates as teloxide reads them.
async fn updates(sandbox: &Sandbox) -> Vec<UpdateKind> {
    let updates = good(sandbox, "getUpdates", json!({})).await;
    let updates: Vec<Update> =
        serde_json::from_str(&updates.to_string()).expect("teloxide reads them");
    let next = updates
        .last()
        .map_or(0, |update| i64::from(update.id.0) + 1);
    good(sandbox, "getUpdates", json!({"offset": next})).await;
    updates.into_iter().map(|update| update.kind).collect()
}

/// The one pending update, which must be a message.
async fn message(sandbox: &Sandbox) -> teloxide::types::Message {
    match updates(sandbox).await.pop() {
        Some(UpdateKind::Message(message)) => message,
        other => panic!("not a message: {other:?}"),
    }
}

#[tokio::test]
async fn messages_carry_who_wrote_them_and_how() {
    let sandbox = sandbox().await;
    sandbox.add_group(GROUP, "Team", true);
    let first = sandbox
        .say_at(ANN, ANN, "/run hello", 1_700_000_000)
        .message_id;
    let got = message(&sandbox).await;
    assert_eq!(
        (got.text(), got.date.timestamp()),
        (Some("/run hello"), 1_700_000_000)
    );
    assert_eq!(got.from.map(|user| user.id.0.cast_signed()), Some(ANN));
    sandbox.speak(ANN, ANN).reply_to(first).text("yes");
    let got = message(&sandbox).await;
    assert_eq!(got.reply_to_message().map(|m| m.id.0), Some(first));
    let topic = sandbox.add_topic(GROUP, "Host");
    sandbox.speak(ANN, GROUP).topic(topic).text("/status");
    let got = message(&sandbox).await;
    assert_eq!(
        (got.is_topic_message, got.thread_id.map(|t| t.0.0)),
        (true, Some(topic))
    );
    sandbox.speak(ANN, ANN).forwarded_from(5).text("/run hello");
    let got = message(&sandbox).await;
    assert!(matches!(
        got.forward_origin(),
        Some(MessageOrigin::User { .. })
    ));
    sandbox.speak(ANN, ANN).via_bot(6).text("/run hello");
    assert!(message(&sandbox).await.via_bot.is_some());
    sandbox.say_anonymously(GROUP, "/run hello");
    let got = message(&sandbox).await;
    assert_eq!(got.sender_chat.map(|chat| chat.id.0), Some(GROUP));
    assert_eq!(got.from.map(|user| user.id.0), Some(1_087_968_824));
    sandbox.speak(ANN, ANN).file("a.yaml", "x: 1", "caption");
    let got = message(&sandbox).await;
    assert_eq!(
        got.document().and_then(|d| d.file_name.clone()).as_deref(),
        Some("a.yaml")
    );
    assert_eq!(got.caption(), Some("caption"));
}

#[tokio::test]
async fn edits_posts_and_standings_are_their_own_kinds() {
    let sandbox = sandbox().await;
    let said = sandbox.say(ANN, ANN, "/run a").message_id;
    sandbox.edit_said(ANN, said, "/run b");
    sandbox.add_channel(-1_000_000_000_002, "News");
    sandbox.channel_post(-1_000_000_000_002, "/run c");
    sandbox.block(ANN);
    sandbox.say(ANN, ANN, "I am back");
    let kinds = updates(&sandbox).await;
    let [
        _,
        UpdateKind::EditedMessage(edited),
        UpdateKind::ChannelPost(post),
        UpdateKind::MyChatMember(blocked),
        UpdateKind::MyChatMember(back),
        UpdateKind::Message(_),
    ] = &kinds[..]
    else {
        panic!("{kinds:?}");
    };
    assert_eq!(edited.text(), Some("/run b"));
    assert!(post.from.is_none());
    assert_eq!(blocked.new_chat_member.status(), ChatMemberStatus::Banned);
    assert_eq!(
        back.new_chat_member.status(),
        ChatMemberStatus::Member,
        "writing unblocks"
    );
}

#[tokio::test]
async fn a_migration_is_told_in_both_groups() {
    let sandbox = sandbox().await;
    sandbox.add_group(-5, "Team", false);
    let new = sandbox.migrate(-5);
    let kinds = updates(&sandbox).await;
    let [UpdateKind::Message(old), UpdateKind::Message(heir)] = &kinds[..] else {
        panic!("{kinds:?}")
    };
    assert_eq!(old.migrate_to_chat_id().map(|chat| chat.0), Some(new));
    assert_eq!(heir.migrate_from_chat_id().map(|chat| chat.0), Some(-5));
}

#[tokio::test]
async fn privacy_hides_what_is_not_for_the_bot() {
    let sandbox = sandbox().await;
    sandbox.add_group(GROUP, "Team", false);
    let seen = |text: &str| sandbox.say(ANN, GROUP, text).update_id.is_some();
    assert!(seen("/run hello") && seen("/run@sandbox_bot hello") && seen("hey @sandbox_bot"));
    assert!(!seen("hello") && !seen("/run@other_bot hello"));
    sandbox.set_privacy(false);
    assert!(seen("hello") && seen("/run@other_bot hello"));
    sandbox.set_privacy(true);
    sandbox.set_bot_standing(GROUP, ANN, Standing::Administrator);
    assert!(seen("hello"), "administrators see all");
    sandbox.kick(GROUP, ANN);
    assert!(!seen("/run hello"), "not in the group");
}

#[tokio::test]
async fn presses_are_answered_once() {
    let sandbox = sandbox().await;
    let markup = json!({"inline_keyboard": [[{"text": "Cancel", "callback_data": "c:1"}]]});
    let sent = good(
        &sandbox,
        "sendMessage",
        json!({"chat_id": ANN, "text": "x", "reply_markup": markup}),
    )
    .await;
    let press = sandbox
        .press(ANN, ANN, id_of(&sent), "Cancel")
        .expect("the button is there");
    assert!(sandbox.press(ANN, ANN, id_of(&sent), "Retry").is_err());
    let forged = sandbox.press_forged(5, ANN, 999, "c:2");
    let kinds = updates(&sandbox).await;
    let [
        UpdateKind::CallbackQuery(first),
        UpdateKind::CallbackQuery(second),
    ] = &kinds[..]
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(
        (first.data.as_deref(), first.id.0.as_str()),
        (Some("c:1"), press.as_str())
    );
    assert!(matches!(
        first.message,
        Some(MaybeInaccessibleMessage::Regular(_))
    ));
    assert!(matches!(
        second.message,
        Some(MaybeInaccessibleMessage::Inaccessible(_))
    ));
    let old = "Bad Request: query is too old and response timeout expired or query ID is invalid";
    let answer =
        |id: &str, text: &str| json!({"callback_query_id": id, "text": text, "show_alert": true});
    assert_eq!(
        bad(
            &sandbox,
            "answerCallbackQuery",
            answer(&press, &"x".repeat(201))
        )
        .await,
        "Bad Request: MESSAGE_TOO_LONG"
    );
    good(&sandbox, "answerCallbackQuery", answer(&press, "ok")).await;
    assert_eq!(
        bad(&sandbox, "answerCallbackQuery", answer(&press, "ok")).await,
        old
    );
    assert_eq!(
        bad(&sandbox, "answerCallbackQuery", answer("1", "ok")).await,
        old
    );
    sandbox.expire_presses();
    assert_eq!(
        bad(&sandbox, "answerCallbackQuery", answer(&forged, "ok")).await,
        old
    );
    let answers = sandbox.answers();
    assert_eq!(
        (answers.len(), answers[0].text.as_deref(), answers[0].alert),
        (1, Some("ok"), true)
    );
}
