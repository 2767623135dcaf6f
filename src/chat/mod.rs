//! The Telegram surface: words in, words out.

pub mod commands;
pub mod dialog;
mod dispatch;
mod files;
pub mod intake;
mod keyboards;
pub mod menu;
mod message;
mod offers;
mod press;
mod reply;
mod request;

pub use dispatch::{on_other, schema};
pub use reply::Reply;
