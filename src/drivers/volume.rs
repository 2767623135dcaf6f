//! The room on a file system: bytes and inodes.

use super::patience;
use nix::sys::statvfs::statvfs;
use std::path::Path;
use std::time::Duration;

/// The room on the file system that holds a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    /// Used space in percent of what ordinary users may use.
    pub percent: f64,
    /// What is free for ordinary users, in bytes.
    pub free: u64,
    /// Used inodes in percent; `None` where the file system does not count them.
    pub inodes: Option<f64>,
}

/// Looks at a file system.
///
/// # Errors
/// A sentence that says why it cannot be read.
pub async fn room(path: &Path, limit: Duration) -> Result<Room, String> {
    let shown = path.display().to_string();
    let asked = path.to_owned();
    let answer = patience::ask(&shown, limit, move || statvfs(&asked)).await;
    let Some(answer) = answer else {
        return Err(format!("{shown} does not answer (is a network disk gone?)"));
    };
    let stat = answer.map_err(|error| format!("{shown} cannot be read: {}", error.desc()))?;
    let free = stat.blocks_available();
    let used = stat.blocks().saturating_sub(stat.blocks_free());
    let inodes = (stat.files() > 0).then(|| {
        let used = stat.files().saturating_sub(stat.files_free());
        share(used, stat.files_available())
    });
    Ok(Room {
        percent: share(used, free),
        free: free.saturating_mul(stat.fragment_size()),
        inodes,
    })
}

/// What share of both is used, in percent; 0 when both are 0.
#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more")]
fn share(used: u64, free: u64) -> f64 {
    let all = used as f64 + free as f64;
    match all > 0.0 {
        true => used as f64 * 100.0 / all,
        false => 0.0,
    }
}
