//! Asks the kernel what may never be answered, such as a dead network disk, without being held up by it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The most questions by one name that may hang; further ones are not asked.
const MAX_HANGING: usize = 2;

/// Runs the question in a thread of its own, which may hang for ever without holding up the stop of the program. `None` when
/// there is no answer in time, or when too many earlier questions by this name hang.
pub async fn ask<T: Send + 'static>(
    name: &str,
    limit: Duration,
    question: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if hanging()
        .get(name)
        .is_some_and(|count| *count >= MAX_HANGING)
    {
        return None;
    }
    let (sender, answer) = oneshot::channel();
    let waiting = Waiting(Arc::new(Question {
        name: name.to_owned(),
        phase: Mutex::new(Phase::Asked),
    }));
    let asked = Arc::clone(&waiting.0);
    let thread = std::thread::Builder::new()
        .name("question".to_owned())
        .spawn(move || {
            let found = question();
            asked.answered();
            // Nobody may be waiting any more.
            let _ = sender.send(found);
        });
    if thread.is_err() {
        // Nothing was asked, so nothing hangs.
        waiting.0.enter(Phase::Answered);
        return None;
    }
    timeout(limit, answer).await.ok()?.ok()
}

/// How many questions by a name nobody waits for any more, although they have no answer.
fn hanging() -> MutexGuard<'static, HashMap<String, usize>> {
    static HANGING: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);
    HANGING.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Question {
    name: String,
    phase: Mutex<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Asked,
    Answered,
    Hanging,
}

impl Question {
    fn enter(&self, phase: Phase) -> Phase {
        let mut held = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, phase)
    }

    fn answered(&self) {
        let mut hanging = hanging();
        if self.enter(Phase::Answered) == Phase::Hanging {
            let left = hanging.get(&self.name).map_or(0, |count| count - 1);
            match left {
                0 => hanging.remove(&self.name),
                left => hanging.insert(self.name.clone(), left),
            };
        }
    }
}

/// Whoever waits for the answer. One who gives up without it leaves it hanging.
struct Waiting(Arc<Question>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut hanging = hanging();
        let question = &self.0;
        match question.enter(Phase::Hanging) {
            Phase::Answered => {
                question.enter(Phase::Answered);
            }
            Phase::Asked | Phase::Hanging => {
                *hanging.entry(question.name.clone()).or_default() += 1
            }
        }
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
        for _ in 0..MAX_HANGING {
            let (go_on, wait) = mpsc::channel::<()>();
            let answer = ask("hanging", limit, move || wait.recv().is_ok()).await;
            assert_eq!(answer, None);
            hanging.push(go_on);
        }
        let asked = ask("hanging", limit, || panic!("it is asked too often")).await;
        assert_eq!(asked, None::<()>);
        let long = Duration::from_secs(40);
        // Many at the same time are no sign of that.
        let many = (0..20).map(|number| ask("another", long, move || number));
        let found: Vec<_> = futures::future::join_all(many).await;
        assert_eq!(found, (0..20).map(Some).collect::<Vec<_>>());
        // It is asked again once one of them has its answer.
        drop(hanging.pop());
        let begun = std::time::Instant::now();
        while super::hanging().get("hanging") == Some(&MAX_HANGING) {
            assert!(begun.elapsed() < long);
            tokio::task::yield_now().await;
        }
        assert_eq!(ask("hanging", long, || 7).await, Some(7));
    }
}
