//! Steps that wait: for a time, or until something is so. Both last over a restart, since their end is written.

use super::{End, Hand, Inner, broken, good, program};
use crate::base::time::{Millis, human};
use crate::base::workflow::{Template, Until};
use crate::drivers::looks;
use std::time::Duration;

/// The longest sleep: the machine may have slept meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);

/// Waits until the time has come.
pub(super) async fn hold(inner: &Inner, hand: &Hand) -> End {
    let end = hand.until.unwrap_or_default();
    match sleep_until(inner, hand, end).await {
        true => good(),
        false => End::Stopped,
    }
}

/// Looks again and again.
pub(super) async fn wait_for(inner: &Inner, hand: &Hand, until: &Until, every: Duration) -> End {
    let left = hand.until.unwrap_or_default().since(inner.now());
    let last = inner.steady() + left;
    loop {
        match look(inner, hand, until).await {
            Err(why) => return broken(why),
            Ok(true) => return good(),
            Ok(false) => {}
        }
        let now = inner.steady();
        if now >= last {
            return broken(in_vain(hand, until));
        }
        if !sleep(inner, hand, (now + every).min(last)).await {
            return End::Stopped;
        }
    }
}

/// Waits for as long as there is from now to that moment, whatever becomes of the clock meanwhile; `false` when it was told to
/// end before.
pub(super) async fn sleep_until(inner: &Inner, hand: &Hand, end: Millis) -> bool {
    let left = end.since(inner.now());
    sleep(inner, hand, inner.steady() + left).await
}

/// The same by the clock that nobody can put.
async fn sleep(inner: &Inner, hand: &Hand, end: Duration) -> bool {
    loop {
        let left = end.saturating_sub(inner.steady());
        if left.is_zero() {
            return true;
        }
        tokio::select! {
            () = hand.stop.cancelled() => return false,
            () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
        }
    }
}

/// What was waited for in vain, and how long.
fn in_vain(hand: &Hand, until: &Until) -> String {
    let show = |template: &Template| template.show(&hand.values);
    let within = human(hand.step.timeout);
    match until {
        Until::Tcp(address) => format!("nothing answered at {} in {within}", show(address)),
        Until::File(path) => format!("there was no file {} in {within}", show(path)),
        Until::Command(argv) => {
            let argv: Vec<_> = argv.iter().map(show).collect();
            format!("{} did not exit with 0 in {within}", argv.join(" "))
        }
        Until::Url(address, None) => format!("{} did not answer well in {within}", show(address)),
        Until::Url(address, Some(status)) => {
            format!("{} did not answer with {status} in {within}", show(address))
        }
    }
}

/// Whether it is so now.
async fn look(inner: &Inner, hand: &Hand, until: &Until) -> Result<bool, String> {
    let fill = |template: &Template| template.fill(&hand.values);
    Ok(match until {
        Until::Tcp(address) => {
            let address = fill(address)?;
            looks::host_and_port(&address)?;
            looks::tcp(&address, LOOK).await.is_ok()
        }
        Until::File(path) => {
            let path = hand.folder.join(fill(path)?);
            tokio::fs::try_exists(path).await.unwrap_or(false)
        }
        Until::Command(argv) => program::succeeds(inner, hand, argv).await,
        Until::Url(address, status) => {
            let address = address.fill_address(&hand.values)?;
            let url = url::Url::parse(&address)
                .map_err(|error| format!("`{address}` is no address: {error}"))?;
            looks::url(&inner.web, &url, *status, LOOK).await.is_ok()
        }
    })
}
