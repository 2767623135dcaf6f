//! The tests of the whole: the real program against a real Telegram stand-in, on both databases.
//! One binary, a file for each promise or capability.

mod harness;

mod cards;
mod delivery;
mod hostile;
mod house;
mod layers;
mod source;
mod spine;
