//! The time in which this instance handles updates: it ends before another instance leads.

use tokio_util::sync::CancellationToken;

/// Teloxide works on what waits for each chat even after its dispatcher is gone; once another instance may lead, all of that
/// is dropped. It stands in the inbox, for whoever leads then.
#[derive(Clone, Debug, Default)]
pub struct Term(CancellationToken);

impl Term {
    /// Nothing more is handled, and what is being handled goes no further.
    pub fn end(&self) {
        self.0.cancel();
    }

    /// Does it, unless the term ends before.
    pub(super) async fn within(&self, handler: impl Future<Output = ()>) {
        tokio::select! {
            // The end first: what could go on at that moment must not.
            biased;
            () = self.0.cancelled() => {
                tracing::warn!("an update is left to the instance that leads now");
            }
            () = handler => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::cell::Cell;

    #[test]
    fn what_has_not_ended_with_the_term_goes_no_further() {
        let (term, steps) = (Term::default(), Cell::new(0));
        let handler = || async {
            steps.set(steps.get() + 1);
            tokio::task::yield_now().await;
            steps.set(steps.get() + 10);
        };
        let mut running = Box::pin(term.within(handler()));
        assert_eq!((&mut running).now_or_never(), None);
        term.end();
        assert_eq!(running.now_or_never(), Some(()));
        assert_eq!(steps.get(), 1);
        assert_eq!(term.within(handler()).now_or_never(), Some(()));
        assert_eq!(steps.get(), 1, "what waited does not even begin");
    }
}
