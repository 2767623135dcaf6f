//! How often somebody may do something: so many times within a window, remembered of a bounded number of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Counts by key.
pub(super) struct Rates<K> {
    most: u32,
    window: Duration,
    /// Keys that are remembered at the most.
    room: usize,
    counts: HashMap<K, (Instant, u32)>,
}

/// Whether one more is within the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// It is.
    Within,
    /// It is the first in this window that is not.
    Exceeded,
    /// It is not, like those before it.
    Over,
}

impl<K: Eq + Hash + Clone> Rates<K> {
    pub(super) fn new(most: u32, window: Duration, room: usize) -> Self {
        Self {
            most,
            window,
            room,
            counts: HashMap::new(),
        }
    }

    /// Counts one more.
    pub(super) fn count(&mut self, key: &K, now: Instant) -> Rate {
        let window = self.window;
        let open = |begun: Instant| now.saturating_duration_since(begun) < window;
        if !self.counts.contains_key(key) && self.counts.len() >= self.room {
            self.counts.retain(|_, (begun, _)| open(*begun));
            self.forget_oldest();
        }
        let (begun, count) = self.counts.entry(key.clone()).or_insert((now, 0));
        if !open(*begun) {
            (*begun, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        match *count {
            count if count <= self.most => Rate::Within,
            count if count == self.most + 1 => Rate::Exceeded,
            _ => Rate::Over,
        }
    }

    fn forget_oldest(&mut self) {
        if self.counts.len() < self.room {
            return;
        }
        let oldest = self.counts.iter().min_by_key(|(_, (begun, _))| *begun);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_rate_and_window() {
        let minute = Duration::from_secs(60);
        let mut rates = Rates::new(2, minute, 9);
        let now = Instant::now();
        let told: Vec<Rate> = (0..4).map(|_| rates.count(&1, now)).collect();
        assert_eq!(
            told,
            [Rate::Within, Rate::Within, Rate::Exceeded, Rate::Over]
        );
        assert_eq!(rates.count(&2, now), Rate::Within);
        assert_eq!(rates.count(&1, now + minute), Rate::Within);
    }

    #[test]
    fn no_more_keys_are_remembered_than_there_is_room_for() {
        let mut rates = Rates::new(1, Duration::from_secs(60), 3);
        let now = Instant::now();
        for key in 0..1000 {
            rates.count(&key, now + Duration::from_millis(key));
            assert!(rates.counts.len() <= 3);
        }
        assert_eq!(
            rates.count(&999, now + Duration::from_secs(2)),
            Rate::Exceeded
        );
    }
}
