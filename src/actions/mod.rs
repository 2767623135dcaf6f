//! The kinds of work.

pub mod choices;
pub mod script;
