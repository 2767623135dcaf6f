//! What was measured of each machine, over time: looks of 10 s for 6 h, rolled up to a minute for 7 days and to a quarter of
//! an hour for a year.
//!
//! A row holds all series of one host for one stretch of time. A rolled row is made from the finer rows of its stretch once
//! that is over, as a whole and once; it never takes anything in later. So it does not matter when the roll-up is
//! interrupted or repeated: a row is there, complete, or it is not there yet.
//!
//! # How much that is
//! Rows: 6 h / 10 s + 7 d / 1 min + 365 d / 15 min = 2,160 + 10,080 + 35,040 = 47,280. A value takes about 13 bytes with its
//! least and greatest (`12.3,1.2,4.5 `), a rate 19, a number of bytes 29. The largest machine that is told in full has 8
//! disks and 32 processors: 9 × 13 + 4 × 19 + 8 × (13 + 13 + 29) = 633 bytes a row, 5 rows in a page of 4,096: 39 MB. The
//! processors add 32 × 13 = 416 bytes to the 12,240 rows of 10 s and 1 min: 5 MB. With the key, about 48 MB at the very
//! most, every value changing all the time; a usual server (4 processors, 2 disks) stays near 20 MB. The tests generate both.

mod past;
mod points;
mod rollup;

pub use past::{Past, names, past};
pub use rollup::{prune, roll};

use super::{Connection, Result};
use crate::base::time::Millis;
use points::{read_points, write_points};
use sha2::{Digest, Sha256};
use sqlx::Row;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::time::Duration;

/// How long a list of series is taken for in use without looking.
const SEEN_EVERY: Duration = Duration::from_secs(24 * 3600);
/// The most points that [`Step::fitting`] takes for a stretch of time.
const MOST_POINTS: u64 = 1500;

/// How wide a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// One look, every 10 s.
    Look,
    /// A minute.
    Minute,
    /// A quarter of an hour.
    Quarter,
}

impl Step {
    /// All, the finest first.
    pub const ALL: [Step; 3] = [Step::Look, Step::Minute, Step::Quarter];

    /// The time from one row to the next.
    #[must_use]
    pub fn width(self) -> Duration {
        Duration::from_secs(match self {
            Step::Look => 10,
            Step::Minute => 60,
            Step::Quarter => 900,
        })
    }

    /// How long rows are kept.
    #[must_use]
    pub fn keep(self) -> Duration {
        let hours = match self {
            Step::Look => 6,
            Step::Minute => 7 * 24,
            Step::Quarter => 365 * 24,
        };
        Duration::from_secs(hours * 3600)
    }

    /// What is rolled up into it.
    #[must_use]
    pub fn finer(self) -> Option<Step> {
        match self {
            Step::Look => None,
            Step::Minute => Some(Step::Look),
            Step::Quarter => Some(Step::Minute),
        }
    }

    /// The finest that is kept for a stretch of time and has no more points in it than a chart can show.
    #[must_use]
    pub fn fitting(stretch: Duration) -> Step {
        let fits = |step: &Step| {
            stretch <= step.keep() && stretch.as_secs() / step.width().as_secs() <= MOST_POINTS
        };
        Self::ALL.into_iter().find(fits).unwrap_or(Step::Quarter)
    }

    fn seconds(self) -> i64 {
        i64::try_from(self.width().as_secs()).unwrap_or(i64::MAX)
    }

    fn millis(self) -> i64 {
        self.seconds() * 1000
    }

    /// The beginning of the stretch that holds this moment.
    #[must_use]
    pub fn start(self, at: Millis) -> Millis {
        Millis(at.0 - at.0.rem_euclid(self.millis()))
    }
}

/// What a series came to in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// The average.
    pub avg: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Value {
    /// A single look.
    #[must_use]
    pub fn of(value: f64) -> Self {
        Self {
            avg: value,
            min: value,
            max: value,
        }
    }
}

/// A stretch of time with the series that were asked for, in their order; `None` where nothing was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When it begins.
    pub at: Millis,
    /// How wide it is.
    pub step: Step,
    /// What the series came to.
    pub values: Vec<Option<Value>>,
}

/// The newest look at a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    /// When the machine was looked at, rounded down to 10 s.
    pub at: Millis,
    /// The id of the machine's start at that time.
    pub boot: String,
    /// The series by name.
    pub values: Vec<(String, f64)>,
}

/// What the values of a row are called.
#[derive(Clone, Debug)]
struct Head {
    boot: String,
    series: Vec<String>,
}

/// Takes a look down; `false` when there is one for these 10 s already: then nothing changes. What is no finite number is
/// left out.
///
/// # Errors
/// When the database refuses.
pub async fn add(
    db: &mut Connection,
    host: &str,
    boot: &str,
    at: Millis,
    values: &[(String, f64)],
) -> Result<bool> {
    let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<_> = values
        .iter()
        .map(|(_, value)| value.is_finite().then(|| Value::of(*value)))
        .collect();
    let head = head_id(db, host, boot, &names, at).await?;
    let row = NewRow {
        step: Step::Look,
        at: Step::Look.start(at),
        head,
        looks: 1,
        values: &values,
    };
    put(db, host, &row).await
}

struct NewRow<'a> {
    step: Step,
    at: Millis,
    head: i64,
    looks: i64,
    values: &'a [Option<Value>],
}

/// Writes a row unless it is there.
async fn put(db: &mut Connection, host: &str, row: &NewRow<'_>) -> Result<bool> {
    let put = sqlx::query(
        "INSERT INTO samples (host, step, at, head, looks, points) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (host, step, at) DO NOTHING",
    )
    .bind(host)
    .bind(row.step.seconds())
    .bind(row.at.0)
    .bind(row.head)
    .bind(row.looks)
    .bind(write_points(row.values))
    .execute(db)
    .await?;
    Ok(put.rows_affected() == 1)
}

/// The number of this list of series, which is kept from now on.
async fn head_id(
    db: &mut Connection,
    host: &str,
    boot: &str,
    series: &[&str],
    at: Millis,
) -> Result<i64> {
    let series = serde_json::json!(series).to_string();
    let mut digest = String::new();
    for byte in Sha256::digest(format!("{boot}\n{series}")).iter().take(16) {
        let _ = write!(digest, "{byte:02x}");
    }
    let find = "SELECT id, seen_at FROM sample_heads WHERE host = $1 AND digest = $2";
    let found = async |db: &mut Connection| {
        sqlx::query(find)
            .bind(host)
            .bind(&digest)
            .fetch_optional(db)
            .await
    };
    if let Some(row) = found(db).await? {
        let (id, seen_at) = (row.get(0), Millis(row.get(1)));
        if at > seen_at.plus(SEEN_EVERY) {
            sqlx::query("UPDATE sample_heads SET seen_at = $2 WHERE id = $1")
                .bind(id)
                .bind(at.0)
                .execute(db)
                .await?;
        }
        return Ok(id);
    }
    sqlx::query(
        "INSERT INTO sample_heads (host, digest, boot, series, seen_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (host, digest) DO NOTHING",
    )
    .bind(host)
    .bind(&digest)
    .bind(boot)
    .bind(&series)
    .bind(at.0)
    .execute(&mut *db)
    .await?;
    let row = found(db).await?;
    Ok(row.ok_or(sqlx::Error::RowNotFound)?.get(0))
}

/// Lists of series that were read already.
#[derive(Default)]
struct Heads(HashMap<i64, Head>);

impl Heads {
    async fn get(&mut self, db: &mut Connection, id: i64) -> Result<&Head> {
        let place = match self.0.entry(id) {
            Entry::Occupied(known) => return Ok(known.into_mut()),
            Entry::Vacant(place) => place,
        };
        let row = sqlx::query("SELECT boot, series FROM sample_heads WHERE id = $1")
            .bind(id)
            .fetch_one(db)
            .await?;
        let series: String = row.get(1);
        let series = serde_json::from_str(&series)
            .map_err(|error| super::Error::Corrupt(format!("a list of series: {error}")))?;
        let boot = row.get(0);
        Ok(place.insert(Head { boot, series }))
    }
}

/// The newest look at a machine that was taken no later than `until`: a clock that was wrong may have left later ones.
///
/// # Errors
/// When the database refuses.
pub async fn newest(db: &mut Connection, host: &str, until: Millis) -> Result<Option<Newest>> {
    let row = sqlx::query(
        "SELECT at, head, points FROM samples WHERE host = $1 AND step = $2 AND at <= $3
         ORDER BY at DESC LIMIT 1",
    )
    .bind(host)
    .bind(Step::Look.seconds())
    .bind(until.0)
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (at, points): (i64, String) = (row.get(0), row.get(2));
    let mut heads = Heads::default();
    let head = heads.get(db, row.get(1)).await?;
    let values = head.series.iter().cloned().zip(read_points(&points)?);
    Ok(Some(Newest {
        at: Millis(at),
        boot: head.boot.clone(),
        values: values
            .filter_map(|(name, value)| Some((name, value?.avg)))
            .collect(),
    }))
}

/// Some series of a machine over a stretch of time, oldest first, at the step that fits it; its end, which is not rolled up
/// yet, in finer steps.
///
/// # Errors
/// When the database refuses.
pub async fn window(
    db: &mut Connection,
    host: &str,
    series: &[&str],
    from: Millis,
    until: Millis,
) -> Result<Vec<Point>> {
    let mut points: Vec<Point> = Vec::new();
    let mut heads = Heads::default();
    let mut next = Some(Step::fitting(until.since(from)));
    while let Some(step) = next {
        let begin = points
            .last()
            .map_or(from, |last| last.at.plus(last.step.width()));
        let rows = sqlx::query(
            "SELECT at, head, points FROM samples WHERE host = $1 AND step = $2 AND at >= $3 AND at < $4
             ORDER BY at",
        )
        .bind(host)
        .bind(step.seconds())
        .bind(begin.0)
        .bind(until.0)
        .fetch_all(&mut *db)
        .await?;
        for row in rows {
            let text: String = row.get(2);
            let head = heads.get(db, row.get(1)).await?;
            let values = read_points(&text)?;
            let of = |name: &&str| {
                let place = head.series.iter().position(|known| known == name)?;
                values.get(place).copied().flatten()
            };
            points.push(Point {
                at: Millis(row.get(0)),
                step,
                values: series.iter().map(of).collect(),
            });
        }
        next = step.finer();
    }
    Ok(points)
}

/// The machines that were looked at, by name.
///
/// # Errors
/// When the database refuses.
pub async fn hosts(db: &mut Connection) -> Result<Vec<String>> {
    let rows = sqlx::query("SELECT DISTINCT host FROM sample_heads ORDER BY host")
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[cfg(test)]
mod tests;
