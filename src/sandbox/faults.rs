//! Faults on demand: rules that make the next calls fail in a chosen way.

use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// 429 with this many seconds to wait; a send to that chat before then gets the rest of the
    /// wait and counts as an earned flood.
    TooManyRequests(u64),
    /// This status (500 to 599) without acting.
    ServerError(u16),
    /// The connection is closed and nothing was done.
    DropBefore,
    /// The call is done, then the connection is closed without an answer.
    DropAfter,
    /// 404, as for a file that Telegram no longer has. For the method `download`.
    Missing,
    /// Half of a file, then the connection is closed. For the method `download`.
    Half,
    /// A whole answer with half of a file in it. For the method `download`.
    Shorter,
    /// Status 200 with a body that is not JSON, without acting.
    Garbage,
    /// The call is done after this time.
    Delay(Duration),
    /// 403 in Telegram's words, without acting.
    Forbidden(Forbidden),
    /// This code and Telegram's whole description, without acting: a token that is known no more, a missing right.
    Refused(u16, &'static str),
    /// The group becomes a supergroup with this identifier, at this very call.
    Migrate(i64),
}

/// Why a bot may not write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forbidden {
    /// The person blocked it.
    Blocked,
    /// The person's account is gone.
    Deactivated,
    /// It was thrown out of the group.
    Kicked,
    /// The person never wrote to it.
    CannotInitiate,
}

impl Forbidden {
    pub(super) fn words(self) -> &'static str {
        match self {
            Forbidden::Blocked => "bot was blocked by the user",
            Forbidden::Deactivated => "user is deactivated",
            Forbidden::Kicked => "bot was kicked from the supergroup chat",
            Forbidden::CannotInitiate => "bot can't initiate conversation with a user",
        }
    }
}

/// A rule. Rules are tried in the order they were added; the first that fits is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) kind: FaultKind,
    pub(super) methods: Vec<String>,
    chat: Option<i64>,
    skip: u32,
    pub(super) left: Option<u32>,
}

impl Fault {
    /// Hits the next call, whatever it is.
    pub fn once(kind: FaultKind) -> Fault {
        Fault::times(kind, 1)
    }

    /// Hits the next `n` calls.
    pub fn times(kind: FaultKind, n: u32) -> Fault {
        Fault {
            kind,
            methods: Vec::new(),
            chat: None,
            skip: 0,
            left: Some(n),
        }
    }

    /// Hits every call until [`super::Sandbox::clear_faults`].
    pub fn always(kind: FaultKind) -> Fault {
        Fault {
            left: None,
            ..Fault::once(kind)
        }
    }

    /// Only calls of this method; may be said more than once. The case does not matter. Fetching a file's bytes counts
    /// as `download`.
    pub fn on(mut self, method: &str) -> Fault {
        self.methods.push(method.to_owned());
        self
    }

    /// Only calls for this chat.
    pub fn in_chat(mut self, chat: i64) -> Fault {
        self.chat = Some(chat);
        self
    }

    /// Lets the first `n` fitting calls pass.
    pub fn after(mut self, n: u32) -> Fault {
        self.skip = n;
        self
    }

    fn fits(&self, method: &str, chat: Option<i64>) -> bool {
        let by_method = self.methods.is_empty()
            || self
                .methods
                .iter()
                .any(|name| name.eq_ignore_ascii_case(method));
        by_method && self.chat.is_none_or(|wanted| chat == Some(wanted))
    }
}

/// The rules in force.
#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.rules.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules that still wait for calls, in their order.
    pub(super) fn rules(&self) -> &[Fault] {
        &self.rules
    }

    /// How many rules still wait for a call.
    pub(super) fn left(&self) -> usize {
        self.rules.len()
    }

    /// The fault for this call, used up by one.
    pub(super) fn take(&mut self, method: &str, chat: Option<i64>) -> Option<FaultKind> {
        let index = self.rules.iter_mut().position(|rule| {
            if !rule.fits(method, chat) {
                return false;
            }
            let passes = rule.skip > 0;
            rule.skip = rule.skip.saturating_sub(1);
            !passes
        })?;
        let rule = &mut self.rules[index];
        let kind = rule.kind;
        if let Some(left) = &mut rule.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.rules.remove(index);
            }
        }
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_fit_by_method_and_chat_and_are_used_up() {
        let mut faults = Faults::default();
        faults.add(
            Fault::times(FaultKind::Garbage, 2)
                .on("SENDMESSAGE")
                .in_chat(7),
        );
        faults.add(Fault::once(FaultKind::DropBefore).after(1));
        assert_eq!(
            faults.take("sendMessage", Some(8)),
            None,
            "the first fitting call passes"
        );
        assert_eq!(
            faults.take("sendMessage", Some(7)),
            Some(FaultKind::Garbage)
        );
        assert_eq!(faults.take("getMe", None), Some(FaultKind::DropBefore));
        assert_eq!(
            faults.take("sendMessage", Some(7)),
            Some(FaultKind::Garbage)
        );
        assert_eq!(faults.take("sendMessage", Some(7)), None);
        assert_eq!(faults.left(), 0);
    }
}
