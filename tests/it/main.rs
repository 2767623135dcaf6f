//! The tests of the whole: the real program against a real Telegram stand-in, on both databases.
//! One binary, a file for each promise or capability.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets something unexpected fails there"
)]

mod harness;

mod access;
mod alarms;
mod asking;
mod cards;
mod choosing;
mod clock;
mod commands;
mod config;
mod containers;
mod crash;
mod delivery;
mod files_in;
mod files_out;
mod handover;
mod history;
mod hostile;
mod house;
mod hung;
mod incidents;
mod install;
mod instances;
mod layers;
mod outbox;
mod page;
mod people;
mod presses;
mod proxy;
mod pushing;
mod rehearsing;
mod reload;
mod retention;
mod running;
mod samples;
mod schedules;
mod searching;
mod selftest;
mod source;
mod spine;
mod store;
mod trouble;
mod undoing;
mod watching;
mod workflows;
