//! The section `jobs`: how many run, how long, and what is kept of them.

use std::time::Duration;

use super::YEAR;
use super::fault::Report;
use super::map::Map;

/// The limits of the job engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jobs {
    /// How many jobs run at a time.
    pub workers: usize,
    /// How long a job may run, unless its script says otherwise.
    pub timeout: Duration,
    /// How long a job may take to end after TERM, before KILL; also how long a stopping bot waits for its jobs.
    pub grace: Duration,
    /// How long finished jobs and their logs are kept.
    pub keep: Duration,
    /// How many finished jobs are kept.
    pub keep_count: u64,
    /// How much all logs, and files left on the server, together may hold, in bytes.
    pub keep_size: u64,
    /// The most of a job's log that is kept, in bytes.
    pub max_log: u64,
    /// How many files that a script leaves are sent, at the most.
    pub max_files: usize,
    /// The most that they may have together, in bytes.
    pub max_files_size: u64,
    /// How many jobs one person may have open.
    pub per_user: usize,
    /// How many jobs may wait in all.
    pub max_queued: usize,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            workers: 4,
            timeout: Duration::from_secs(10 * 60),
            grace: Duration::from_secs(20),
            keep: Duration::from_secs(30 * 24 * 3600),
            keep_count: 100_000,
            keep_size: 2 << 30,
            max_log: 64 << 20,
            max_files: 10,
            max_files_size: 100_000_000,
            per_user: 4,
            max_queued: 200,
        }
    }
}

/// The longest time between TERM and KILL.
pub(super) const MAX_GRACE: Duration = Duration::from_secs(3600);

/// The most finished jobs that can be kept.
const MAX_KEPT: i64 = 10_000_000;

pub(super) fn read(root: &mut Map<'_>, report: &mut Report) -> Jobs {
    let mut jobs = Jobs::default();
    let Some(mut map) = root.section("jobs", report) else {
        return jobs;
    };
    if let Some(workers) = count(&mut map, "workers", 64, report) {
        jobs.workers = workers;
    }
    if let Some(timeout) = map.duration("timeout", YEAR, report) {
        jobs.timeout = timeout;
    }
    if let Some(grace) = map.duration("grace", MAX_GRACE, report) {
        jobs.grace = grace;
    }
    if let Some(keep) = map.duration("keep", YEAR * 10, report) {
        jobs.keep = keep;
    }
    if let Some(count) = map.integer("keep_count", 1..=MAX_KEPT, report) {
        jobs.keep_count = count.unsigned_abs();
    }
    if let Some(size) = map.size("keep_size", 1 << 10..=1 << 50, report) {
        jobs.keep_size = size;
    }
    if let Some(max_log) = map.size("max_log", 1 << 10..=1 << 40, report) {
        jobs.max_log = max_log;
    }
    let max_files = map.integer("max_files", 0..=100, report);
    if let Some(max_files) = max_files.and_then(|most| usize::try_from(most).ok()) {
        jobs.max_files = max_files;
    }
    if let Some(most) = map.size("max_files_size", 1 << 10..=1 << 32, report) {
        jobs.max_files_size = most;
    }
    if let Some(per_user) = count(&mut map, "per_user", 1000, report) {
        jobs.per_user = per_user;
    }
    if let Some(max_queued) = count(&mut map, "max_queued", 100_000, report) {
        jobs.max_queued = max_queued;
    }
    map.finish(report);
    jobs
}

fn count(map: &mut Map<'_>, key: &'static str, most: i64, report: &mut Report) -> Option<usize> {
    let number = map.integer(key, 1..=most, report)?;
    usize::try_from(number).ok()
}
