//! The kinds of work.

pub mod incoming;
pub mod script;
