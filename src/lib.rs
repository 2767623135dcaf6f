//! Opsgram runs servers from Telegram.
//!
//! A chat command becomes a durable job, a worker runs it, and what it prints comes back to the chat
//! while it runs. `ARCHITECTURE.md` draws the layers; a module names only modules of lower layers,
//! and a test keeps it so.

// Layer 0: values. No async, no I/O, no framework.
pub mod base;

// Layer 1: logs.
pub mod telemetry;

// Layer 2: file, database, outside systems, the Telegram stand-in.
pub mod config;
pub mod drivers;
pub mod sandbox;
pub mod store;

// Layer 3: who may; what leaves for the chat.
pub mod access;
pub mod delivery;

// Layer 4: the engine.
pub mod jobs;

// Layer 5: features.
pub mod actions;
pub mod monitors;
pub mod schedules;
pub mod selftest;
pub mod workflows;

// Layer 6: the handles of both surfaces.
pub mod services;

// Layer 7: surfaces.
pub mod chat;
pub mod http;

// Layer 8: builds and supervises everything.
pub mod app;
