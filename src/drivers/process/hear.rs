//! Runs a program that says little, and keeps what it said.

use super::{End, SpawnError, Spec, run_apart};
use tokio_util::sync::CancellationToken;

/// What a program said.
#[derive(Clone, Debug)]
pub struct Heard {
    /// How it ended.
    pub end: End,
    /// The beginning of what it printed.
    pub printed: Vec<u8>,
    /// The beginning of what it printed as errors.
    pub complaints: Vec<u8>,
}

/// Runs it to its end and keeps up to `most` bytes of each output.
///
/// # Errors
/// When it could not be started.
pub async fn hear(spec: &Spec, most: usize) -> Result<Heard, SpawnError> {
    let (mut printed, mut complaints) = (Vec::new(), Vec::new());
    let keep = |kept: &mut Vec<u8>, bytes: &[u8]| {
        let room = most.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    };
    let mut read = |bytes: &[u8]| keep(&mut printed, bytes);
    let mut listen = |bytes: &[u8]| keep(&mut complaints, bytes);
    let finished = run_apart(spec, &CancellationToken::new(), &mut read, &mut listen).await?;
    Ok(Heard {
        end: finished.end,
        printed,
        complaints,
    })
}
