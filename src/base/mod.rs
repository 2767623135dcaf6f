//! Values that every layer speaks in: ids, states, errors, time and text.

pub mod alert;
pub mod error;
pub mod filename;
pub mod ids;
pub mod job;
pub mod name;
pub mod role;
pub mod schedule;
pub mod secret;
pub mod suggest;
pub mod text;
pub mod time;
pub mod trouble;
pub mod upload;
pub mod when;
pub mod words;
pub mod workflow;
