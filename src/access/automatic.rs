//! What the bot does by itself, such as a fix that a rule starts: configured by whoever writes the file, audited like the rest.

use super::{Access, Actor, Asked, Channel, Grant, entry_of};
use crate::base::ids::Place;
use crate::store::audit;
use std::sync::Arc;

impl Access {
    /// The grant for something that the configuration lets the bot do by itself; `name` stands for it in the trail, and
    /// what comes of it goes to the place.
    #[must_use]
    pub fn by_itself(&self, name: &str, place: Place, asked: Asked) -> Grant {
        let actor = Actor {
            place,
            ..Actor::on_server(name)
        };
        let what = (asked.action, asked.target, asked.arguments);
        let entry = audit::Entry {
            result: "allowed".to_owned(),
            ..entry_of(Channel::Clock, &actor, what)
        };
        Grant {
            role: asked.need,
            actor,
            entry: Arc::new(entry),
            written: Arc::default(),
        }
    }
}
