//! The kinds of work.

pub mod choices;
pub mod incoming;
pub mod script;
