//! The engine that runs jobs; it knows no kind of work.

pub mod output;
pub mod redact;
