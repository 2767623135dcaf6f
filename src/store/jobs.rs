//! Jobs as rows: adding, claiming, ending, looking back.

use super::{Connection, Error, Result};
use crate::base::ids::{ChatId, JobId, MessageId, Place, ThreadId, UserId};
use crate::base::job::{AfterCrash, Ending, JobState, MAX_STARTS, OutputMode, Undo};
use crate::base::role::Role;
use crate::base::schedule::Telling;
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::HashMap;
use std::time::Duration;

/// A job to be added.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// Which [kind of work](crate::base) it is, such as `script.run`; never renamed.
    pub kind: String,
    /// The work's own arguments, as JSON.
    pub payload: String,
    /// The name shown to people.
    pub title: String,
    /// The lowest role that may see what it prints.
    pub role: Role,
    /// Who asked.
    pub asker: UserId,
    /// Their name.
    pub asker_name: String,
    /// Where the answer goes.
    pub place: Place,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// What it was made from, such as `update:77`; a second job from the same source is never made.
    pub source: String,
    /// The job that this one repeats.
    pub retry_of: Option<JobId>,
    /// The request it belongs to, as in the logs.
    pub request_id: String,
    /// Jobs of one lane share a limit.
    pub lane: String,
    /// How many of the lane may run at once.
    pub lane_limit: u32,
    /// How many of the asker's may run at once.
    pub user_limit: u32,
    /// The crash rule.
    pub after_crash: AfterCrash,
    /// How output reaches the chat.
    pub output: OutputMode,
    /// When it was asked for.
    pub created_at: Millis,
    /// What is told of it, if it is a run of a schedule.
    pub telling: Option<Telling>,
    /// The named lock that it has while it runs.
    pub lock: Option<String>,
    /// How it may be taken back once it succeeded.
    pub undo: Option<Undo>,
}

/// A job as it stands in the database.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What was asked.
    pub new: NewRow,
    /// Where it stands.
    pub state: JobState,
    /// When its latest start was.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// How often it was started; more than once only by the crash rule.
    pub starts: u32,
    /// The program's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it failed, when no program could tell; of one that timed out, its limit in milliseconds.
    pub reason: Option<String>,
    /// Who stopped it.
    pub ended_by: Option<String>,
    /// Bytes that it printed, those dropped from the log included.
    pub log_bytes: u64,
    /// The instance that started it last, where there may be several.
    pub claimed_by: Option<String>,
    /// Who asked that it be stopped, where it runs at another instance, or has to come to its end by itself.
    pub cancel_by: Option<String>,
}

impl Job {
    /// Whether it began as often as one may that begins again after a crash.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.new.after_crash == AfterCrash::Retry && self.starts >= MAX_STARTS
    }

    /// How it ended; `None` while it is open.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        Some(match self.state {
            JobState::Queued | JobState::Running => return None,
            JobState::Succeeded => Ending::Exited(0),
            JobState::Failed => match (self.exit_code, self.signal) {
                (Some(code), _) => Ending::Exited(code),
                (None, Some(signal)) => Ending::Signaled(signal),
                (None, None) => Ending::Broken(self.reason.clone().unwrap_or_default()),
            },
            JobState::TimedOut => {
                let limit = self.reason.as_ref().and_then(|limit| limit.parse().ok());
                Ending::TimedOut(Duration::from_millis(limit.unwrap_or(0)))
            }
            JobState::Cancelled => match &self.ended_by {
                Some(by) => Ending::Cancelled(by.clone()),
                None => Ending::Stopped,
            },
            JobState::Lost => Ending::Lost,
        })
    }

    /// Whether it runs and was asked to stop, as far as that is written: of what runs here and does not resume, it is not.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.state == JobState::Running && self.cancel_by.is_some()
    }

    /// How long its latest start ran; `None` when it never started or has not ended.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        Some(self.finished_at?.since(self.started_at?))
    }
}

/// What became of adding a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// A new row.
    New(JobId),
    /// The same source had made this one before.
    Before(JobId),
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub enum Claim {
    /// The job is running now, and it is ours.
    Won(Box<Job>),
    /// Its lane or its asker has no room, or another's turn comes first; it stays queued.
    Busy,
    /// It is not queued: already running, ended, or unknown.
    Gone,
}

pub(super) const COLUMNS: &str = "id, kind, payload, title, state, role, asker_id, asker_name, chat_id, thread_id, reply_to, \
     source, retry_of, request_id, lane, lane_limit, user_limit, after_crash, output, created_at, started_at, \
     finished_at, starts, exit_code, signal, reason, ended_by, log_bytes, claimed_by, cancel_by, telling, lock_name, undo";

/// How the job stands that was made from this source; `None` when there is none, or none any more.
///
/// # Errors
/// When the database refuses.
pub async fn state_of(db: &mut Connection, source: &str) -> Result<Option<JobState>> {
    let row = sqlx::query("SELECT state FROM jobs WHERE source = $1")
        .bind(source)
        .fetch_optional(db)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let word: String = row.get(0);
    match JobState::parse(&word) {
        Some(state) => Ok(Some(state)),
        None => Err(Error::Corrupt(format!("the unknown state {word:?}"))),
    }
}

/// Adds a job as queued, once per source.
///
/// # Errors
/// When the database refuses.
pub async fn add(db: &mut Connection, job: &NewRow) -> Result<Added> {
    let telling = job.telling.as_ref().map(serde_json::to_string).transpose();
    let telling = telling.map_err(|error| Error::Corrupt(error.to_string()))?;
    let undo = job.undo.as_ref().map(serde_json::to_string).transpose();
    let undo = undo.map_err(|error| Error::Corrupt(error.to_string()))?;
    let row = sqlx::query(
        "INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, thread_id, reply_to,
            source, retry_of, request_id, lane, lane_limit, user_limit, after_crash, output, created_at, telling, lock_name, undo)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
         ON CONFLICT (source) DO NOTHING RETURNING id",
    )
    .bind(&job.kind)
    .bind(&job.payload)
    .bind(&job.title)
    .bind(job.role.as_str())
    .bind(job.asker.0)
    .bind(&job.asker_name)
    .bind(job.place.chat.0)
    .bind(job.place.thread.map(|thread| i64::from(thread.0)))
    .bind(job.reply_to.map(|message| i64::from(message.0)))
    .bind(&job.source)
    .bind(job.retry_of.map(|id| id.0))
    .bind(&job.request_id)
    .bind(&job.lane)
    .bind(i64::from(job.lane_limit))
    .bind(i64::from(job.user_limit))
    .bind(job.after_crash.as_str())
    .bind(job.output.as_str())
    .bind(job.created_at.0)
    .bind(telling)
    .bind(job.lock.as_deref())
    .bind(undo)
    .fetch_optional(&mut *db)
    .await?;
    if let Some(row) = row {
        return Ok(Added::New(JobId(row.get(0))));
    }
    let before = sqlx::query("SELECT id FROM jobs WHERE source = $1")
        .bind(&job.source)
        .fetch_one(db)
        .await?;
    Ok(Added::Before(JobId(before.get(0))))
}

/// Takes a queued job for running if it is its turn, for this instance if there may be several; one that was declared dead
/// gets none. Call under [`super::Store::lock_claims`].
///
/// # Errors
/// When the database refuses; the job is not to be run then.
pub async fn claim(db: &mut Connection, id: JobId, by: Option<&str>, at: Millis) -> Result<Claim> {
    let state = sqlx::query("SELECT state FROM jobs WHERE id = $1")
        .bind(id.0)
        .fetch_optional(&mut *db)
        .await?
        .map(|row| row.get::<String, _>(0));
    if state.as_deref() != Some(JobState::Queued.as_str()) {
        return Ok(Claim::Gone);
    }
    if !ready(db).await?.contains(&id) {
        return Ok(Claim::Busy);
    }
    let text = sqlx::AssertSqlSafe(format!(
        "UPDATE jobs SET state = 'running', started_at = $2, starts = starts + 1, claimed_by = $3
         WHERE id = $1 AND state = 'queued' AND (CAST($3 AS TEXT) IS NULL
            OR EXISTS (SELECT 1 FROM instances WHERE instances.id = $3 AND dead = 0)) RETURNING {COLUMNS}"
    ));
    let row = sqlx::query(text)
        .bind(id.0)
        .bind(at.0)
        .bind(by)
        .fetch_optional(db)
        .await?;
    Ok(match row {
        Some(row) => Claim::Won(Box::new(read(&row)?)),
        None => Claim::Gone,
    })
}

/// The queued jobs whose turn it is: their lane and their asker have room, their lock is free, and in their lane or for
/// their lock nobody waits before them who could begin as well. One that has none itself is passed by, so that nobody waits for another person's limit.
///
/// # Errors
/// When the database refuses.
pub async fn ready(db: &mut Connection) -> Result<Vec<JobId>> {
    // Running ones first: they have their room already.
    let rows = sqlx::query(
        "SELECT id, state, lane, lane_limit, asker_id, user_limit, lock_name FROM jobs
         WHERE state IN ('queued', 'running') ORDER BY CASE WHEN state = 'running' THEN 0 ELSE 1 END, id",
    )
    .fetch_all(&mut *db)
    .await?;
    let of_steps = super::locks::of_steps(db).await?;
    let mut held = of_steps.held;
    let mut in_lane: HashMap<&str, i64> = HashMap::new();
    let mut of_asker: HashMap<i64, i64> = HashMap::new();
    let mut ready = Vec::new();
    for row in &rows {
        let lane = in_lane.entry(row.get("lane")).or_default();
        let asker = of_asker.entry(row.get("asker_id")).or_default();
        let queued = row.get::<&str, _>("state") == JobState::Queued.as_str();
        let has_room = *lane < row.get("lane_limit") && *asker < row.get("user_limit");
        let lock: Option<&str> = row.get("lock_name");
        let is_free = lock.is_none_or(|lock| {
            let before = of_steps.wanted.get(lock).map(|run| run.0);
            !held.contains(lock) && before.is_none_or(|run| run > row.get("id"))
        });
        if queued && !(has_room && is_free) {
            continue;
        }
        held.extend(lock.map(str::to_owned));
        *lane += 1;
        // What has no limit itself takes nobody's share, such as a workflow that holds for hours.
        *asker += i64::from(row.get::<i64, _>("user_limit") < i64::from(u32::MAX));
        if queued {
            ready.push(JobId(row.get("id")));
        }
    }
    Ok(ready)
}

/// Ends this start of a running job. `false` when that does not run: the first ending holds, what waits can only be
/// cancelled, and who was taken for dead does not end what runs anew.
///
/// # Errors
/// When the database refuses.
pub async fn end(
    db: &mut Connection,
    id: JobId,
    start: u32,
    ending: &Ending,
    log_bytes: u64,
    at: Millis,
) -> Result<bool> {
    // The limit stands where other endings have their reason, in milliseconds.
    let limit = if let Ending::TimedOut(limit) = ending {
        Some(limit.as_millis().to_string())
    } else {
        None
    };
    let (code, signal, reason, by) = match ending {
        Ending::Exited(code) => (Some(i64::from(*code)), None, None, None),
        Ending::Signaled(signal) => (None, Some(i64::from(*signal)), None, None),
        Ending::Broken(why) => (None, None, Some(why.as_str()), None),
        Ending::Cancelled(by) => (None, None, None, Some(by.as_str())),
        Ending::TimedOut(_) => (None, None, limit.as_deref(), None),
        Ending::Stopped | Ending::Lost => (None, None, None, None),
    };
    let ended = sqlx::query(
        "UPDATE jobs SET state = $2, exit_code = $3, signal = $4, reason = $5, ended_by = $6, log_bytes = $7, finished_at = $8
         WHERE id = $1 AND state = 'running' AND starts = $9",
    )
    .bind(id.0)
    .bind(ending.state().as_str())
    .bind(code)
    .bind(signal)
    .bind(reason)
    .bind(by)
    .bind(i64::try_from(log_bytes).unwrap_or(i64::MAX))
    .bind(at.0)
    .bind(i64::from(start))
    .execute(db)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Cancels a job that is still queued. `false` when it is not, and when it began before: it has to come to its end by itself.
///
/// # Errors
/// When the database refuses.
pub async fn cancel_queued(db: &mut Connection, id: JobId, by: &str, at: Millis) -> Result<bool> {
    let ended = sqlx::query(
        "UPDATE jobs SET state = 'cancelled', ended_by = $2, finished_at = $3
         WHERE id = $1 AND state = 'queued' AND (after_crash <> 'resume' OR starts = 0)",
    )
    .bind(id.0)
    .bind(by)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Puts a running job back into the queue, by the crash rule, if this start of it runs and nobody asked that it be stopped;
/// one that resumes has to come to its end by itself, and is put back all the same.
///
/// # Errors
/// When the database refuses.
pub async fn requeue(db: &mut Connection, id: JobId, start: u32) -> Result<bool> {
    let moved = sqlx::query(
        "UPDATE jobs SET state = 'queued', started_at = NULL, claimed_by = NULL
         WHERE id = $1 AND state = 'running' AND starts = $2 AND (cancel_by IS NULL OR after_crash = 'resume')",
    )
    .bind(id.0)
    .bind(i64::from(start))
    .execute(db)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Notes that a job is to be stopped by the instance that runs it, or, of one that resumes, by the one that will. `false`
/// when that was noted before.
///
/// # Errors
/// When the database refuses.
pub async fn wish_cancel(db: &mut Connection, id: JobId, by: &str) -> Result<bool> {
    let noted = sqlx::query(
        "UPDATE jobs SET cancel_by = $2 WHERE id = $1 AND cancel_by IS NULL
         AND (state = 'running' OR (state = 'queued' AND after_crash = 'resume' AND starts > 0))",
    )
    .bind(id.0)
    .bind(by)
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// The running jobs of an instance that are to be stopped, and by whose wish.
///
/// # Errors
/// When the database refuses.
pub async fn cancel_wishes(db: &mut Connection, instance: &str) -> Result<Vec<(JobId, String)>> {
    let rows = sqlx::query(
        "SELECT id, cancel_by FROM jobs WHERE state = 'running' AND claimed_by = $1 AND cancel_by IS NOT NULL",
    )
    .bind(instance)
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| (JobId(row.get(0)), row.get(1)))
        .collect())
}

/// The open jobs, and which instance runs them; `None` for those that wait.
///
/// # Errors
/// When the database refuses.
pub async fn claims(db: &mut Connection) -> Result<HashMap<JobId, Option<String>>> {
    let rows = sqlx::query(
        "SELECT id, CASE WHEN state = 'running' THEN claimed_by END FROM jobs WHERE state IN ('queued', 'running')",
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| (JobId(row.get(0)), row.get(1)))
        .collect())
}

/// Whether this instance may show the job: it waits, or runs here. That stays so until the transaction ends, so that
/// nothing that shows it comes after its ending. On PostgreSQL only.
///
/// # Errors
/// When the database refuses.
pub async fn is_shown_by(tx: &mut super::Tx, id: JobId, instance: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT id FROM jobs WHERE id = $1 AND (state = 'queued' OR (state = 'running' AND claimed_by = $2)) FOR SHARE",
    )
    .bind(id.0)
    .bind(instance)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.is_some())
}

/// One job.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, id: JobId) -> Result<Option<Job>> {
    let text = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM jobs WHERE id = $1"));
    let row = sqlx::query(text).bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// These jobs, as far as they are there.
///
/// # Errors
/// When the database refuses.
pub async fn find_all(db: &mut Connection, ids: &[JobId]) -> Result<HashMap<JobId, Job>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let places = places(1, ids.len());
    let text = format!("SELECT {COLUMNS} FROM jobs WHERE id IN ({places})");
    let query = sqlx::query(sqlx::AssertSqlSafe(text));
    let query = ids.iter().fold(query, |query, id| query.bind(id.0));
    let rows = query.fetch_all(db).await?;
    let read = |row: &AnyRow| read(row).map(|job| (job.id, job));
    rows.iter().map(read).collect()
}

/// The places of so many values in a query, from this number on: `$2, $3`.
pub(super) fn places(from: usize, many: usize) -> String {
    let places: Vec<_> = (from..from + many).map(|at| format!("${at}")).collect();
    places.join(", ")
}

/// The jobs in an open state, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &mut Connection, state: JobState) -> Result<Vec<Job>> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM jobs WHERE state = $1 AND state IN ('queued', 'running') ORDER BY id"
    ));
    let rows = sqlx::query(text).bind(state.as_str()).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// How many jobs are queued, and how many are running.
///
/// # Errors
/// When the database refuses.
pub async fn counts(db: &mut Connection) -> Result<(u64, u64)> {
    let row = sqlx::query(
        "SELECT COUNT(CASE WHEN state = 'queued' THEN 1 END), COUNT(CASE WHEN state = 'running' THEN 1 END)
         FROM jobs WHERE state IN ('queued', 'running')",
    )
    .fetch_one(db)
    .await?;
    Ok((
        row.get::<i64, _>(0).unsigned_abs(),
        row.get::<i64, _>(1).unsigned_abs(),
    ))
}

/// How many jobs stand before this one: those running or queued earlier in its lane, or else queued earlier at all.
///
/// # Errors
/// When the database refuses.
pub async fn ahead(db: &mut Connection, id: JobId, lane: &str) -> Result<u64> {
    let row = sqlx::query(
        "SELECT COUNT(CASE WHEN lane = $2 THEN 1 END), COUNT(CASE WHEN state = 'queued' THEN 1 END)
         FROM jobs WHERE state IN ('queued', 'running') AND id < $1",
    )
    .bind(id.0)
    .bind(lane)
    .fetch_one(db)
    .await?;
    Ok(row
        .get::<i64, _>(0)
        .max(row.get::<i64, _>(1))
        .unsigned_abs())
}

/// The first job of the lane that is queued or running.
///
/// # Errors
/// When the database refuses.
pub async fn busy_with(db: &mut Connection, lane: &str, limit: u32) -> Result<Option<JobId>> {
    let rows = sqlx::query(
        "SELECT id FROM jobs WHERE state IN ('queued', 'running') AND lane = $1 ORDER BY id LIMIT $2",
    )
    .bind(lane)
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(match rows.first() {
        Some(first) if rows.len() >= limit as usize => Some(JobId(first.get(0))),
        _ => None,
    })
}

/// The open jobs of a lane before this one, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn before_in_lane(db: &mut Connection, lane: &str, id: JobId) -> Result<Vec<JobId>> {
    let rows = sqlx::query(
        "SELECT id FROM jobs WHERE state IN ('queued', 'running') AND lane = $1 AND id < $2 ORDER BY id",
    )
    .bind(lane)
    .bind(id.0)
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(|row| JobId(row.get(0))).collect())
}

/// The newest repetition of a job.
///
/// # Errors
/// When the database refuses.
pub async fn latest_retry(db: &mut Connection, of: JobId) -> Result<Option<Job>> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM jobs WHERE retry_of = $1 ORDER BY id DESC LIMIT 1"
    ));
    let row = sqlx::query(text).bind(of.0).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The newest repetitions of a job, newest first, at most a hundred.
///
/// # Errors
/// When the database refuses.
pub async fn retries(db: &mut Connection, of: JobId) -> Result<Vec<Job>> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM jobs WHERE retry_of = $1 ORDER BY id DESC LIMIT 100"
    ));
    let rows = sqlx::query(text).bind(of.0).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

pub(super) fn read(row: &AnyRow) -> Result<Job> {
    let word = |column: &str| -> Result<String> { Ok(row.try_get(column)?) };
    let number = |column: &str| -> Result<Option<i64>> { Ok(row.try_get(column)?) };
    let unknown = |what: &str, word: &str| Error::Corrupt(format!("the unknown {what} {word:?}"));
    let state = word("state")?;
    let role = word("role")?;
    let after_crash = word("after_crash")?;
    let output = word("output")?;
    let small = |column: &str| -> Result<Option<i32>> {
        Ok(number(column)?.and_then(|n| i32::try_from(n).ok()))
    };
    let count = |column: &str| -> Result<u32> {
        Ok(number(column)?
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0))
    };
    Ok(Job {
        id: JobId(row.try_get("id")?),
        state: JobState::parse(&state).ok_or_else(|| unknown("state", &state))?,
        started_at: number("started_at")?.map(Millis),
        finished_at: number("finished_at")?.map(Millis),
        starts: count("starts")?,
        exit_code: small("exit_code")?,
        signal: small("signal")?,
        reason: row.try_get("reason")?,
        ended_by: row.try_get("ended_by")?,
        log_bytes: number("log_bytes")?.unwrap_or(0).unsigned_abs(),
        claimed_by: row.try_get("claimed_by")?,
        cancel_by: row.try_get("cancel_by")?,
        new: NewRow {
            kind: word("kind")?,
            payload: word("payload")?,
            title: word("title")?,
            role: Role::parse(&role).ok_or_else(|| unknown("role", &role))?,
            asker: UserId(row.try_get("asker_id")?),
            asker_name: word("asker_name")?,
            place: Place {
                chat: ChatId(row.try_get("chat_id")?),
                thread: small("thread_id")?.map(ThreadId),
            },
            reply_to: small("reply_to")?.map(MessageId),
            source: word("source")?,
            retry_of: number("retry_of")?.map(JobId),
            request_id: word("request_id")?,
            lane: word("lane")?,
            lane_limit: count("lane_limit")?,
            user_limit: count("user_limit")?,
            after_crash: AfterCrash::parse(&after_crash)
                .ok_or_else(|| unknown("crash rule", &after_crash))?,
            output: OutputMode::parse(&output).ok_or_else(|| unknown("output mode", &output))?,
            created_at: Millis(row.try_get("created_at")?),
            telling: row
                .try_get::<Option<String>, _>("telling")?
                .map(|telling| serde_json::from_str(&telling))
                .transpose()
                .map_err(|error| Error::Corrupt(format!("what is to be told of a job: {error}")))?,
            lock: row.try_get("lock_name")?,
            undo: row
                .try_get::<Option<String>, _>("undo")?
                .map(|undo| serde_json::from_str(&undo))
                .transpose()
                .map_err(|error| Error::Corrupt(format!("how a job is taken back: {error}")))?,
        },
    })
}
