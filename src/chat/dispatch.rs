//! Routes updates to handlers and sends what they say. A handler stores and returns; it never waits for work.

use super::commands::{self, Command, read_line, start, whoami};
use super::deliver::{Guard, deliver, mark_handled};
use super::files;
use super::keyboards::Press;
use super::message::{Author, Incoming, place};
use super::offers::{self, LATE_WITHIN, Offer};
use super::press;
use super::reply::Reply;
use super::request::{From, Request};
use super::seen::{actor, saw, saw_membership, saw_person};
use super::talk;
use super::term::Term;
use crate::access::{Asked, INVITE_PREFIX, Standing};
use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, MessageId, Place, UpdateId, UserId};
use crate::base::role::Role;
use crate::base::text;
use crate::base::time::Millis;
use crate::services::Services;
use std::sync::Arc;
use std::time::Duration;
use teloxide::dispatching::{UpdateFilterExt, UpdateHandler};
use teloxide::dptree;
use teloxide::payloads::AnswerCallbackQuerySetters;
use teloxide::prelude::{Bot, Requester};
use teloxide::types::{CallbackQuery, ChatMemberUpdated, Me, Message, Update};
use teloxide::{ApiError, RequestError};
use tracing::Instrument;

/// The routes.
#[must_use]
pub fn schema() -> UpdateHandler<std::convert::Infallible> {
    dptree::entry()
        .branch(Update::filter_message().endpoint(on_message))
        .branch(Update::filter_callback_query().endpoint(on_press))
        .branch(Update::filter_my_chat_member().endpoint(on_membership))
}

/// An update of a kind that we do not use: handled by being passed over.
pub async fn on_other(services: Services, update: Arc<Update>) {
    mark_handled(&services, UpdateId(i64::from(update.id.0))).await;
}

/// A press that acts waits so long to be answered, and no longer: other updates of its chat wait behind it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

type Handled = std::result::Result<(), std::convert::Infallible>;

async fn on_message(
    term: Term,
    services: Services,
    me: Me,
    update: Update,
    message: Message,
) -> Handled {
    term.within(read_message(services, me, update, message))
        .await;
    Ok(())
}

async fn read_message(services: Services, me: Me, update: Update, message: Message) {
    let id = UpdateId(i64::from(update.id.0));
    if let Some(to) = message.migrate_to_chat_id() {
        moved(&services, ChatId(message.chat.id.0), ChatId(to.0)).await;
    }
    let incoming = Incoming::of(&message);
    let Some(incoming) = incoming.filter(|incoming| is_for_us(incoming, &me)) else {
        mark_handled(&services, id).await;
        return;
    };
    let actor = actor(&services, &incoming.author, incoming.place);
    services.bot_name.get_or_init(|| me.username().to_owned());
    saw(&services, &incoming);
    let span = tracing::info_span!("update", %id, request = actor.request_id, asker = %actor.id);
    let message = Some(incoming.message);
    let mut request = Request::new(services, actor, id, message, From::Message);
    request.answers.clone_from(&incoming.answers);
    request.attached = incoming.attached();
    if talk::is_chatter(&request, &incoming).await {
        mark_handled(&request.services, id).await;
        return;
    }
    async {
        let mut guard = Guard::new(&request);
        let reply = loop {
            if let Some(reply) = guard.run(take_message(&request, &incoming)).await {
                break reply;
            }
        };
        deliver(&request, reply).await;
    }
    .instrument(span)
    .await;
}

async fn on_press(
    term: Term,
    services: Services,
    bot: Bot,
    me: Me,
    update: Update,
    query: CallbackQuery,
) -> Handled {
    term.within(read_press(services, bot, me, update, query))
        .await;
    Ok(())
}

async fn read_press(services: Services, bot: Bot, me: Me, update: Update, query: CallbackQuery) {
    let id = UpdateId(i64::from(update.id.0));
    services.bot_name.get_or_init(|| me.username().to_owned());
    let (Some(data), Some(message)) = (query.data.clone(), query.message.as_ref()) else {
        // No button of ours; it is answered, so that the presser does not wait.
        if let Err(error) = bot.answer_callback_query(query.id.clone()).await {
            tracing::debug!(%error, "a press could not be answered");
        }
        mark_handled(&services, id).await;
        return;
    };
    let place = match message.regular_message() {
        Some(message) => place(message),
        None => Place {
            chat: ChatId(message.chat().id.0),
            thread: None,
        },
    };
    let author = Author::Person {
        id: UserId(i64::try_from(query.from.id.0).unwrap_or(0)),
        name: query.from.first_name.clone(),
        username: query.from.username.clone(),
    };
    let actor = actor(&services, &author, place);
    saw_person(&services, &author, place.chat);
    let span = tracing::info_span!("press", %id, request = actor.request_id, asker = %actor.id);
    let from = From::Press {
        query: query.id.0.clone(),
    };
    let message = Some(MessageId(message.id().0));
    let request = Request::new(services, actor, id, message, from);
    async {
        let mut pressed = Pressed {
            bot,
            query,
            answered: false,
        };
        let mut guard = Guard::new(&request);
        let mut reply = loop {
            let handler = take_press(&request, &mut pressed, &data);
            if let Some(reply) = guard.run(handler).await {
                break reply;
            }
        };
        if pressed.answered {
            // Too late for words at the button: they go as a message, which in a group says whom they are for.
            if reply.toast.take().is_some() && !request.actor.place.chat.is_private() {
                reply.html = format!("{}: {}", text::escape(&request.actor.name), reply.html);
            }
        } else {
            pressed.answer(reply.toast.as_deref()).await;
        }
        deliver(&request, reply).await;
    }
    .instrument(span)
    .await;
}

async fn on_membership(services: Services, update: Update, change: ChatMemberUpdated) -> Handled {
    let chat = ChatId(change.chat.id.0);
    let outbox = &services.outbox;
    let noted = match change.new_chat_member.is_present() {
        true => outbox.chat_back(chat).await,
        false => {
            outbox
                .chat_gone(chat, "the bot was blocked or removed")
                .await
        }
    };
    if let Err(error) = noted {
        tracing::error!(%chat, %error, "a change of the bot's membership could not be noted");
    }
    if let Err(error) = saw_membership(&services, &change).await {
        tracing::error!(%chat, ?error, "that the bot was added to a group could not be told");
    }
    mark_handled(&services, UpdateId(i64::from(update.id.0))).await;
    Ok(())
}

/// What a message asks for, if it may.
async fn take_message(request: &Request, incoming: &Incoming) -> Result<Reply> {
    request
        .services
        .outbox
        .chat_back(incoming.place.chat)
        .await?;
    let asked = Asked::new("command", first_word(&incoming.text), Role::Viewer);
    match incoming.author {
        Author::Person { .. } => {}
        Author::AnonymousAdmin => {
            let why = "I cannot see who you are: you write as an anonymous admin. \
                       Turn off “Remain anonymous” in your admin rights, and send it again.";
            let access = request.access();
            access
                .note_nobody(&request.actor, &asked, "anonymous admin")
                .await?;
            return match access.is_listed(incoming.place.chat) {
                true => Err(Error::refused(why)),
                false => Ok(Reply::nothing()),
            };
        }
        Author::Nobody => {
            let access = request.access();
            access
                .note_nobody(&request.actor, &asked, "not a person")
                .await?;
            return Ok(Reply::nothing());
        }
    }
    let line = read_line(&incoming.text);
    let command = line.as_ref().and_then(|line| Command::named(&line.name));
    if request.access().standing(request.actor.id, incoming.place) == Standing::Unknown {
        return turn_away(request, incoming, command).await;
    }
    // A forwarded file is only a file: what is done with it is said by a press.
    let only_file = line.is_none() && incoming.file.is_some();
    if incoming.second_hand && !only_file {
        let access = request.access();
        access
            .note_refusal(&request.actor, &asked, "second hand")
            .await?;
        return Err(Error::refused(
            "I do not carry out forwarded messages, nor those written through another bot. Type the command yourself.",
        ));
    }
    if command.is_none()
        && let Some(reply) = talk::answer(request, incoming, line.is_some()).await?
    {
        return Ok(reply);
    }
    let Some(line) = line else {
        let album = incoming.album.as_ref();
        let once = album.map(|album| format!("album:{}:{album}", incoming.place.chat));
        if let Some(file) = &incoming.file {
            let reply = files::offer(request, file).await?;
            return Ok(match once.is_some() {
                true => files::one_of_many(reply).once(once),
                false => reply,
            });
        }
        if let Some(what) = incoming.other {
            return Ok(files::other(what).once(once));
        }
        return Ok(commands::no_slash(&incoming.text, request.role()));
    };
    let Some(command) = command else {
        return Ok(commands::unknown(&line.name, request.role()));
    };
    if command.about().role.is_some() && request.is_late(incoming.date) {
        return offer_late(request, incoming).await;
    }
    command.handle(request, line.rest).await
}

/// An unknown person: `/whoami` and the claim code work; else one refusal an hour. While nobody owns the bot, a mistyped
/// code is told as such.
async fn turn_away(
    request: &Request,
    incoming: &Incoming,
    command: Option<Command>,
) -> Result<Reply> {
    if command == Some(Command::Whoami) {
        return Ok(whoami::handle(request));
    }
    let (mut wrong_code, mut bad_invite) = (false, false);
    if command == Some(Command::Start) && !incoming.second_hand {
        let rest = read_line(&incoming.text).map_or("", |line| line.rest);
        if !rest.is_empty() {
            let reply = start::handle(request, rest).await?;
            let place = incoming.place;
            if request.access().standing(request.actor.id, place) != Standing::Unknown {
                return Ok(reply);
            }
            wrong_code = place.chat.is_private() && request.access().is_unclaimed();
            bad_invite = place.chat.is_private() && rest.starts_with(INVITE_PREFIX);
        }
    }
    let what = first_word(&incoming.text);
    let tell = request.access().turn_away(&request.actor, &what).await?;
    Ok(match tell {
        _ if wrong_code => start::wrong_code(),
        true if bad_invite => start::bad_invite(),
        true => start::stranger(request),
        false => Reply::nothing(),
    })
}

/// What a press asks for, if it may. Presses that act are answered first: Telegram tells by that whether they are fresh.
async fn take_press(request: &Request, pressed: &mut Pressed, data: &str) -> Result<Reply> {
    let access = request.access();
    if access.own_role(request.actor.id).is_none() {
        access.turn_away(&request.actor, &first_word(data)).await?;
        return Err(Error::refused("I do not know you."));
    }
    if request.role().is_none() {
        let asked = Asked::new("press", data, Role::Viewer);
        let refused = request.allow(asked).await;
        return refused.map(|_| Reply::nothing());
    }
    let Some(press) = Press::read(data) else {
        let asked = Asked::new("press", data, Role::Viewer);
        request
            .access()
            .note_refusal(&request.actor, &asked, "no such button")
            .await?;
        return Err(Error::refused("This button no longer stands for anything."));
    };
    let fresh = match press::acts(&press) && !press::is_in_vain(request, &press).await? {
        true => pressed.is_fresh(press::at_once(&press)).await,
        false => true,
    };
    if !fresh && !matches!(press, Press::Confirm(_) | Press::Ask { .. }) {
        return press::offer_late(request, data).await;
    }
    if !fresh {
        return Err(Error::refused(
            "You pressed while I was away. Press again if you still want it.",
        ));
    }
    press::handle(request, press).await
}

/// A press and whether Telegram was told that it arrived.
struct Pressed {
    bot: Bot,
    query: CallbackQuery,
    answered: bool,
}

impl Pressed {
    /// Answers the press before the work; `false` when it is too old to be answered.
    async fn is_fresh(&mut self, words: Option<&str>) -> bool {
        self.answered = true;
        let mut answer = self.bot.answer_callback_query(self.query.id.clone());
        if let Some(words) = words {
            answer = answer.text(words);
        }
        // Without an answer in time the press counts as fresh: it came by a poll that Telegram answered just now.
        let Ok(answer) = tokio::time::timeout(ANSWER_WITHIN, answer.into_future()).await else {
            return true;
        };
        !answer.is_err_and(|error| is_too_old(&error))
    }

    /// Answers the press, with words if there are any.
    async fn answer(&self, words: Option<&str>) {
        let mut call = self.bot.answer_callback_query(self.query.id.clone());
        if let Some(words) = words {
            call = call.text(text::head_units(words, text::ANSWER_UNITS));
        }
        if let Err(error) = call.await {
            tracing::debug!(%error, "a press could not be answered");
        }
    }
}

/// Whether Telegram says that a press is too old. It writes “query ID”, the library knows “query id” only.
fn is_too_old(error: &RequestError) -> bool {
    match error {
        RequestError::Api(ApiError::InvalidQueryId) => true,
        RequestError::Api(ApiError::Unknown(words)) => words.contains("query is too old"),
        _ => false,
    }
}

async fn moved(services: &Services, from: ChatId, to: ChatId) {
    services.access.chat_moved(from, to);
    if let Err(error) = services.outbox.chat_moved(from, to).await {
        tracing::error!(%from, %to, %error, "a group's new id could not be noted");
    }
}

async fn offer_late(request: &Request, incoming: &Incoming) -> Result<Reply> {
    let asked = Asked::new("command.late", first_word(&incoming.text), Role::Viewer);
    request.allow(asked).await?;
    let offer = Offer::Late {
        text: incoming.text.clone(),
        message: Some(incoming.message),
        file: incoming.attached(),
    };
    let intent = offers::keep(request, &offer, LATE_WITHIN).await?;
    let typed = text::shorten(&incoming.text, 200);
    Ok(Reply::html(format!(
        "You asked <code>{}</code> at {}, while I was away.",
        text::escape(&typed),
        commands::jobs::clock(incoming.date, Millis::now())
    ))
    .buttons(press::now_or_never(&intent)))
}

/// In groups, only commands for us, or for no bot by name, are ours to answer.
fn is_for_us(incoming: &Incoming, me: &Me) -> bool {
    match read_line(&incoming.text) {
        Some(line) => line
            .bot
            .is_none_or(|bot| bot.eq_ignore_ascii_case(me.username())),
        None => incoming.place.chat.is_private() || is_answer_to(incoming, me),
    }
}

/// Whether it replies to a message of ours.
fn is_answer_to(incoming: &Incoming, me: &Me) -> bool {
    let own = i64::try_from(me.user.id.0).unwrap_or(0);
    let replied = incoming.reply_to.as_ref();
    replied.is_some_and(|replied| replied.author.0 == own)
}

fn first_word(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    text::shorten(word, 60).into_owned()
}
