//! Outside systems, one a file: the narrow thing that we need of each.

pub mod file;
pub mod host;
pub mod ping;
pub mod process;
