//! The tests of the whole: the real program against a real Telegram stand-in, on both databases.

mod harness;
mod spine;
