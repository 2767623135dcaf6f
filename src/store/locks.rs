//! Named locks: who has one follows from the rows of jobs and steps alone, so what is over has none.
//!
//! A job has its lock while it runs; a step from the moment its row takes it until its row gives it back, or its run is over.

use super::{Connection, Result};
use crate::base::ids::JobId;
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
    let words = |id: i64, title: String| format!("#{id} ({title})");
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
