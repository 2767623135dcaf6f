//! What a look at the machine costs, and how long a chart of seven days takes, as a table.
//!
//! Run by `scripts/bench.sh`. A look is counted in processor time, a chart in wall-clock time, reading the samples included.

use nix::time::{ClockId, clock_gettime};
use opsgram::base::time::Millis;
use opsgram::config::{self, Env, Live};
use opsgram::delivery::Attachments;
use opsgram::drivers::host::Sampler;
use opsgram::jobs::Files;
use opsgram::monitors::charts::{Charts, Span, Subject, Wanted};
use opsgram::store::samples;
use opsgram::store::{Location, Store};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Looks and charts that are measured; the median is told.
const TIMES: u32 = 20;
const HOST: &str = "web";

fn main() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(async {
            look().await?;
            charts().await
        })
}

fn spent() -> Result<Duration> {
    Ok(Duration::from(clock_gettime(
        ClockId::CLOCK_PROCESS_CPUTIME_ID,
    )?))
}

async fn look() -> Result<()> {
    let mut sampler = Sampler::new()?;
    sampler.look(Millis::now(), &[]).await?;
    let mut costs = Vec::new();
    for _ in 0..TIMES {
        // Rates are only counted over a fifth of a second and more.
        tokio::time::sleep(Duration::from_millis(210)).await;
        let before = spent()?;
        sampler.look(Millis::now(), &[]).await?;
        costs.push(spent()? - before);
    }
    tell("a look at the machine, processor time", costs);
    Ok(())
}

async fn charts() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("opsgram.yaml");
    std::fs::write(&file, "monitored_devices: [{name: root, path: /}]\n")?;
    let config = config::load(&file, &Env::default()).map_err(|faults| faults.to_string())?;
    let store = Store::open(Location::Sqlite(dir.path().join("bench.db"))).await?;
    let until = Millis::now();
    let mut tx = store.begin().await?;
    for minute in (0..7 * 24 * 60_u32).rev() {
        let turn = f64::from(minute) / 90.0;
        let values = [
            ("cpu".to_owned(), 50.0 + 40.0 * turn.sin()),
            ("memory".to_owned(), 60.0 + 10.0 * (turn / 7.0).cos()),
        ];
        let at = until.minus(Duration::from_secs(60) * minute);
        samples::add(&mut tx, HOST, "boot", at, &values).await?;
    }
    samples::roll(&mut tx, HOST, until).await?;
    store.commit(tx).await?;
    let folder = dir.path().to_owned();
    let files = Arc::new(Files::new(folder.clone(), folder));
    let charts = Charts::new(store.clone(), Live::new(config.config), files);
    for span in Span::ALL {
        let wanted = Wanted {
            subject: Subject::All,
            span,
            until,
            host: HOST.to_owned(),
        };
        let mut costs = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            let chart = charts.open(&wanted.key(), "chart.png").await;
            chart.map_err(|why| format!("{why:?}"))?;
            costs.push(begun.elapsed());
        }
        tell(&format!("a chart of {}", span.label()), costs);
    }
    store.close().await;
    Ok(())
}

fn tell(what: &str, mut costs: Vec<Duration>) {
    costs.sort();
    let (middle, worst) = (costs[costs.len() / 2], costs[costs.len() - 1]);
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{what:<46} {:>8.1} ms, {:>6.1} ms at the most",
        millis(middle),
        millis(worst)
    );
}
