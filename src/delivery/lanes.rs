//! The lanes of all chats. One that rests is forgotten when there are many, so that memory does not grow with the chats.

use super::lane::Lane;
use crate::base::ids::ChatId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// Lanes that are kept without a look at whether they rest.
const KEPT: usize = 1000;

/// One lane for each chat that was spoken to lately.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<ChatId, Arc<Lane>>,
    /// With so many lanes the next look is due; moved on, so that many busy lanes are not looked at each time.
    look_at: usize,
}

impl Lanes {
    /// The chat's lane, a new one if need be.
    pub(super) fn of(&mut self, chat: ChatId) -> Arc<Lane> {
        if self.lanes.len() >= self.look_at.max(KEPT) {
            self.forget_resting();
        }
        let new = || Arc::new(Lane::new(chat));
        Arc::clone(self.lanes.entry(chat).or_insert_with(new))
    }

    /// The chat's lane, if it has one.
    pub(super) fn known(&self, chat: ChatId) -> Option<Arc<Lane>> {
        self.lanes.get(&chat).cloned()
    }

    /// Every lane.
    pub(super) fn all(&self) -> Vec<Arc<Lane>> {
        self.lanes.values().cloned().collect()
    }

    /// A lane that somebody holds stays, although it may rest now: its holder may be about to put something into it, and a
    /// second lane of the chat would send beside it, out of order. Nobody can take hold of one meanwhile: that needs `self`.
    fn forget_resting(&mut self) {
        let now = Instant::now();
        self.lanes
            .retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.is_resting(now));
        self.look_at = self.lanes.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane that its loop left: nothing waits.
    fn rest(lane: &Lane) {
        lane.no_rows_wait();
        assert!(lane.is_resting(Instant::now()));
    }

    #[test]
    fn resting_lanes_are_forgotten() {
        let mut lanes = Lanes::default();
        for n in 0..100_000 {
            rest(&lanes.of(ChatId(n)));
        }
        assert!(lanes.lanes.len() <= KEPT);
    }

    #[test]
    fn a_lane_with_something_to_send_is_kept() {
        let mut lanes = Lanes::default();
        let busy = Arc::downgrade(&lanes.of(ChatId(-1)));
        lanes.of(ChatId(-1)).rows_waiting();
        for n in 0..10_000 {
            rest(&lanes.of(ChatId(n)));
        }
        assert!(busy.upgrade().is_some());
    }

    #[test]
    fn a_lane_in_somebodys_hands_is_not_made_twice() {
        let mut lanes = Lanes::default();
        let held = lanes.of(ChatId(-1));
        rest(&held);
        for n in 0..10_000 {
            rest(&lanes.of(ChatId(n)));
        }
        assert!(Arc::ptr_eq(&held, &lanes.of(ChatId(-1))));
    }

    #[test]
    fn many_busy_lanes_are_all_kept() {
        let mut lanes = Lanes::default();
        for n in 0..5_000 {
            lanes.of(ChatId(n)).rows_waiting();
        }
        assert_eq!(lanes.lanes.len(), 5_000);
        lanes.all().iter().for_each(|lane| rest(lane));
        for n in 5_000..20_000 {
            rest(&lanes.of(ChatId(n)));
        }
        assert!(lanes.lanes.len() <= 10_000);
    }
}
