//! Which runs at another place are new: a function of what was seen before and of what is listed now.

use crate::drivers::github::Run;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many runs are remembered; the oldest are forgotten first, and never new again.
const MOST: usize = 400;

/// The runs whose ends were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// No run up to this id is new.
    floor: u64,
    /// The newest try of each, by the run's id.
    ended: BTreeMap<u64, u64>,
}

impl Seen {
    /// What is there at the first look: nothing of it is new. `all` says whether there are no older runs than these.
    pub fn first(runs: &[Run], all: bool) -> Self {
        let oldest = runs.iter().map(|run| run.id).min();
        let mut seen = Self {
            floor: match all {
                true => 0,
                false => oldest.map_or(0, |oldest| oldest.saturating_sub(1)),
            },
            ended: BTreeMap::new(),
        };
        seen.take(runs);
        seen
    }

    /// The runs that ended since the last look, or ended again after another try; from now on they are seen.
    pub fn take<'a>(&mut self, runs: &'a [Run]) -> Vec<&'a Run> {
        let is_new = |run: &&Run| {
            let known = self.ended.get(&run.id);
            run.id > self.floor && known.is_none_or(|attempt| *attempt < run.attempt)
        };
        let new: Vec<&Run> = runs.iter().filter(is_new).collect();
        for run in &new {
            self.ended.insert(run.id, run.attempt);
        }
        while self.ended.len() > MOST {
            if let Some((oldest, _)) = self.ended.pop_first() {
                self.floor = self.floor.max(oldest);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(id: u64, attempt: u64) -> Run {
        Run {
            id,
            attempt,
            ..Run::default()
        }
    }

    fn ids(runs: &[&Run]) -> Vec<u64> {
        runs.iter().map(|run| run.id).collect()
    }

    #[test]
    fn nothing_is_new_at_the_first_look() {
        let runs = [run(9, 1), run(7, 2)];
        let mut seen = Seen::first(&runs, true);
        assert!(seen.take(&runs).is_empty());
        let other = [run(12, 1), run(9, 2), run(8, 1), run(7, 2)];
        assert_eq!(ids(&seen.take(&other)), [12, 9, 8], "another try ends anew");
        assert!(seen.take(&other).is_empty());
        assert!(seen.take(&[]).is_empty());
        assert!(
            seen.take(&other).is_empty(),
            "a list that was empty once changes nothing"
        );
    }

    #[test]
    fn what_was_too_old_to_be_listed_is_not_new_when_others_are_removed() {
        let mut seen = Seen::first(&[run(9, 1), run(7, 1)], false);
        assert!(seen.take(&[run(7, 1), run(5, 1)]).is_empty());
    }

    proptest! {
        /// Whatever is listed when: each try of a run is new once at the most, and what is kept stays small.
        #[test]
        fn no_end_is_new_twice(pages in prop::collection::vec(prop::collection::vec((1u64..2_000, 1u64..4), 0..100), 1..30)) {
            let mut seen = Seen::default();
            let mut told = std::collections::BTreeSet::new();
            for page in pages {
                let runs: Vec<Run> = page.into_iter().map(|(id, attempt)| run(id, attempt)).collect();
                let mut listed = BTreeMap::new();
                for run in &runs {
                    listed.insert(run.id, run.clone());
                }
                let listed: Vec<Run> = listed.into_values().collect();
                let before = seen.clone();
                let new = seen.take(&listed);
                for run in &new {
                    prop_assert!(told.insert((run.id, run.attempt)), "{run:?}");
                }
                for run in &listed {
                    let is_new = run.id > before.floor && before.ended.get(&run.id).is_none_or(|seen| *seen < run.attempt);
                    prop_assert_eq!(new.contains(&run), is_new, "{:?}", run);
                }
                prop_assert!(seen.ended.len() <= MOST);
                let text = serde_json::to_string(&seen).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Seen>(&text).unwrap(), &seen);
            }
        }
    }
}
