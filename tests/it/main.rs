//! The tests of the whole: the real program against a real Telegram stand-in, on both databases.
//! One binary, a file for each promise or capability.

mod harness;

mod crash;
mod house;
mod layers;
mod running;
mod source;
mod spine;
mod store;
mod trouble;
