//! The engine that runs jobs; it knows no kind of work.

pub mod redact;
