//! What Telegram refuses, each limit at its edge.

use serde_json::json;

use super::{ANN, bad, good, id_of, sandbox};
use crate::sandbox::Sandbox;

async fn send(sandbox: &Sandbox, text: &str, markup: serde_json::Value) -> Result<i32, String> {
    let body = json!({"chat_id": ANN, "text": text, "parse_mode": "HTML", "reply_markup": markup});
    let answer = super::call(sandbox, "sendMessage", body).await;
    match answer["ok"].as_bool() {
        Some(true) => Ok(id_of(&answer["result"])),
        _ => Err(answer["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned()),
    }
}

#[tokio::test]
async fn texts_are_measured_after_parsing_in_utf16_units() {
    let sandbox = sandbox().await;
    let none = json!({"inline_keyboard": []});
    assert!(
        send(
            &sandbox,
            &format!("<b>{}</b>", "&amp;".repeat(4096)),
            none.clone()
        )
        .await
        .is_ok()
    );
    assert!(
        send(&sandbox, &"😀".repeat(2048), none.clone())
            .await
            .is_ok()
    );
    for (text, want) in [
        ("😀".repeat(2049), "Bad Request: message is too long"),
        (
            "<b> \n</b>".to_owned(),
            "Bad Request: message text is empty",
        ),
        (
            "a<x>".to_owned(),
            "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 1",
        ),
    ] {
        assert_eq!(
            send(&sandbox, &text, none.clone()).await,
            Err(want.to_owned())
        );
    }
    let words = bad(
        &sandbox,
        "sendMessage",
        json!({"chat_id": ANN, "text": "x", "parse_mode": "MarkdownV2"}),
    )
    .await;
    assert!(words.contains("HTML and plain text only"), "{words}");
}

#[tokio::test]
async fn keyboards_are_checked() {
    let sandbox = sandbox().await;
    let keyboard = |button: serde_json::Value| json!({"inline_keyboard": [[button]]});
    let many = |n: usize| json!({"inline_keyboard": vec![vec![json!({"text": "x", "callback_data": "d"}); 4]; n / 4]});
    for markup in [
        keyboard(json!({"text": "a", "callback_data": "é".repeat(32)})),
        keyboard(json!({"text": "a", "url": "https://example.org/x"})),
        keyboard(json!({"text": "a", "copy_text": {"text": "c"}})),
        json!({"force_reply": true, "selective": true}),
        json!({"force_reply": true, "input_field_placeholder": "é".repeat(64)}),
        many(100),
    ] {
        assert!(
            send(&sandbox, "x", markup.clone()).await.is_ok(),
            "{markup}"
        );
    }
    for (markup, want) in [
        (
            json!({"force_reply": true, "input_field_placeholder": "é".repeat(65)}),
            "input field placeholder is too long",
        ),
        (
            keyboard(json!({"text": "a", "callback_data": "é".repeat(33)})),
            "BUTTON_DATA_INVALID",
        ),
        (
            keyboard(json!({"text": "a", "callback_data": ""})),
            "BUTTON_DATA_INVALID",
        ),
        (
            keyboard(json!({"text": " ", "callback_data": "d"})),
            "text must be non-empty",
        ),
        (keyboard(json!({"text": "a"})), "Text buttons are unallowed"),
        (
            keyboard(json!({"text": "a", "pay": true})),
            "does not model buttons with pay",
        ),
        (
            keyboard(json!({"text": "a", "callback_data": "d", "style": "pink"})),
            "invalid button style",
        ),
        (
            keyboard(json!({"text": "a", "url": "nonsense"})),
            "BUTTON_URL_INVALID",
        ),
        (
            keyboard(json!({"text": "a", "callback": "d"})),
            "unknown field \"callback\"",
        ),
        (many(104), "reply markup is too long"),
    ] {
        let words = send(&sandbox, "x", markup.clone())
            .await
            .expect_err("refused");
        assert!(words.contains(want), "{markup}: {words}");
    }
}

#[tokio::test]
async fn replies_and_topics_must_exist() {
    let sandbox = sandbox().await;
    let reply = |id: i32, lenient: bool| json!({"chat_id": ANN, "text": "x", "reply_parameters": {"message_id": id, "allow_sending_without_reply": lenient}});
    assert_eq!(
        bad(&sandbox, "sendMessage", reply(9, false)).await,
        "Bad Request: message to be replied not found"
    );
    good(&sandbox, "sendMessage", reply(9, true)).await;
    let group = -1_000_000_000_005;
    sandbox.add_group(group, "Forum", true);
    let topic = sandbox.add_topic(group, "Host");
    let to = |thread: i32| json!({"chat_id": group, "text": "x", "message_thread_id": thread});
    let sent = good(&sandbox, "sendMessage", to(topic)).await;
    assert_eq!(sent["message_thread_id"], topic);
    let answer =
        json!({"chat_id": group, "text": "y", "reply_parameters": {"message_id": id_of(&sent)}});
    assert_eq!(
        good(&sandbox, "sendMessage", answer).await["message_thread_id"],
        topic,
        "a reply stays in the topic"
    );
    assert_eq!(
        bad(&sandbox, "sendMessage", to(1)).await,
        "Bad Request: message thread not found",
        "General has no number"
    );
    sandbox.delete_topic(group, topic);
    assert_eq!(
        bad(&sandbox, "sendMessage", to(topic)).await,
        "Bad Request: message thread not found"
    );
}

#[tokio::test]
async fn edits_are_checked() {
    let sandbox = sandbox().await;
    let said = sandbox.say(ANN, ANN, "hello").message_id;
    let id = send(
        &sandbox,
        "<b>a</b>",
        json!({"inline_keyboard": [[{"text": "x", "callback_data": "d"}]]}),
    )
    .await
    .expect("sent");
    let edit = |id: i32, text: &str| json!({"chat_id": ANN, "message_id": id, "text": text, "parse_mode": "HTML"});
    assert_eq!(
        bad(&sandbox, "editMessageText", edit(99, "x")).await,
        "Bad Request: message to edit not found"
    );
    assert_eq!(
        bad(&sandbox, "editMessageText", edit(said, "x")).await,
        "Bad Request: message can't be edited"
    );
    assert_eq!(
        bad(&sandbox, "editMessageText", edit(id, &"x".repeat(4097))).await,
        "Bad Request: MESSAGE_TOO_LONG"
    );
    assert_eq!(
        bad(&sandbox, "editMessageText", edit(id, "")).await,
        "Bad Request: message text is empty"
    );
    assert_eq!(
        bad(
            &sandbox,
            "editMessageText",
            json!({"chat_id": ANN, "text": "x"})
        )
        .await,
        "Bad Request: message identifier is not specified"
    );
    good(&sandbox, "editMessageText", edit(id, "<b>a</b>")).await;
    let words = bad(&sandbox, "editMessageText", edit(id, " <b>a</b>")).await;
    assert!(
        words.starts_with("Bad Request: message is not modified: specified new"),
        "{words}"
    );
    good(&sandbox, "editMessageText", edit(id, "<i>a</i>")).await;
    let message = sandbox.messages(ANN).pop().expect("the message");
    assert_eq!(
        (message.edits(), message.buttons.len()),
        (2, 0),
        "an edit without a keyboard takes it away"
    );
    assert_eq!(message.history[0].buttons, [["x"]]);
}

#[tokio::test]
async fn a_chat_is_written_to_only_where_the_bot_may() {
    let sandbox = sandbox().await;
    let to = |chat: i64| json!({"chat_id": chat, "text": "x"});
    sandbox.add_person(5, "Bob", None);
    sandbox.add_bot(6, "Other", "other_bot");
    assert_eq!(
        bad(&sandbox, "sendMessage", to(4)).await,
        "Bad Request: chat not found"
    );
    assert_eq!(
        bad(&sandbox, "sendMessage", to(5)).await,
        "Forbidden: bot can't initiate conversation with a user"
    );
    assert_eq!(
        bad(&sandbox, "sendMessage", to(6)).await,
        "Forbidden: bot can't send messages to bots"
    );
    sandbox.block(ANN);
    assert_eq!(
        bad(&sandbox, "sendMessage", to(ANN)).await,
        "Forbidden: bot was blocked by the user"
    );
    sandbox.unblock(ANN);
    good(&sandbox, "sendMessage", to(ANN)).await;
    sandbox.deactivate(ANN);
    assert_eq!(
        bad(&sandbox, "sendMessage", to(ANN)).await,
        "Forbidden: user is deactivated"
    );
    sandbox.add_group(-1_000_000_000_007, "Team", false);
    sandbox.kick(-1_000_000_000_007, 5);
    assert_eq!(
        bad(&sandbox, "sendMessage", to(-1_000_000_000_007)).await,
        "Forbidden: bot was kicked from the supergroup chat"
    );
    sandbox.add_group(-8, "Old", false);
    let new = sandbox.migrate(-8);
    let answer = super::call(&sandbox, "sendMessage", to(-8)).await;
    assert_eq!(answer["parameters"]["migrate_to_chat_id"], new);
    good(&sandbox, "sendMessage", to(new)).await;
}

#[tokio::test]
async fn command_menus_are_checked() {
    let sandbox = sandbox().await;
    let menu = |n: usize, name: &str, words: &str| json!({"commands": vec![json!({"command": name, "description": words}); n]});
    for (body, want) in [
        (menu(101, "a", "b"), "BOT_COMMANDS_TOO_MUCH"),
        (menu(1, "Upper", "b"), "BOT_COMMAND_INVALID"),
        (menu(1, &"a".repeat(33), "b"), "BOT_COMMAND_INVALID"),
        (menu(1, "a", ""), "BOT_COMMAND_DESCRIPTION_INVALID"),
        (
            menu(1, "a", &"b".repeat(257)),
            "BOT_COMMAND_DESCRIPTION_INVALID",
        ),
    ] {
        assert_eq!(
            bad(&sandbox, "setMyCommands", body).await,
            format!("Bad Request: {want}")
        );
    }
    let mut body = menu(100, "run", "Runs");
    body["scope"] = json!({"type": "chat", "chat_id": ANN});
    good(&sandbox, "setMyCommands", body).await;
    assert_eq!(sandbox.commands(&format!("chat:{ANN}")).len(), 100);
    assert_eq!(sandbox.commands("default").len(), 0);
    let scope = json!({"scope": {"type": "chat", "chat_id": ANN}});
    assert_eq!(
        good(&sandbox, "getMyCommands", scope.clone())
            .await
            .as_array()
            .map(Vec::len),
        Some(100)
    );
    good(&sandbox, "deleteMyCommands", scope).await;
    assert_eq!(sandbox.commands(&format!("chat:{ANN}")).len(), 0);
}

#[tokio::test]
async fn deleting_reacting_and_acting_are_checked() {
    let sandbox = sandbox().await;
    let said = sandbox.say(ANN, ANN, "hello").message_id;
    let place = |id: i32| json!({"chat_id": ANN, "message_id": id});
    assert_eq!(
        bad(&sandbox, "deleteMessage", place(99)).await,
        "Bad Request: message to delete not found"
    );
    let old = sandbox.say_at(ANN, ANN, "old", 1_000).message_id;
    assert_eq!(
        bad(&sandbox, "deleteMessage", place(old)).await,
        "Bad Request: message can't be deleted for everyone"
    );
    let react = |emoji: &str| json!({"chat_id": ANN, "message_id": said, "reaction": [{"type": "emoji", "emoji": emoji}]});
    good(&sandbox, "setMessageReaction", react("👀")).await;
    assert_eq!(
        bad(&sandbox, "setMessageReaction", react("✅")).await,
        "Bad Request: REACTION_INVALID"
    );
    assert_eq!(sandbox.messages(ANN)[0].reactions, ["👀"]);
    good(
        &sandbox,
        "sendChatAction",
        json!({"chat_id": ANN, "action": "typing"}),
    )
    .await;
    assert_eq!(
        bad(
            &sandbox,
            "sendChatAction",
            json!({"chat_id": ANN, "action": "dancing"})
        )
        .await,
        "Bad Request: wrong parameter action in request"
    );
    good(
        &sandbox,
        "deleteMessages",
        json!({"chat_id": ANN, "message_ids": [said, 99]}),
    )
    .await;
    assert_eq!(sandbox.messages(ANN).len(), 1);
}

#[tokio::test]
async fn files_have_their_sizes() {
    let sandbox = sandbox().await;
    let upload = async |method: &str, field: &'static str, bytes: Vec<u8>| -> serde_json::Value {
        let part = reqwest::multipart::Part::bytes(bytes).file_name("a.bin");
        let form = reqwest::multipart::Form::new()
            .text("chat_id", "77")
            .part(field, part);
        let url = format!("{}/bot{}/{method}", sandbox.api_url(), sandbox.token());
        let response = reqwest::Client::new()
            .post(url)
            .multipart(form)
            .send()
            .await
            .expect("an answer");
        response.json().await.expect("JSON")
    };
    let mib = 1024 * 1024;
    assert_eq!(
        upload("sendDocument", "document", vec![1; 50 * mib + 1]).await["error_code"],
        413
    );
    assert_eq!(
        upload("sendDocument", "document", Vec::new()).await["description"],
        "Bad Request: file must be non-empty"
    );
    assert_eq!(
        upload("sendDocument", "documnt", vec![1]).await["ok"],
        false
    );
    // A JPEG of 600 × 400, as far as its frame header.
    let mut picture = b"\xff\xd8\xff\xc0\0\x11\x08\x01\x90\x02\x58".to_vec();
    assert_eq!(
        upload("sendPhoto", "photo", vec![1; 9]).await["description"],
        "Bad Request: IMAGE_PROCESS_FAILED"
    );
    assert_eq!(
        upload("sendPhoto", "photo", picture.clone()).await["ok"],
        true
    );
    let header_only = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01".to_vec();
    assert_eq!(
        upload("sendPhoto", "photo", header_only).await["description"],
        "Bad Request: IMAGE_PROCESS_FAILED"
    );
    picture.resize(10 * mib + 1, 0);
    assert_eq!(upload("sendPhoto", "photo", picture).await["ok"], false);
    let large = upload("sendDocument", "document", vec![1; 20 * mib + 1]).await;
    let file = json!({"file_id": large["result"]["document"]["file_id"]});
    assert_eq!(
        bad(&sandbox, "getFile", file).await,
        "Bad Request: file is too big"
    );
    assert_eq!(
        bad(&sandbox, "getFile", json!({"file_id": "x"})).await,
        "Bad Request: invalid file_id"
    );
}

#[tokio::test]
async fn albums_are_two_to_ten_of_a_kind() {
    let sandbox = sandbox().await;
    let url = format!(
        "{}/bot{}/sendMediaGroup",
        sandbox.api_url(),
        sandbox.token()
    );
    let send = async |media: serde_json::Value, parts: usize| -> serde_json::Value {
        let mut form = reqwest::multipart::Form::new()
            .text("chat_id", "77")
            .text("media", media.to_string());
        for n in 0..parts {
            let part = reqwest::multipart::Part::bytes(vec![1]).file_name(format!("{n}.log"));
            form = form.part(format!("f{n}"), part);
        }
        let response = reqwest::Client::new()
            .post(&url)
            .multipart(form)
            .send()
            .await
            .expect("an answer");
        response.json().await.expect("JSON")
    };
    let item = |n: usize, kind: &str| json!({"type": kind, "media": format!("attach://f{n}")});
    let sent = send(json!([item(0, "document"), item(1, "document")]), 2).await;
    assert_eq!(sent["result"].as_array().map(Vec::len), Some(2), "{sent}");
    assert_eq!(send(json!([item(0, "document")]), 1).await["ok"], false);
    assert_eq!(
        send(json!([item(0, "document"), item(1, "photo")]), 2).await["ok"],
        false
    );
}
