//! What leaves for the chat.

pub mod render;
