//! The conversation as it changes, printed in a terminal.

use crate::sandbox::{Document, Message, Sandbox, What};
use std::collections::HashMap;
use std::io::{self, Write};

/// Prints what is new since the last look.
pub(super) struct Screen {
    sandbox: Sandbox,
    seen: u64,
    names: HashMap<i64, String>,
    /// Whose chat was printed last.
    chat: i64,
}

impl Screen {
    /// Begins with an empty screen in the chat of this person; `names` are people's by their chats.
    pub(super) fn new(sandbox: Sandbox, chat: i64, names: HashMap<i64, String>) -> Self {
        let seen = sandbox.seq();
        Self {
            sandbox,
            seen,
            names,
            chat,
        }
    }

    /// Prints what a person typed.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(super) fn typed(&self, line: &str) -> io::Result<()> {
        print(&format!("\n> {line}\n"))
    }

    /// Prints what happened since the last time.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(super) fn update(&mut self) -> io::Result<()> {
        for event in self.sandbox.events_since(self.seen) {
            self.seen = event.seq;
            match &event.what {
                What::Sent { chat, message_id } => self.message(*chat, *message_id, "")?,
                What::Edited { chat, message_id } => self.message(*chat, *message_id, "✎ ")?,
                What::Answered {
                    text: Some(text), ..
                } => print(&format!("  ( {text} )\n"))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn message(&mut self, chat: i64, id: i32, mark: &str) -> io::Result<()> {
        if chat != self.chat {
            self.chat = chat;
            let name = self.names.get(&chat).map_or("somebody", String::as_str);
            print(&format!("— in the chat with {name} —\n"))?;
        }
        let messages = self.sandbox.from_bot(chat);
        if let Some(message) = messages.iter().find(|message| message.id == id) {
            print(&shown(message, mark))?;
        }
        Ok(())
    }
}

/// Prints this and a new line.
///
/// # Errors
/// When nobody reads any more.
pub(super) fn print(words: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{words}")
}

fn shown(message: &Message, mark: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (i, line) in message.text.lines().enumerate() {
        let mark = if i == 0 { mark } else { "" };
        lines.push(format!("  {mark}{line}"));
    }
    lines.extend(message.document.iter().map(|document| file(document)));
    for row in &message.buttons {
        let row: Vec<_> = row
            .iter()
            .map(|button| format!("[{}]", button.text))
            .collect();
        lines.push(format!("  {}", row.join(" ")));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn file(document: &Document) -> String {
    let size = crate::base::text::bytes(document.bytes.len() as u64);
    let mark = if document.photo { "🖼" } else { "📎" };
    format!("  {mark} {} · {size}", document.name)
}
