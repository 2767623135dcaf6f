//! How many messages a chat, a group and the whole bot may send, and the wait a breach earns.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Which rates the sandbox enforces.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Rates {
    /// None.
    #[default]
    Off,
    /// What Telegram documents: see [`Limits::telegram`].
    Telegram,
    /// Other numbers.
    Custom(Limits),
}

impl Rates {
    fn limits(self) -> Option<Limits> {
        match self {
            Rates::Off => None,
            Rates::Telegram => Some(Limits::telegram()),
            Rates::Custom(limits) => Some(limits),
        }
    }
}

/// Numbers for [`Rates::Custom`]. Messages and edits count alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Messages a second in one chat, over time.
    pub chat_per_second: f64,
    /// Messages in one chat at once after a silence.
    pub chat_burst: f64,
    /// Messages in one group within [`Limits::group_window`].
    pub group_count: usize,
    /// The length of the window for groups.
    pub group_window: Duration,
    /// Messages a second in all chats together; as many may come at once.
    pub overall_per_second: f64,
    /// How much too early a message may arrive: networks do not keep time exactly.
    pub slack: Duration,
}

impl Limits {
    /// One a second in a chat with a burst of 3, 20 a minute in a group, 30 a second overall,
    /// 200 ms slack.
    pub fn telegram() -> Limits {
        Limits {
            chat_per_second: 1.0,
            chat_burst: 3.0,
            group_count: 20,
            group_window: Duration::from_secs(60),
            overall_per_second: 30.0,
            slack: Duration::from_millis(200),
        }
    }
}

/// A bucket that fills with time.
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// How long until `n` tokens are there; none when they are now.
    fn wait(
        &mut self,
        now: Instant,
        rate: f64,
        burst: f64,
        n: f64,
        slack: Duration,
    ) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(burst);
        self.at = now;
        let short = n.min(burst) - self.tokens;
        let seconds = short / rate.max(1e-9) - slack.as_secs_f64();
        (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
    }
}

/// What one chat has sent lately.
struct Pace {
    bucket: Bucket,
    window: VecDeque<Instant>,
}

/// Keeps count and gives waits.
pub(super) struct Meter {
    rates: Rates,
    overall: Bucket,
    chats: HashMap<i64, Pace>,
    waits: HashMap<i64, Instant>,
    floods: u64,
}

/// The key under which a wait for every chat stands; no chat has it.
const EVERY_CHAT: i64 = 0;

impl Meter {
    pub(super) fn new(rates: Rates) -> Meter {
        let overall = Bucket {
            tokens: f64::MAX,
            at: Instant::now(),
        };
        Meter {
            rates,
            overall,
            chats: HashMap::new(),
            waits: HashMap::new(),
            floods: 0,
        }
    }

    /// Changes the rates and forgets what was counted; earned floods stay.
    pub(super) fn set(&mut self, rates: Rates) {
        *self = Meter {
            floods: self.floods,
            ..Meter::new(rates)
        };
    }

    /// Breaches so far.
    pub(super) fn floods(&self) -> u64 {
        self.floods
    }

    /// Makes a chat wait, without counting a breach.
    pub(super) fn punish(&mut self, chat: i64, seconds: u64, now: Instant) {
        self.waits.insert(chat, now + Duration::from_secs(seconds));
    }

    /// The seconds a chat must still wait; asking counts as a breach.
    pub(super) fn still_waiting(&mut self, chat: i64, now: Instant) -> Option<u64> {
        self.waits.retain(|_, until| *until > now);
        let until = [chat, EVERY_CHAT]
            .iter()
            .filter_map(|key| self.waits.get(key))
            .max()?;
        self.floods += 1;
        Some(whole_seconds(until.saturating_duration_since(now)))
    }

    /// Counts `n` messages to a chat, or gives the seconds to wait.
    pub(super) fn take(&mut self, chat: i64, n: usize, now: Instant) -> Result<(), u64> {
        let Some(limits) = self.rates.limits() else {
            return Ok(());
        };
        let pace = self.chats.entry(chat).or_insert_with(|| Pace {
            bucket: Bucket {
                tokens: limits.chat_burst,
                at: now,
            },
            window: VecDeque::new(),
        });
        let cost = n as f64;
        let rate = limits.overall_per_second;
        let overall = self.overall.wait(now, rate, rate, cost, limits.slack);
        let in_chat = pace.wait(&limits, chat < 0, n, now);
        if let Some((key, wait)) = in_chat
            .map(|w| (chat, w))
            .or(overall.map(|w| (EVERY_CHAT, w)))
        {
            let seconds = whole_seconds(wait);
            self.floods += 1;
            self.waits.insert(key, now + Duration::from_secs(seconds));
            return Err(seconds);
        }
        self.overall.tokens -= cost;
        pace.bucket.tokens -= cost;
        if chat < 0 {
            pace.window.extend(std::iter::repeat_n(now, n));
        }
        Ok(())
    }
}

impl Pace {
    fn wait(&mut self, limits: &Limits, group: bool, n: usize, now: Instant) -> Option<Duration> {
        let second = self.bucket.wait(
            now,
            limits.chat_per_second,
            limits.chat_burst,
            n as f64,
            limits.slack,
        );
        let span = limits.group_window.saturating_sub(limits.slack);
        while self
            .window
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) >= span)
        {
            self.window.pop_front();
        }
        let over = (self.window.len() + n).saturating_sub(limits.group_count);
        let minute = (group && over > 0).then(|| {
            let index = over.min(self.window.len()).saturating_sub(1);
            let oldest = self.window.get(index).copied().unwrap_or(now);
            span.saturating_sub(now.saturating_duration_since(oldest))
        });
        second.max(minute)
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs_f64().ceil() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_chat_gets_three_at_once_and_one_a_second() {
        let start = Instant::now();
        let mut meter = Meter::new(Rates::Telegram);
        assert!((0..3).all(|_| meter.take(1, 1, start).is_ok()));
        assert_eq!(meter.take(1, 1, start), Err(1));
        assert_eq!(meter.take(2, 1, start), Ok(()), "another chat goes on");
        assert_eq!(meter.still_waiting(1, after(start, 500)), Some(1));
        assert_eq!(meter.floods(), 2);
        assert_eq!(meter.still_waiting(1, after(start, 1000)), None);
        assert_eq!(meter.take(1, 1, after(start, 1000)), Ok(()));
        assert_eq!(meter.take(1, 1, after(start, 1900)), Ok(()), "the slack");
        assert!(meter.take(1, 1, after(start, 2100)).is_err());
    }

    #[test]
    fn a_group_gets_twenty_a_minute() {
        let start = Instant::now();
        let mut meter = Meter::new(Rates::Telegram);
        assert!((0..20).all(|i| meter.take(-5, 1, after(start, i * 1000)).is_ok()));
        assert_eq!(meter.take(-5, 1, after(start, 20_000)), Err(40));
        assert_eq!(meter.still_waiting(-5, after(start, 50_000)), Some(10));
        assert_eq!(meter.take(-5, 1, after(start, 60_000)), Ok(()));
    }

    #[test]
    fn all_chats_together_get_thirty_a_second() {
        let start = Instant::now();
        let mut meter = Meter::new(Rates::Telegram);
        let sent = (1..100)
            .take_while(|chat| meter.take(*chat, 1, start).is_ok())
            .count();
        assert!((30..=36).contains(&sent), "{sent}");
        assert_eq!(meter.still_waiting(999, start), Some(1), "every chat waits");
    }
}
