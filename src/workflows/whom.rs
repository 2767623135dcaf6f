//! Who may approve a step, and where they are asked: in the run's own chat, or, where nobody there may, each in private.

use super::Inner;
use crate::access::{Access, Standing};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::workflow::{Step, Work};
use crate::store::jobs::Job;
use crate::store::members::Member;

/// So many are asked in private at the most: with more of them, one is at hand.
const MOST: usize = 20;

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whom {
    /// Whether somebody in the run's own chat may answer; then nobody else is asked.
    pub here: bool,
    /// Those who are asked in private, by id: first those who can be reached.
    pub others: Vec<Member>,
}

/// Who is asked to approve this step.
pub(super) fn of(inner: &Inner, job: &Job, step: &Step) -> Whom {
    let Work::Approve { role, .. } = &step.work else {
        return Whom::default();
    };
    let may = may(&inner.access, job, step);
    let mut whom = among(&inner.access, job, *role, may);
    whom.others
        .sort_by_key(|person| is_out_of_reach(inner, person.id));
    whom.others.truncate(MOST);
    whom
}

/// Whether somebody cannot be written to, as far as is known here.
pub(super) fn is_out_of_reach(inner: &Inner, person: UserId) -> bool {
    inner.outbox.is_gone(private(person).chat)
}

/// The names of these persons, of those who are known yet.
pub(super) fn names(access: &Access, persons: &[UserId]) -> Vec<String> {
    let known = access.persons();
    let known = known.into_iter().filter(|one| persons.contains(&one.id));
    known.map(|one| one.name).collect()
}

/// The private chat with somebody.
pub(super) fn private(person: UserId) -> Place {
    Place {
        chat: ChatId(person.0),
        thread: None,
    }
}

/// Everybody who may approve this step now.
pub(super) fn may(access: &Access, job: &Job, step: &Step) -> Vec<Member> {
    let Work::Approve { role, by_asker, .. } = &step.work else {
        return Vec::new();
    };
    let mut may = access.persons();
    may.retain(|person| person.role >= *role && (*by_asker || person.id != job.new.asker));
    may
}

fn among(access: &Access, job: &Job, role: Role, may: Vec<Member>) -> Whom {
    let place = job.new.place;
    let here = may.iter().any(|person| match place.chat.is_private() {
        true => private(person.id).chat == place.chat,
        false => {
            matches!(access.standing(person.id, place), Standing::Known(there) if there >= role)
        }
    });
    match here {
        true => Whom {
            here,
            others: Vec::new(),
        },
        false => Whom { here, others: may },
    }
}
