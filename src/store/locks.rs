//! Named locks: who has one follows from the rows of jobs and steps alone, so what is over has none.
//!
//! A job has its lock while it runs; a step from the moment its row takes it until its row gives it back, or its run is over.

use super::jobs::Job;
use super::{Connection, Result};
use crate::base::ids::JobId;
use crate::base::job::UNDO_SOURCE;
use crate::base::workflow::RUN;
use sqlx::Row;
use std::collections::{HashMap, HashSet};

/// Who has a lock, as people are told: `#12 (deploy)`; `None` when it is free. What is to be taken then is written in the
/// same transaction, under [`super::Store::lock_claims`].
///
/// # Errors
/// When the database refuses.
pub async fn holder(db: &mut Connection, name: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT id, title FROM jobs WHERE state = 'running' AND lock_name = $1
         UNION ALL SELECT jobs.id, jobs.title FROM workflow_steps JOIN jobs ON jobs.id = workflow_steps.job
            WHERE workflow_steps.lock_name = $1 AND lock_by IS NULL AND jobs.state IN ('queued', 'running') LIMIT 1",
    )
    .bind(name)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| words(row.get(0), row.get(1))))
}

fn words(id: i64, title: String) -> String {
    format!("#{id} ({title})")
}

/// The lane of what takes back runs of this lane: it waits for none that only waits for somebody.
#[must_use]
pub fn undo_lane(lane: &str) -> String {
    format!("{UNDO_SOURCE}{lane}")
}

/// Whom a step of this run has to let finish before it begins, as people are told: what takes a run back and the other runs of
/// that workflow are never at work at once, where its runs are not. What takes back waits while another run is at work, or
/// about to be; a run that waits for somebody is not. A run waits from the first step that is taken back to the last, unless
/// that waits for somebody itself. Nobody waits for whoever waits for its turn. Call it under
/// [`super::Store::lock_claims`].
///
/// # Errors
/// When the database refuses.
pub async fn ahead_of(db: &mut Connection, job: &Job) -> Result<Option<String>> {
    if job.new.lane_limit != 1 {
        return Ok(None);
    }
    let (lane, at_work) = match job.new.lane.strip_prefix(UNDO_SOURCE) {
        Some(lane) => (
            lane.to_owned(),
            "(SUM(CASE WHEN steps.state IN ('running', 'up') OR (steps.state = 'reverting' AND lock_by IS NULL)
                 THEN 1 ELSE 0 END) > 0
             OR SUM(CASE WHEN steps.state IN ('asked', 'confirming', 'stranded') OR steps.lock_name LIKE 'turn:%'
                 THEN 1 ELSE 0 END) = 0)",
        ),
        None => (
            undo_lane(&job.new.lane),
            "SUM(CASE WHEN attempt > 0 THEN 1 ELSE 0 END) > 0
             AND SUM(CASE WHEN steps.state = 'asked' OR steps.lock_name LIKE 'turn:%' THEN 1 ELSE 0 END) = 0",
        ),
    };
    let text = format!(
        "SELECT jobs.id, title FROM jobs LEFT JOIN workflow_steps AS steps ON steps.job = jobs.id
         WHERE lane = $1 AND lane_limit = 1 AND kind = $2 AND jobs.id <> $3
            AND (jobs.state = 'running' OR (jobs.state = 'queued' AND jobs.starts > 0))
         GROUP BY jobs.id, title HAVING {at_work} ORDER BY jobs.id LIMIT 1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(lane)
        .bind(RUN)
        .bind(job.id.0)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| words(row.get(0), row.get(1))))
}

/// What steps have to do with locks.
#[derive(Debug, Default)]
pub(super) struct OfSteps {
    /// Those that some step has.
    pub held: HashSet<String>,
    /// The oldest run of which a step waits for one.
    pub wanted: HashMap<String, JobId>,
}

/// The locks that steps have, and those that they wait for.
///
/// # Errors
/// When the database refuses.
pub(super) async fn of_steps(db: &mut Connection) -> Result<OfSteps> {
    let rows = sqlx::query(
        "SELECT workflow_steps.lock_name, jobs.id, jobs.state, lock_by FROM workflow_steps
         JOIN jobs ON jobs.id = workflow_steps.job
         WHERE workflow_steps.lock_name IS NOT NULL AND jobs.state IN ('queued', 'running') ORDER BY jobs.id",
    )
    .fetch_all(db)
    .await?;
    let mut found = OfSteps::default();
    for row in &rows {
        let name: String = row.get(0);
        match row.get::<Option<String>, _>(3) {
            None => {
                found.held.insert(name);
            }
            // A run that is not at work takes nothing, and keeps nobody from it.
            Some(_) if row.get::<&str, _>(2) == "running" => {
                found.wanted.entry(name).or_insert(JobId(row.get(1)));
            }
            Some(_) => {}
        }
    }
    Ok(found)
}
