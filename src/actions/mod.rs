//! The kinds of work.

pub mod choices;
pub mod incoming;
mod looks;
pub mod script;
pub mod undo;
