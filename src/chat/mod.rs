//! The Telegram surface: words in, words out.

pub mod changes;
pub mod commands;
mod dispatch;
mod export;
pub mod intake;
mod keyboards;
mod members;
pub mod menu;
mod message;
mod notices;
mod offers;
mod press;
pub mod pulse;
mod reply;
mod request;

pub use dispatch::{on_other, schema};
pub use export::Exports;
pub use notices::Notices;
pub use reply::Reply;
