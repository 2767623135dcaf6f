//! How large a year becomes, measured on SQLite.

use super::*;
use crate::store::{Location, Store, Tx};
use sqlx::Row;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        f64::from(u32::try_from(self.0 >> 33).unwrap()) / f64::from(u32::MAX >> 1)
    }
}

/// The series of a machine: what they are called, and their greatest value.
fn series(disks: u32, cores: u32, all: bool) -> Vec<(String, f64)> {
    let mut series = Vec::new();
    for name in [
        "cpu",
        "cpu.iowait",
        "cpu.steal",
        "cpu.busiest",
        "memory",
        "swap",
    ] {
        series.push((name.to_owned(), 100.0));
    }
    for name in ["load1", "load5", "load15"] {
        series.push((name.to_owned(), 50.0));
    }
    for name in ["io.read", "io.write", "net.rx", "net.tx"] {
        series.push((name.to_owned(), 1e8));
    }
    series.push(("temperature".to_owned(), 90.0));
    series.push(("uptime".to_owned(), 1e7));
    for disk in 0..disks {
        series.push((format!("disk:/srv/data/{disk}"), 100.0));
        series.push((format!("inodes:/srv/data/{disk}"), 100.0));
        series.push((format!("free:/srv/data/{disk}"), 4e12));
    }
    for core in 0..cores {
        if all {
            series.push((format!("cpu.core.{core}"), 100.0));
        }
    }
    series
}

/// Fills every step with all the rows that it keeps, every value changing all the time.
async fn fill(tx: &mut Tx, disks: u32, cores: u32, wide: bool) {
    let mut dice = Dice(7);
    let until = Millis(1_800_000_000_000);
    for step in Step::ALL {
        let series = series(disks, cores, step != Step::Quarter);
        let names: Vec<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
        let head = head_id(tx, "server-17.example", "boot", &names, until)
            .await
            .unwrap();
        let rows = step.keep().as_millis() / step.width().as_millis();
        for row in (1..=u32::try_from(rows).unwrap()).rev() {
            let values: Vec<_> = series
                .iter()
                .map(|(_, most)| {
                    let avg = dice.roll() * most;
                    let spread = if wide { 0.2 } else { 0.001 };
                    let (below, above) = (dice.roll() * spread * avg, dice.roll() * spread * avg);
                    Some(match step {
                        Step::Look => Value::of(avg),
                        Step::Minute | Step::Quarter => Value {
                            avg,
                            min: avg - below,
                            max: avg + above,
                        },
                    })
                })
                .collect();
            let row = NewRow {
                step,
                at: until.minus(step.width() * row),
                head,
                looks: 1,
                values: &values,
            };
            assert!(put(tx, "server-17.example", &row).await.unwrap());
        }
    }
}

async fn pages(db: &mut Connection) -> f64 {
    let mut size = 1.0;
    for pragma in ["PRAGMA page_count", "PRAGMA page_size"] {
        let row = sqlx::query(pragma).fetch_one(&mut *db).await.unwrap();
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        let value = row.get::<i64, _>(0) as f64;
        size *= value;
    }
    size / 1e6
}

async fn megabytes(disks: u32, cores: u32, wide: bool) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Location::Sqlite(dir.path().join("a.db")))
        .await
        .unwrap();
    let mut tx = store.begin().await.unwrap();
    let before = pages(&mut tx).await;
    fill(&mut tx, disks, cores, wide).await;
    store.commit(tx).await.unwrap();
    let mut db = store.read().await.unwrap();
    let after = pages(&mut db).await;
    drop(db);
    store.close().await;
    println!("{disks} disks, {cores} cores: {:.1} MB", after - before);
    after - before
}

#[tokio::test]
async fn a_year_of_the_largest_machine_is_less_than_50_mb() {
    let size = megabytes(8, 32, true).await;
    assert!((20.0..50.0).contains(&size), "{size} MB");
}

#[tokio::test]
async fn a_year_of_a_usual_machine_is_less_than_25_mb() {
    let size = megabytes(2, 4, false).await;
    assert!((5.0..25.0).contains(&size), "{size} MB");
}

#[test]
fn the_step_fits_the_time_that_is_shown() {
    let hours = |hours: u64| Step::fitting(Duration::from_secs(hours * 3600));
    assert_eq!(hours(1), Step::Look);
    assert_eq!(hours(24), Step::Minute);
    assert_eq!(hours(7 * 24), Step::Quarter);
    assert_eq!(hours(365 * 24), Step::Quarter);
    assert_eq!(hours(10_000 * 24), Step::Quarter);
}
