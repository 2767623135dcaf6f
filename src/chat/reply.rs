//! What a handler says: data, sent by the dispatcher.

use crate::base::ids::JobId;
use crate::base::text;
use crate::delivery::{Buttons, Outgoing};

/// An answer to a message or a press.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The text, in Telegram's HTML; empty for none.
    pub html: String,
    /// The buttons under it.
    pub buttons: Buttons,
    /// A file to send instead of the text.
    pub file: Option<Outgoing>,
    /// Words shown on the pressed button's screen, at most 200 units; for presses only.
    pub toast: Option<String>,
    /// Whether the text replaces the message whose button was pressed.
    pub in_place: bool,
    /// Under this name it is said once, whatever asks for it again: a row, not an answer.
    pub once: Option<String>,
    /// The text holds a secret, which is never written down: if it cannot be sent, these words are said.
    pub secret: Option<String>,
    /// The job whose card answers instead; its update is handled already.
    pub follow: Option<JobId>,
    /// Who asked is answered by what goes on beside; whoever ends that handles the update.
    pub pending: bool,
    /// The name of the message over its life: it takes the place of what was said under it before.
    pub slot: Option<String>,
    /// Whether what there is to say was promised together with the update's mark: nothing is left to be done.
    pub settled: bool,
}

impl Reply {
    /// A text in HTML.
    pub fn html(html: impl Into<String>) -> Self {
        Self {
            html: html.into(),
            ..Self::default()
        }
    }

    /// A plain text.
    #[must_use]
    pub fn plain(words: &str) -> Self {
        Self::html(text::escape(words))
    }

    /// Nothing but words at the pressed button.
    pub fn toast(words: impl Into<String>) -> Self {
        Self {
            toast: Some(words.into()),
            ..Self::default()
        }
    }

    /// The card of a job answers.
    #[must_use]
    pub fn follow(job: JobId) -> Self {
        Self {
            follow: Some(job),
            ..Self::default()
        }
    }

    /// A file answers.
    #[must_use]
    pub fn file(file: Outgoing) -> Self {
        Self {
            file: Some(file),
            ..Self::default()
        }
    }

    /// Everything was written already.
    #[must_use]
    pub fn settled() -> Self {
        Self {
            settled: true,
            ..Self::default()
        }
    }

    /// Somebody else answers, later.
    #[must_use]
    pub fn pending() -> Self {
        Self {
            pending: true,
            ..Self::default()
        }
    }

    /// The same, as the newest form of the slot's message.
    #[must_use]
    pub fn slot(mut self, slot: impl Into<String>) -> Self {
        self.slot = Some(slot.into());
        self
    }

    /// Nothing is said.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The same, said once under this name.
    #[must_use]
    pub fn once(mut self, name: Option<String>) -> Self {
        self.once = name;
        self
    }

    /// The same, as a text that is never written down; `instead` is said if it cannot be sent.
    #[must_use]
    pub fn secret(mut self, instead: &str) -> Self {
        self.secret = Some(instead.to_owned());
        self
    }

    /// The same with buttons.
    #[must_use]
    pub fn buttons(mut self, buttons: Buttons) -> Self {
        self.buttons = buttons;
        self
    }

    /// The same, in place of the message whose button was pressed.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        self.in_place = true;
        self
    }
}
