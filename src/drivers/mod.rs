//! Outside systems, one a file: the narrow thing that we need of each.

pub mod docker;
pub mod file;
pub mod host;
pub mod logfile;
pub mod patience;
pub mod ping;
pub mod process;
pub mod processes;
pub mod sockets;
pub mod systemd;
pub mod web;
