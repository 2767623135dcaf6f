//! How fast we may speak: Telegram's published rates, kept with a margin so that a 429 is never earned.
//!
//! Source: the Bot API FAQ ("My bot is hitting limits"): about one message a second in a chat with short
//! bursts, 20 a minute in a group, about 30 a second over all chats. An edit counts like a message.

use crate::base::ids::ChatId;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// One message a second, and a margin for the network's jitter.
const CHAT_INTERVAL: Duration = Duration::from_millis(1050);
/// Messages that may go at once after a quiet time.
const CHAT_BURST: u32 = 3;
/// Messages in a group within [`GROUP_WINDOW`].
const GROUP_MESSAGES: usize = 20;
/// A minute, and a margin.
const GROUP_WINDOW: Duration = Duration::from_millis(61_000);
/// Messages over all chats within [`GLOBAL_WINDOW`].
const GLOBAL_MESSAGES: usize = 29;
/// A second, and a margin.
const GLOBAL_WINDOW: Duration = Duration::from_millis(1050);
/// Of a group's messages in a window, how many live edits may use up; the rest is kept for results.
const GROUP_LIVE: usize = 14;
/// Chats remembered at once; a chat is forgotten when it has its full budget again.
const REMEMBERED: usize = 1000;

/// Whether a message may wait or be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A result, an answer: goes as soon as the rates allow.
    Result,
    /// A live edit: leaves room for results.
    Live,
}

/// The budgets of all chats.
#[derive(Debug, Default)]
pub struct Limits {
    chats: HashMap<ChatId, Budget>,
    recent: VecDeque<Instant>,
    unlimited: bool,
}

#[derive(Debug)]
struct Budget {
    /// When the bucket will be full again; a message moves this by one interval.
    full_at: Instant,
    /// Set by a 429: nothing before this.
    closed_until: Option<Instant>,
    /// Set by a failed call: the pause before the next try, which a person may cut short.
    resting_until: Option<Instant>,
    /// Messages of the last window, in groups.
    recent: VecDeque<Instant>,
}

impl Limits {
    /// Limits that never hold anything back, for a server of one's own without rates.
    #[must_use]
    pub fn none() -> Self {
        Self {
            unlimited: true,
            ..Self::default()
        }
    }

    /// How long a message to this chat has to wait from `now`; zero when it may go.
    pub fn wait(&mut self, chat: ChatId, urgency: Urgency, now: Instant) -> Duration {
        forget_older(&mut self.recent, now, GLOBAL_WINDOW);
        let global = match self.recent.front() {
            Some(first) if self.recent.len() >= GLOBAL_MESSAGES && !self.unlimited => {
                (*first + GLOBAL_WINDOW).saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        };
        let own = match self.chats.get_mut(&chat) {
            Some(budget) => budget.wait(chat, urgency, now, self.unlimited),
            None => Duration::ZERO,
        };
        global.max(own)
    }

    /// Counts a message that goes now.
    pub fn take(&mut self, chat: ChatId, now: Instant) {
        if self.chats.len() >= REMEMBERED {
            self.chats.retain(|_, budget| !budget.is_fresh(now));
        }
        let budget = self.budget(chat, now);
        budget.full_at = budget.full_at.max(now) + CHAT_INTERVAL;
        if !chat.is_private() {
            forget_older(&mut budget.recent, now, GROUP_WINDOW);
            budget.recent.push_back(now);
        }
        self.recent.push_back(now);
    }

    /// Obeys a 429: nothing goes to the chat before `pause` is over.
    pub fn close(&mut self, chat: ChatId, pause: Duration, now: Instant) {
        let budget = self.budget(chat, now);
        budget.closed_until = Some(
            budget
                .closed_until
                .map_or(now + pause, |t| t.max(now + pause)),
        );
    }

    /// Leaves the chat alone after a failed call, for `pause`.
    pub fn rest(&mut self, chat: ChatId, pause: Duration, now: Instant) {
        let budget = self.budget(chat, now);
        budget.resting_until = budget.resting_until.max(Some(now + pause));
    }

    /// Ends the pause after a failed call; what Telegram said holds.
    pub fn hurry(&mut self, chat: ChatId) {
        if let Some(budget) = self.chats.get_mut(&chat) {
            budget.resting_until = None;
        }
    }

    /// For how long nothing goes to the chat because Telegram said so or a call failed.
    #[must_use]
    pub fn closed_for(&self, chat: ChatId, now: Instant) -> Duration {
        self.chats
            .get(&chat)
            .map_or(Duration::ZERO, |budget| budget.closed_for(now))
    }

    fn budget(&mut self, chat: ChatId, now: Instant) -> &mut Budget {
        self.chats.entry(chat).or_insert_with(|| Budget {
            full_at: now,
            closed_until: None,
            resting_until: None,
            recent: VecDeque::new(),
        })
    }

    /// Whether the chat was told to slow down within the last minute; live edits take twice the time then.
    #[must_use]
    pub fn is_strained(&self, chat: ChatId, now: Instant) -> bool {
        self.chats
            .get(&chat)
            .and_then(|budget| budget.closed_until.max(budget.resting_until))
            .is_some_and(|until| now < until + Duration::from_secs(60))
    }
}

impl Budget {
    fn wait(&mut self, chat: ChatId, urgency: Urgency, now: Instant, unlimited: bool) -> Duration {
        let closed = self.closed_for(now);
        if unlimited {
            return closed;
        }
        // Live edits leave one message of the burst to a result that may come at any moment.
        let (burst, in_group) = match urgency {
            Urgency::Result => (CHAT_BURST, GROUP_MESSAGES),
            Urgency::Live => (CHAT_BURST - 1, GROUP_LIVE),
        };
        let ahead = CHAT_INTERVAL * (burst - 1);
        let paced = self.full_at.saturating_duration_since(now + ahead);
        forget_older(&mut self.recent, now, GROUP_WINDOW);
        let grouped = match self.recent.len().checked_sub(in_group) {
            Some(over) if !chat.is_private() => {
                (self.recent[over] + GROUP_WINDOW).saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        };
        closed.max(paced).max(grouped)
    }

    fn closed_for(&self, now: Instant) -> Duration {
        self.closed_until
            .max(self.resting_until)
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.full_at <= now
            && self
                .closed_until
                .max(self.resting_until)
                .is_none_or(|until| until + Duration::from_secs(60) <= now)
            && self
                .recent
                .back()
                .is_none_or(|at| *at + GROUP_WINDOW <= now)
    }
}

fn forget_older(times: &mut VecDeque<Instant>, now: Instant, window: Duration) {
    while times.front().is_some_and(|at| *at + window <= now) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: ChatId = ChatId(7);
    const GROUP: ChatId = ChatId(-7);

    /// Sends as fast as allowed for `span` and returns the moments, as offsets.
    fn flood(chat: ChatId, span: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let mut limits = Limits::default();
        let mut now = start;
        let mut sent = Vec::new();
        while now < start + span {
            let wait = limits.wait(chat, Urgency::Result, now);
            if wait.is_zero() {
                limits.take(chat, now);
                sent.push(now - start);
            } else {
                now += wait;
            }
        }
        sent
    }

    #[test]
    fn a_burst_of_three_then_one_a_second() {
        let sent = flood(PERSON, Duration::from_secs(30));
        assert_eq!(sent[2], Duration::ZERO);
        assert!(sent[3] >= Duration::from_secs(1));
        for pair in sent[3..].windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_secs(1));
        }
    }

    #[test]
    fn a_group_gets_twenty_in_any_minute() {
        let sent = flood(GROUP, Duration::from_secs(300));
        for (i, at) in sent.iter().enumerate() {
            let within = sent[i..]
                .iter()
                .take_while(|t| **t < *at + Duration::from_secs(60))
                .count();
            assert!(within <= 20, "{within} from {at:?}");
        }
        assert!(sent.len() > 90);
    }

    #[test]
    fn all_chats_together_stay_under_thirty_a_second() {
        let mut limits = Limits::default();
        let start = Instant::now();
        let mut now = start;
        let mut sent = Vec::new();
        for n in 0..200 {
            loop {
                let wait = limits.wait(ChatId(n + 1), Urgency::Result, now);
                if wait.is_zero() {
                    break;
                }
                now += wait;
            }
            limits.take(ChatId(n + 1), now);
            sent.push(now);
        }
        for window in sent.windows(31) {
            assert!(window[30] - window[0] >= Duration::from_secs(1));
        }
    }

    #[test]
    fn a_429_closes_one_chat_for_exactly_its_time() {
        let mut limits = Limits::default();
        let now = Instant::now();
        limits.close(PERSON, Duration::from_secs(17), now);
        assert_eq!(
            limits.wait(PERSON, Urgency::Result, now),
            Duration::from_secs(17)
        );
        assert_eq!(limits.wait(ChatId(8), Urgency::Result, now), Duration::ZERO);
        let later = now + Duration::from_secs(17);
        assert_eq!(limits.wait(PERSON, Urgency::Result, later), Duration::ZERO);
        assert!(limits.is_strained(PERSON, later));
        assert!(!limits.is_strained(PERSON, later + Duration::from_secs(61)));
    }

    #[test]
    fn live_edits_leave_room_for_a_result() {
        let mut limits = Limits::default();
        let now = Instant::now();
        limits.take(PERSON, now);
        limits.take(PERSON, now);
        assert!(!limits.wait(PERSON, Urgency::Live, now).is_zero());
        assert!(limits.wait(PERSON, Urgency::Result, now).is_zero());
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_chats() {
        let mut limits = Limits::default();
        let mut now = Instant::now();
        for n in 1..20_000 {
            limits.take(ChatId(n), now);
            now += Duration::from_millis(40);
        }
        assert!(limits.chats.len() <= REMEMBERED);
        assert!(limits.recent.len() <= 20_000);
        limits.wait(PERSON, Urgency::Result, now);
        assert!(limits.recent.len() < 100);
    }
}
