//! Asks the kernel what may never be answered, such as a dead network disk, without being held up by it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The most questions by one name that may be without an answer; further ones are not asked.
const MAX_UNANSWERED: usize = 2;

/// Runs the question in a thread of its own, which may hang for ever without holding up the stop of the program. `None` when
/// there is no answer in time, or when too many earlier questions by this name have none.
pub async fn ask<T: Send + 'static>(
    name: &str,
    limit: Duration,
    question: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let asking = Asking::begin(name)?;
    let (sender, answer) = oneshot::channel();
    // When no thread can be had, the sender is dropped and the receiver fails.
    let _ = std::thread::Builder::new()
        .name("question".to_owned())
        .spawn(move || {
            let found = question();
            drop(asking);
            // Nobody may be waiting any more.
            let _ = sender.send(found);
        });
    timeout(limit, answer).await.ok()?.ok()
}

/// A question that is not answered yet.
struct Asking(String);

impl Asking {
    fn begin(name: &str) -> Option<Self> {
        let mut unanswered = Self::unanswered();
        let count = unanswered.entry(name.to_owned()).or_default();
        if *count >= MAX_UNANSWERED {
            return None;
        }
        *count += 1;
        Some(Self(name.to_owned()))
    }

    fn unanswered() -> MutexGuard<'static, HashMap<String, usize>> {
        static UNANSWERED: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);
        UNANSWERED.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut unanswered = Self::unanswered();
        let left = unanswered
            .get(&self.0)
            .map_or(0, |count| count.saturating_sub(1));
        match left {
            0 => unanswered.remove(&self.0),
            left => unanswered.insert(self.0.clone(), left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_hangs_is_given_up_and_not_asked_for_ever() {
        let limit = Duration::from_millis(20);
        let mut hanging = Vec::new();
        for _ in 0..MAX_UNANSWERED {
            let (go_on, wait) = mpsc::channel::<()>();
            let answer = ask("hanging", limit, move || wait.recv().is_ok()).await;
            assert_eq!(answer, None);
            hanging.push(go_on);
        }
        let asked = ask("hanging", limit, || panic!("it is asked too often")).await;
        assert_eq!(asked, None::<()>);
        let other = ask("another", Duration::from_secs(40), || 7).await;
        assert_eq!(other, Some(7));
    }
}
