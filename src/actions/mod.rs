//! The kinds of work.

pub mod script;
