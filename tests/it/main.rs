//! The integration tests: one binary, one file for each promise or capability.

mod house;
mod layers;
mod source;
