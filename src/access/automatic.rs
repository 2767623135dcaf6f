//! What the bot does by itself, such as a schedule or a fix that a rule starts: audited like the rest.

use super::{Access, Actor, Asked, Channel, Grant, entry_of};
use crate::base::ids::Place;
use crate::base::role::Role;
use crate::store::audit;
use std::sync::Arc;

impl Access {
    /// Allows what the configuration itself says is to be done: whoever may write that file may do anything. `name` is what
    /// does it, such as a schedule, and stands for it in the trail; `place` is where the outcome goes.
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
            role: Role::Owner,
            actor,
            entry: Arc::new(entry),
            written: Arc::default(),
            refused: Arc::default(),
        }
    }
}
