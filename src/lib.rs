//! Opsgram runs servers from Telegram.
//!
//! A chat command becomes a durable job, a worker runs it, and what it prints comes back to the chat
//! while it runs. `ARCHITECTURE.md` draws the layers; a module names only modules of lower layers,
//! and a test keeps it so.

// Layer 0: values. No async, no I/O, no framework.
pub mod base;

// Layer 2: the file, the database and the systems outside.
pub mod drivers;

// Layer 3: who may, and what leaves for the chat.
pub mod delivery;

// Layer 4: the job engine.
pub mod jobs;
