//! All that is kept of one series, each time at the finest step there is of it.

use super::points::read_one;
use super::{Heads, Step, Value};
use crate::base::time::Millis;
use crate::store::{Connection, Error, Result};
use sqlx::Row;
use std::collections::BTreeSet;

/// Rows that are read at once: a year is never in memory as text.
const PAGE: i64 = 1000;

/// A stretch of time in which a series was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// When it begins.
    pub at: Millis,
    /// When it ends: after its step, or where a finer row begins.
    pub until: Millis,
    /// How wide the row is.
    pub step: Step,
    /// What the series came to; `None` where it could not be read.
    pub value: Option<Value>,
}

/// All that is kept of a series up to a moment, oldest first: at most a row for each step of the time that rows of it are
/// kept. Times at which nobody measured the series are left out.
///
/// # Errors
/// When the database refuses.
pub async fn past(
    db: &mut Connection,
    host: &str,
    series: &str,
    until: Millis,
) -> Result<Vec<Past>> {
    let mut heads = Heads::default();
    let mut end = until;
    let mut newest_first = Vec::new();
    for step in Step::ALL {
        let begin = newest_first.len();
        // Newest first, so that what a finer row shows already is not read.
        let oldest = until.minus(step.keep());
        let mut before = end;
        loop {
            let rows = sqlx::query(
                "SELECT at, head, points FROM samples WHERE host = $1 AND step = $2 AND at >= $3 AND at < $4
                 ORDER BY at DESC LIMIT $5",
            )
            .bind(host)
            .bind(step.seconds())
            .bind(oldest.0)
            .bind(before.0)
            .bind(PAGE)
            .fetch_all(&mut *db)
            .await?;
            for row in &rows {
                let at = Millis(row.get(0));
                let text: String = row.get(2);
                let head = heads.get(db, row.get(1)).await?;
                let place = head.series.iter().position(|known| known == series);
                let next = before;
                before = at;
                let Some(place) = place else { continue };
                newest_first.push(Past {
                    at,
                    until: at.plus(step.width()).min(next),
                    step,
                    value: read_one(&text, place)?,
                });
            }
            if i64::try_from(rows.len()).is_ok_and(|count| count < PAGE) {
                break;
            }
        }
        if newest_first.len() > begin {
            end = before;
        }
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// The names of all series of a machine of which anything may be kept.
///
/// # Errors
/// When the database refuses.
pub async fn names(db: &mut Connection, host: &str) -> Result<BTreeSet<String>> {
    let rows = sqlx::query("SELECT series FROM sample_heads WHERE host = $1")
        .bind(host)
        .fetch_all(db)
        .await?;
    let mut names = BTreeSet::new();
    for row in rows {
        let listed: Vec<String> = serde_json::from_str(&row.get::<String, _>(0))
            .map_err(|error| Error::Corrupt(format!("a list of series: {error}")))?;
        names.extend(listed);
    }
    Ok(names)
}
