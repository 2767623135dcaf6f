//! Outside systems, one a file: the narrow thing that we need of each.

pub mod docker;
pub mod file;
pub mod git;
pub mod github;
pub mod host;
pub mod logfile;
pub mod looks;
pub mod missed;
pub mod patience;
pub mod ping;
pub mod process;
pub mod processes;
pub mod sockets;
pub mod ssh;
pub mod systemd;
pub mod web;

#[cfg(test)]
mod tests;
