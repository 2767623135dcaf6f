//! Opsgram runs servers from Telegram.
//!
//! A chat command becomes a durable job, a worker runs it, and what it prints comes back to the chat
//! while it runs. `ARCHITECTURE.md` draws the layers; a module names only modules of lower layers,
//! and a test keeps it so.

// Layer 0: values. No async, no I/O, no framework.
pub mod base;

// Layer 2: the world around the bot, played inside the process.
pub mod sandbox;
