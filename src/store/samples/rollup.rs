//! Rolling up finer rows into coarser ones, and removing what is older than it is kept.

use super::points::read_points;
use super::{Head, Heads, NewRow, Step, Value, head_id, hosts, put};
use crate::base::time::Millis;
use crate::store::{Connection, Result};
use sqlx::Row;
use std::collections::HashMap;
use std::time::Duration;

/// Series that are not kept for long: each processor by itself.
pub(super) const SHORT_LIVED: &str = "cpu.core.";
/// How much later than now a row may be before it was made under a wrong clock.
const AHEAD: Duration = Duration::from_secs(3600);
/// How long a list of series stays after its last use, longer than any row.
const KEEP_HEADS: Duration = Duration::from_secs(400 * 24 * 3600);

/// Rolls up what is over: a minute or a quarter that has finer rows and no row of its own. Returns how many rows were made.
///
/// # Errors
/// When the database refuses; it is made up for the next time.
pub async fn roll(db: &mut Connection, host: &str, now: Millis) -> Result<usize> {
    let mut made = 0;
    for step in [Step::Minute, Step::Quarter] {
        for at in due(db, host, step, now).await? {
            made += usize::from(roll_one(db, host, step, at).await?);
        }
    }
    Ok(made)
}

/// The stretches that are over and not rolled up, oldest first.
async fn due(db: &mut Connection, host: &str, step: Step, now: Millis) -> Result<Vec<Millis>> {
    let Some(finer) = step.finer() else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(
        "SELECT DISTINCT (f.at / $4) * $4 AS start FROM samples f
         WHERE f.host = $1 AND f.step = $2 AND f.at < $5 AND NOT EXISTS
             (SELECT 1 FROM samples c WHERE c.host = $1 AND c.step = $3 AND c.at = (f.at / $4) * $4)
         ORDER BY start",
    )
    .bind(host)
    .bind(finer.seconds())
    .bind(step.seconds())
    .bind(step.millis())
    .bind(step.start(now).0)
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(|row| Millis(row.get(0))).collect())
}

async fn roll_one(db: &mut Connection, host: &str, step: Step, at: Millis) -> Result<bool> {
    let finer = step.finer().unwrap_or(step);
    let rows = sqlx::query(
        "SELECT head, looks, points FROM samples WHERE host = $1 AND step = $2 AND at >= $3 AND at < $4
         ORDER BY at",
    )
    .bind(host)
    .bind(finer.seconds())
    .bind(at.0)
    .bind(at.plus(step.width()).0)
    .fetch_all(&mut *db)
    .await?;
    let mut heads = Heads::default();
    let mut sums = Sums::default();
    for row in rows {
        let points: String = row.get(2);
        let values = read_points(&points)?;
        sums.add(heads.get(db, row.get(0)).await?, row.get(1), &values);
    }
    if step == Step::Quarter {
        sums.forget(|name| name.starts_with(SHORT_LIVED));
    }
    let names: Vec<&str> = sums.order.iter().map(String::as_str).collect();
    let head = head_id(db, host, &sums.boot, &names, at).await?;
    let row = NewRow {
        step,
        at,
        head,
        looks: sums.looks,
        values: &sums.values(),
    };
    put(db, host, &row).await
}

/// What several rows come to.
#[derive(Default)]
struct Sums {
    boot: String,
    looks: i64,
    order: Vec<String>,
    series: HashMap<String, Sum>,
}

struct Sum {
    total: f64,
    looks: i64,
    min: f64,
    max: f64,
}

impl Sums {
    /// Adds a row; rows come oldest first, and the newest says which start of the machine it is.
    fn add(&mut self, head: &Head, looks: i64, values: &[Option<Value>]) {
        head.boot.clone_into(&mut self.boot);
        self.looks += looks;
        for (name, value) in head.series.iter().zip(values) {
            if !self.series.contains_key(name) {
                self.order.push(name.clone());
            }
            let sum = self.series.entry(name.clone()).or_insert(Sum {
                total: 0.0,
                looks: 0,
                min: f64::INFINITY,
                max: f64::NEG_INFINITY,
            });
            if let Some(value) = value {
                #[expect(clippy::cast_precision_loss, reason = "90 looks at the most")]
                let weight = looks as f64;
                sum.total += value.avg * weight;
                sum.looks += looks;
                sum.min = sum.min.min(value.min);
                sum.max = sum.max.max(value.max);
            }
        }
    }

    fn forget(&mut self, which: impl Fn(&str) -> bool) {
        self.order.retain(|name| !which(name));
    }

    fn values(&self) -> Vec<Option<Value>> {
        let value = |name: &String| {
            let sum = self.series.get(name).filter(|sum| sum.looks > 0)?;
            #[expect(clippy::cast_precision_loss, reason = "90 looks at the most")]
            let looks = sum.looks as f64;
            Some(Value {
                avg: sum.total / looks,
                min: sum.min,
                max: sum.max,
            })
        };
        self.order.iter().map(value).collect()
    }
}

/// Removes what is older than it is kept, of all machines, also of those that are gone. Rows of the future, which a wrong
/// clock left, stay until there are more rows than there can be.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, now: Millis) -> Result<u64> {
    let mut removed = 0;
    for host in hosts(db).await? {
        for step in Step::ALL {
            let gone = sqlx::query("DELETE FROM samples WHERE host = $1 AND step = $2 AND at < $3")
                .bind(&host)
                .bind(step.seconds())
                .bind(now.minus(step.keep()).0)
                .execute(&mut *db)
                .await?;
            removed += gone.rows_affected() + prune_ahead(db, &host, step, now).await?;
        }
        sqlx::query("DELETE FROM sample_heads WHERE host = $1 AND seen_at < $2")
            .bind(&host)
            .bind(now.minus(KEEP_HEADS).0)
            .execute(&mut *db)
            .await?;
    }
    Ok(removed)
}

async fn prune_ahead(db: &mut Connection, host: &str, step: Step, now: Millis) -> Result<u64> {
    let count = sqlx::query("SELECT COUNT(*) FROM samples WHERE host = $1 AND step = $2")
        .bind(host)
        .bind(step.seconds())
        .fetch_one(&mut *db)
        .await?;
    let most = (step.keep().as_secs() + AHEAD.as_secs()) / step.width().as_secs() + 2;
    if u64::try_from(count.get::<i64, _>(0)).unwrap_or(0) <= most {
        return Ok(0);
    }
    let gone = sqlx::query("DELETE FROM samples WHERE host = $1 AND step = $2 AND at > $3")
        .bind(host)
        .bind(step.seconds())
        .bind(now.plus(AHEAD).0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
