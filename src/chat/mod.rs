//! The Telegram surface: words in, words out.

pub mod alerts;
mod allowed;
pub mod changes;
pub mod commands;
mod deliver;
pub mod dialog;
mod dispatch;
mod files;
mod filter;
pub mod intake;
pub mod keyboards;
mod members;
pub mod menu;
pub mod message;
mod notices;
mod offers;
mod press;
pub mod pulse;
mod reply;
mod request;
mod schedule_notices;
mod search;
mod seen;
mod talk;
mod term;
mod undo;
mod watched;
mod workflows;

pub use dispatch::{on_other, schema};
pub use notices::Notices;
pub use reply::Reply;
pub use schedule_notices::ScheduleNotices;
pub use term::Term;
