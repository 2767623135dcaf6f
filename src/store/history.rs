//! Looking back at jobs: lists by filter, newest first, in pages that new jobs do not move.

use super::jobs::{COLUMNS, Job, read};
use super::{Connection, Result};
use crate::base::ids::{JobId, UserId};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::time::Millis;
use sqlx::Row;

/// Jobs whose numbers are looked at for where a time begins: a clock that was set back leaves few out of order.
const ABOUT_THEN: i64 = 1000;

/// Where jobs stand, as a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Anywhere.
    #[default]
    Any,
    /// Queued or running.
    Open,
    /// Queued.
    Queued,
    /// Failed, timed out or lost.
    Failed,
    /// Lost.
    Lost,
    /// Ended well.
    Succeeded,
    /// Stopped by somebody.
    Cancelled,
}

/// Which jobs to list: those that fit everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they stand.
    pub standing: Standing,
    /// The name of the script.
    pub title: Option<String>,
    /// Who asked for them.
    pub asker: Option<UserId>,
    /// Scripts whose jobs by the asker count whatever role they need: those that the asker may run by a right of their own.
    pub also: Vec<Name>,
    /// Not asked for before this moment.
    pub since: Option<Millis>,
    /// Only those that printed something, or may yet.
    pub printed: bool,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Its beginning.
    Newest,
    /// What comes after this job.
    OlderThan(JobId),
    /// What stands before this job, nearest first.
    NewerThan(JobId),
}

/// The jobs by a filter that this role may see: newest first, but towards the newer ones oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &mut Connection,
    filter: &Filter,
    role: Role,
    cursor: Cursor,
    limit: u32,
) -> Result<Vec<Job>> {
    let floor = floor(db, filter).await?;
    let bound = match cursor {
        Cursor::Newest => i64::MAX,
        Cursor::OlderThan(id) | Cursor::NewerThan(id) => id.0,
    };
    let text = sqlx::AssertSqlSafe(query_text(filter, role, cursor));
    let rows = bound_to(sqlx::query(text), filter, floor)
        .bind(bound)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// The query of [`list`], so that its plan can be asked for: over title, asker, the lowest number, the moment, the cursor's
/// job and the limit.
#[must_use]
pub fn query_text(filter: &Filter, role: Role, cursor: Cursor) -> String {
    let (order, side) = match cursor {
        Cursor::Newest | Cursor::OlderThan(_) => ("DESC", "<"),
        Cursor::NewerThan(_) => ("ASC", ">"),
    };
    format!(
        "SELECT {COLUMNS} FROM jobs WHERE {} AND id {side} $5 ORDER BY id {order} LIMIT $6",
        condition(filter, role)
    )
}

/// How many jobs fit a filter that this role may see, counted up to `most`.
///
/// # Errors
/// When the database refuses.
pub async fn count(db: &mut Connection, filter: &Filter, role: Role, most: u32) -> Result<u64> {
    let floor = floor(db, filter).await?;
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT COUNT(*) FROM (SELECT id FROM jobs WHERE {} ORDER BY id DESC LIMIT $5) AS counted",
        condition(filter, role)
    ));
    let row = bound_to(sqlx::query(text), filter, floor)
        .bind(i64::from(most))
        .fetch_one(db)
        .await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}

/// Whether any job has this name that this role may see.
///
/// # Errors
/// When the database refuses.
pub async fn has_title(db: &mut Connection, title: &str, role: Role) -> Result<bool> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT id FROM jobs WHERE title = $1 AND {} LIMIT 1",
        seen_by(role)
    ));
    let row = sqlx::query(text).bind(title).fetch_optional(db).await?;
    Ok(row.is_some())
}

/// The person who asked for jobs under this name, of those that this role may see.
///
/// # Errors
/// When the database refuses.
pub async fn asker_named(db: &mut Connection, name: &str, role: Role) -> Result<Option<UserId>> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT asker_id FROM jobs WHERE asker_name = $1 AND {} LIMIT 1",
        seen_by(role)
    ));
    let row = sqlx::query(text).bind(name).fetch_optional(db).await?;
    Ok(row.map(|row| UserId(row.get(0))))
}

/// The lowest number of a job that was asked for since the filter's moment: numbers grow with time, so that a list by time
/// need not go through older ones.
async fn floor(db: &mut Connection, filter: &Filter) -> Result<i64> {
    let Some(since) = filter.since else {
        return Ok(0);
    };
    let row = sqlx::query(
        "SELECT COALESCE(MIN(id), 9223372036854775807) FROM
            (SELECT id FROM jobs WHERE created_at >= $1 ORDER BY created_at, id LIMIT $2) AS then_about",
    )
    .bind(since.0)
    .bind(ABOUT_THEN)
    .fetch_one(db)
    .await?;
    Ok(row.get(0))
}

/// The condition of a filter over $1 to $4, all of which it names.
fn condition(filter: &Filter, role: Role) -> String {
    let standing = match filter.standing {
        Standing::Any => "1 = 1",
        Standing::Open => "state IN ('queued', 'running')",
        Standing::Queued => "state = 'queued' AND state IN ('queued', 'running')",
        Standing::Failed => "state IN ('failed', 'timed_out', 'lost')",
        Standing::Lost => "state = 'lost' AND state IN ('failed', 'timed_out', 'lost')",
        Standing::Succeeded => "state = 'succeeded'",
        Standing::Cancelled => "state = 'cancelled'",
    };
    let title = match filter.title {
        Some(_) => "title = $1",
        None => "$1 = ''",
    };
    let asker = match filter.asker {
        Some(_) => "asker_id = $2",
        None => "$2 = 0",
    };
    let since = match filter.since {
        Some(_) => "id >= $3 AND created_at >= $4",
        None => "$3 = 0 AND $4 = 0",
    };
    let printed = match filter.printed {
        true => "(log_bytes > 0 OR state IN ('queued', 'running'))",
        false => "1 = 1",
    };
    let seen = match filter.asker.is_some() && !filter.also.is_empty() {
        true => {
            // A name holds letters, digits and `-_.` only.
            let names: Vec<_> = filter.also.iter().map(|name| format!("'{name}'")).collect();
            format!("({} OR title IN ({}))", seen_by(role), names.join(", "))
        }
        false => seen_by(role).to_owned(),
    };
    format!("{standing} AND {title} AND {asker} AND {since} AND {printed} AND {seen}")
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn bound_to<'q>(query: Query<'q>, filter: &Filter, floor: i64) -> Query<'q> {
    query
        .bind(filter.title.clone().unwrap_or_default())
        .bind(filter.asker.map_or(0, |user| user.0))
        .bind(floor)
        .bind(filter.since.map_or(0, |since| since.0))
}

fn seen_by(role: Role) -> &'static str {
    match role {
        Role::Viewer => "role = 'viewer'",
        Role::Operator => "role IN ('viewer', 'operator')",
        Role::Admin => "role <> 'owner'",
        Role::Owner => "1 = 1",
    }
}

/// How long the latest runs of this name took that ended well, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn good_runs(
    db: &mut Connection,
    title: &str,
    limit: u32,
) -> Result<Vec<std::time::Duration>> {
    let rows = sqlx::query(
        "SELECT started_at, finished_at FROM jobs
         WHERE title = $1 AND state = 'succeeded' AND started_at IS NOT NULL AND finished_at IS NOT NULL
         ORDER BY id DESC LIMIT $2",
    )
    .bind(title)
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    let took = |row: &sqlx::any::AnyRow| Millis(row.get(1)).since(Millis(row.get(0)));
    Ok(rows.iter().map(took).collect())
}

/// How often jobs of each title ended in each state between two moments.
///
/// # Errors
/// When the database refuses.
pub async fn ended_between(
    db: &mut Connection,
    from: Millis,
    to: Millis,
) -> Result<Vec<(String, String, u64)>> {
    let rows = sqlx::query(
        "SELECT state, title, COUNT(*) FROM jobs WHERE finished_at >= $1 AND finished_at < $2
         GROUP BY state, title ORDER BY 3 DESC, title",
    )
    .bind(from.0)
    .bind(to.0)
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get::<i64, _>(2).unsigned_abs()))
        .collect())
}
