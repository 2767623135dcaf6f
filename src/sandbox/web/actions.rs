//! What a person does on the page: reads, writes, presses, sends and fetches files.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Multipart, Query, State as Extract};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::files::MAX_UPLOAD;
use super::super::model::Document;
use super::super::state::{Chat, ChatKind, Standing, State};
use super::super::text::{MAX_CAPTION, MAX_TEXT};
use super::{Site, shape};

/// An answer to the page: what it asked for, or words for the person.
pub(super) type Answer = Result<Json<Value>, Trouble>;

/// Why something was not done.
#[derive(Debug, PartialEq)]
pub(super) struct Trouble(pub(super) StatusCode, pub(super) String);

impl Trouble {
    pub(super) fn bad(words: impl Into<String>) -> Trouble {
        Trouble(StatusCode::BAD_REQUEST, words.into())
    }

    fn missing(words: impl Into<String>) -> Trouble {
        Trouble(StatusCode::NOT_FOUND, words.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// Which messages.
#[derive(Deserialize)]
pub(super) struct Wanted {
    chat: i64,
    thread: Option<i32>,
    before: Option<i32>,
}

/// `GET /api/messages`: a page of them, oldest first.
pub(super) async fn messages(
    Extract(site): Extract<Arc<Site>>,
    Query(wanted): Query<Wanted>,
) -> Json<Value> {
    let before = wanted.before.unwrap_or(i32::MAX);
    Json(
        site.sandbox
            .shared()
            .with(|state| shape::messages(state, wanted.chat, wanted.thread, before)),
    )
}

/// Whose view of which chat.
#[derive(Deserialize)]
pub(super) struct Place {
    person: i64,
    chat: i64,
}

/// `GET /api/menu`: the commands that the bot offers this person there.
pub(super) async fn menu(
    Extract(site): Extract<Arc<Site>>,
    Query(place): Query<Place>,
) -> Json<Value> {
    let shared = site.sandbox.shared();
    Json(shared.with(|state| shape::menu(state, place.person, place.chat).into()))
}

/// A message that a person writes.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Words {
    from: i64,
    chat: i64,
    thread: Option<i32>,
    reply: Option<i32>,
    #[serde(default)]
    text: String,
}

/// `POST /api/say`.
pub(super) async fn say(Extract(site): Extract<Arc<Site>>, Json(words): Json<Words>) -> Answer {
    if words.text.trim().is_empty() {
        return Err(Trouble::bad("There is nothing to send."));
    }
    fits(&words.text, MAX_TEXT)?;
    let speech = speech(&site, &words)?;
    let sent = speech.text(words.text.trim());
    Ok(Json(json!({"id": sent.message_id})))
}

fn fits(text: &str, most: usize) -> Result<(), Trouble> {
    match text.encode_utf16().count() {
        long if long > most => Err(Trouble::bad(format!(
            "That is {long} characters; Telegram takes {most}."
        ))),
        _ => Ok(()),
    }
}

/// The beginning of a message, once the person may write there.
fn speech(site: &Site, words: &Words) -> Result<super::super::Speech, Trouble> {
    let shared = site.sandbox.shared();
    shared.with(|state| {
        let own = words.from == words.chat;
        match state.chats.get(&words.chat) {
            _ if site.players.iter().all(|player| player.id != words.from) => {
                Err(Trouble::bad("The page plays nobody with this id."))
            }
            None if own => Ok(()),
            None => Err(Trouble::missing("There is no such chat.")),
            Some(chat) if !is_in(chat, words.from) => {
                Err(Trouble::bad("This person is not in that chat."))
            }
            Some(chat) => {
                let topic = words.thread.filter(|id| !chat.topics.contains_key(id));
                let reply = words.reply.filter(|id| !chat.messages.contains_key(id));
                match (topic, reply) {
                    (Some(_), _) => Err(Trouble::missing("There is no such topic.")),
                    (None, Some(_)) => Err(Trouble::missing(
                        "The message that you answer is not there any more.",
                    )),
                    (None, None) => Ok(()),
                }
            }
        }
    })?;
    let mut speech = site.sandbox.speak(words.from, words.chat);
    if let Some(thread) = words.thread {
        speech = speech.topic(thread);
    }
    if let Some(reply) = words.reply {
        speech = speech.reply_to(reply);
    }
    Ok(speech)
}

fn is_in(chat: &Chat, person: i64) -> bool {
    let standing = chat.members.get(&person);
    let inside =
        standing.is_some_and(|standing| !matches!(standing, Standing::Left | Standing::Kicked));
    inside || (chat.kind == ChatKind::Private && chat.id == person)
}

/// `POST /api/upload`: a file with a caption.
pub(super) async fn upload(Extract(site): Extract<Arc<Site>>, mut parts: Multipart) -> Answer {
    let broken = |error: axum::extract::multipart::MultipartError| {
        Trouble(error.status(), format!("The file did not arrive: {error}."))
    };
    let mut words = Words::default();
    let mut file: Option<(String, Bytes)> = None;
    let mut photo = false;
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let title = field.file_name().unwrap_or("file").to_owned();
            file = Some((title, field.bytes().await.map_err(broken)?));
            continue;
        }
        let text = field.text().await.map_err(broken)?;
        let number = || {
            let wrong = |_| Trouble::bad(format!("{name} is no number."));
            text.parse::<i64>().map_err(wrong)
        };
        let small = |id: i64| i32::try_from(id).unwrap_or_default();
        match name.as_str() {
            "from" => words.from = number()?,
            "chat" => words.chat = number()?,
            "thread" => words.thread = Some(small(number()?)),
            "reply" => words.reply = Some(small(number()?)),
            "photo" => photo = text == "1",
            "caption" => words.text = text.trim().to_owned(),
            _ => return Err(Trouble::bad(format!("{name} is not known here."))),
        }
    }
    let (name, bytes) = file.ok_or_else(|| Trouble::bad("There is no file."))?;
    match bytes.len() {
        0 => return Err(Trouble::bad("An empty file cannot be sent.")),
        1..=MAX_UPLOAD => {}
        _ => return Err(Trouble::bad("The sandbox takes files up to 50 MB.")),
    }
    fits(&words.text, MAX_CAPTION)?;
    let speech = speech(&site, &words)?;
    let sent = match photo && picture(&bytes).is_some() {
        true => speech.photo(bytes, &words.text),
        false => speech.file(&name, bytes, &words.text),
    };
    Ok(Json(json!({"id": sent.message_id})))
}

/// A press of a button.
#[derive(Deserialize)]
pub(super) struct Press {
    from: i64,
    chat: i64,
    message: i32,
    data: String,
}

/// `POST /api/press`.
pub(super) async fn press(Extract(site): Extract<Arc<Site>>, Json(press): Json<Press>) -> Answer {
    let may = site.sandbox.shared().with(|state| {
        let chat = state.chats.get(&press.chat);
        chat.is_some_and(|chat| is_in(chat, press.from))
    });
    if !may {
        return Err(Trouble::bad("This person is not in that chat."));
    }
    let pressed = site
        .sandbox
        .press(press.from, press.chat, press.message, &press.data);
    let gone = |_| Trouble::missing("This button is not there any more.");
    Ok(Json(json!({"press": pressed.map_err(gone)?})))
}

/// Which file.
#[derive(Deserialize)]
pub(super) struct Holder {
    chat: i64,
    message: i32,
}

/// `GET /api/file`: what a message holds, byte for byte.
pub(super) async fn file(
    Extract(site): Extract<Arc<Site>>,
    Query(holder): Query<Holder>,
) -> Result<Response, Trouble> {
    let find = |state: &mut State| state.message(holder.chat, holder.message)?.document.clone();
    let document = site.sandbox.shared().with(find);
    let document = document.ok_or_else(|| Trouble::missing("There is no such file."))?;
    let picture = document.photo.then(|| picture(&document.bytes)).flatten();
    let mut response = Response::new(Body::from(document.bytes.clone()));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(picture.unwrap_or("application/octet-stream")),
    );
    // Whatever is in it, opened by itself it runs nothing.
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    if let Ok(value) = HeaderValue::from_str(&disposition(&document, picture.is_some())) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The type of a picture by its first bytes.
fn picture(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &'static str); 4] = [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"RIFF", "image/webp"),
    ];
    let found = kinds.iter().find(|(start, _)| bytes.starts_with(start));
    found.map(|(_, kind)| *kind)
}

fn disposition(document: &Document, inline: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let simple: String = document
        .name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let exact: String = document
        .name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let how = if inline { "inline" } else { "attachment" };
    format!("{how}; filename=\"{simple}\"; filename*=UTF-8''{exact}")
}
