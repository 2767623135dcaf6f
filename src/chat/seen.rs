//! Notes who wrote and where, and the groups that the bot is put into.

use super::message::{Author, Incoming};
use crate::access::Actor;
use crate::base::error::Result;
use crate::base::ids::{ChatId, Place, UserId};
use crate::services::Services;
use teloxide::types::ChatMemberUpdated;

/// Notes a group that the bot was put into or out of; owners are asked about one that is not on the list.
pub async fn saw_membership(services: &Services, change: &ChatMemberUpdated) -> Result<()> {
    let chat = ChatId(change.chat.id.0);
    if chat.is_private() || change.chat.is_channel() {
        return Ok(());
    }
    let title = change.chat.title().unwrap_or_default();
    let present = change.new_chat_member.is_present();
    let place = Place { chat, thread: None };
    services.access.saw_place(place, title, present);
    let added = present && !change.old_chat_member.is_present();
    if !added || services.access.is_listed(chat) {
        return Ok(());
    }
    let author = Author::Person {
        id: UserId(i64::try_from(change.from.id.0).unwrap_or(0)),
        name: change.from.first_name.clone(),
        username: None,
    };
    let by = actor(services, &author, place);
    services.access.added_to(chat, title, &by).await
}

/// Notes who wrote, and where.
pub fn saw(services: &Services, incoming: &Incoming) {
    let place = incoming.place;
    saw_person(services, &incoming.author, place.chat);
    let (group, topic) = &incoming.titles;
    let whole = Place {
        chat: place.chat,
        thread: None,
    };
    services.access.saw_place(whole, group, true);
    if place.thread.is_some() {
        services.access.saw_place(place, topic, true);
    }
}

/// Notes a person.
pub fn saw_person(services: &Services, author: &Author, chat: ChatId) {
    if let Author::Person { id, name, username } = author {
        services.access.saw(*id, name, username.as_deref(), chat);
    }
}

/// The person who asks, as the bot knows them.
pub fn actor(services: &Services, author: &Author, place: Place) -> Actor {
    // A move may show first in the answer to a call, of which only the outbox hears.
    if let Some(before) = services.outbox.former_id(place.chat) {
        services.access.chat_moved(before, place.chat);
    }
    let (id, name) = match author {
        Author::Person { id, name, .. } => {
            let own = services.access.name_of(*id);
            (*id, own.unwrap_or_else(|| name.clone()))
        }
        Author::AnonymousAdmin => (UserId(0), "anonymous admin".to_owned()),
        Author::Nobody => (UserId(0), "nobody".to_owned()),
    };
    Actor {
        id,
        name,
        place,
        request_id: ulid::Ulid::generate().to_string(),
    }
}
