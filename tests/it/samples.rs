//! Samples: taken, rolled up whatever is killed when, told by `/status` and shown as charts.

use crate::harness::{BEN, CLEO, PATIENCE, World};
use crate::on_both;
use opsgram::base::alert::{Severity, Unit};
use opsgram::base::time::Millis;
use opsgram::config::Live;
use opsgram::monitors::charts::{Charts, Span, Subject, Wanted};
use opsgram::sandbox::Message;
use opsgram::store::Store;
use opsgram::store::samples::{self, Point, Step, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const HOST: &str = "web";
/// The beginning of a quarter of an hour.
const BEGIN: Millis = Millis(1_800_000_000_000);

/// Waits until the bot has looked at the machine twice, so that it knows rates.
async fn has_rates(world: &World) {
    let mut newest = world.services().samples.subscribe();
    let found =
        newest.wait_for(|sample| sample.as_ref().is_some_and(|sample| sample.cpu.is_some()));
    tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap()
        .unwrap();
}

/// Waits for a message with a picture.
async fn picture(world: &World, chat: i64, after: i32) -> Message {
    let found = |view: &opsgram::sandbox::View<'_>| {
        let mut messages = view.from_bot(chat).filter(|message| message.id > after);
        messages.find(|message| message.document.is_some()).cloned()
    };
    world
        .sandbox
        .wait(PATIENCE, "a picture", found)
        .await
        .unwrap()
}

fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    let reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    (reader.info().width, reader.info().height)
}

on_both! {
    /// `/status` tells rates from memory, and its buttons bring pictures.
    async fn the_status_brings_charts(world) {
        world.set("monitored_devices: [{name: root, path: /, alert_threshold: 90}]");
        world.start().await;
        has_rates(&world).await;
        let all = world.asks(CLEO, CLEO, "/status").await;
        for part in ["up ", "CPU ", "Load ", "Memory ", "root ", "🌐 ↓ ", "No jobs are running."] {
            assert!(all.text.contains(part), "{part}: {}", all.text);
        }
        assert!(all.text.lines().count() <= 14, "{}", all.text);
        let mut last = all.id;
        for (label, name) in [("1 h", "all-1h.png"), ("24 h", "all-24h.png"), ("7 d", "all-7d.png")] {
            world.presses(CLEO, &all, label).await;
            let message = picture(&world, CLEO, last).await;
            last = message.id;
            let document = message.document.unwrap();
            assert!(document.photo, "{label} is shown, not offered as a file");
            assert_eq!(size_of_png(&document.bytes), opsgram::monitors::chart::SIZE);
            assert!(message.text.contains(&format!("last {label}")), "{}", message.text);
            assert!(name.starts_with("all-"));
        }
        for part in ["cpu", "mem", "du", "net"] {
            let told = world.asks(CLEO, CLEO, &format!("/status {part}")).await;
            world.presses(CLEO, &told, "1 h").await;
            picture(&world, CLEO, told.id).await;
        }
        world.quiet().await;
        assert_eq!(world.audited("status.chart", "allowed").await.len(), 7);
        world.polite();
    }
}

on_both! {
    /// The chart of an alert has lines where its check begins to be bad, also where nobody wrote that check.
    async fn charts_have_the_levels_of_the_checks(world) {
        let store = world.database().await;
        let empty = world.path().join("empty.yaml");
        std::fs::write(&empty, "").unwrap();
        let config = opsgram::config::load(&empty, &opsgram::config::Env::default()).unwrap().config;
        let files = opsgram::jobs::Files::new(world.path().join("logs"), world.path().join("work"));
        let charts = Charts::new(store.clone(), Live::new(config), Arc::new(files));
        let now = Millis::now();
        let host = opsgram::drivers::host::name();
        let mut tx = store.begin().await.unwrap();
        let values = [("memory", 95.0), ("disk:/", 40.0), ("load5", 1.0)].map(|(name, value)| (name.to_owned(), value));
        samples::add(&mut tx, &host, "boot", now, &values).await.unwrap();
        store.commit(tx).await.unwrap();
        let cores = f64::from(u32::try_from(opsgram::drivers::host::cores()).unwrap());
        for (subject, unit, levels) in [
            (Subject::Memory, Unit::Percent, vec![(92.0, Severity::Warning), (98.0, Severity::Critical)]),
            (Subject::All, Unit::Percent, vec![(92.0, Severity::Warning), (98.0, Severity::Critical)]),
            (Subject::Disks, Unit::Percent, vec![(90.0, Severity::Warning), (97.0, Severity::Critical)]),
            (Subject::Load, Unit::Number, vec![(4.0 * cores, Severity::Warning), (8.0 * cores, Severity::Critical)]),
            (Subject::Network, Unit::BytesPerSecond, vec![]),
        ] {
            let until = now.plus(Duration::from_secs(1));
            let wanted = Wanted { subject, span: Span::Hour, until, host: host.clone() };
            let chart = charts.chart(&wanted).await.unwrap();
            let limits: Vec<_> = chart.limits.iter().map(|limit| (limit.value, limit.severity)).collect();
            assert_eq!((chart.unit, limits), (unit, levels), "{subject:?}");
            let dots: usize = chart.lines.iter().map(|line| line.dots.len()).sum();
            assert_eq!(dots, usize::from(subject != Subject::Network), "{subject:?}");
        }
        store.close().await;
    }
}

on_both! {
    /// Each machine that was looked at has a status by its name, and charts; what is no machine is told which there are.
    async fn the_status_of_another_machine_is_asked_for_by_its_name(world) {
        world.start().await;
        let here = opsgram::drivers::host::name();
        let alone = world.asks(CLEO, CLEO, "/status moon").await;
        assert!(alone.text.ends_with("or jobs for a part."), "{}", alone.text);
        let own = world.asks(CLEO, CLEO, &format!("/status {}", here.to_uppercase())).await;
        assert!(own.text.starts_with(&format!("🖥 {here} · up ")) && own.text.contains("No jobs are running."), "{}", own.text);
        let store = world.services().store.clone();
        let mut tx = store.begin().await.unwrap();
        let ago = Millis::now().minus(Duration::from_secs(600));
        let values = [("memory", 95.0), ("disk:/", 40.2), ("uptime", 7200.0)].map(|(name, value)| (name.to_owned(), value));
        samples::add(&mut tx, "Web-2", "boot", ago, &values).await.unwrap();
        samples::add(&mut tx, "old", "boot", ago.minus(Duration::from_secs(7 * 3600)), &values).await.unwrap();
        samples::roll(&mut tx, "old", ago).await.unwrap();
        samples::prune(&mut tx, Millis::now()).await.unwrap();
        store.commit(tx).await.unwrap();
        let other = world.asks(CLEO, CLEO, "/status web-2").await;
        let lines: Vec<&str> = other.text.lines().collect();
        assert_eq!(lines[0], "🖥 Web-2 · up 2 h");
        assert!(lines[1].starts_with("🕓 As it was 10 m"), "{}", other.text);
        // No check looks there in this world, so what is usual counts.
        assert_eq!(lines[2..], ["🔴 Memory 95 %", "🟢 / 41 %"]);
        world.presses(CLEO, &other, "24 h").await;
        let chart = picture(&world, CLEO, other.id).await;
        assert_eq!(chart.text, "CPU and memory of Web-2, last 24 h");
        world.presses(CLEO, &other, "Refresh").await;
        let old = world.asks(CLEO, CLEO, "/status old").await;
        assert_eq!(old.text, "🖥 old was not looked at in the last 6 hours.");
        let wrong = world.asks(CLEO, CLEO, "/status moon").await;
        let names = format!("For a machine, write its name: {here}, Web-2, old.");
        assert!(wrong.text.ends_with(&names), "{}", wrong.text);
        let forged = world.forges(CLEO, CLEO, "chart:all:1h:moon").await;
        assert!(forged.unwrap().contains("Nothing is kept of that machine"));
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// `/top` shows names and numbers, never arguments, and its buttons change the order.
    async fn top_shows_what_takes_the_most(world) {
        world.start().await;
        let mut child = std::process::Command::new("sleep").arg("31415926").spawn().unwrap();
        let top = world.asks(CLEO, CLEO, "/top").await;
        assert!(top.text.contains("The busiest processes") && top.text.contains("NAME"), "{}", top.text);
        world.presses(CLEO, &top, "Memory").await;
        let by_memory = world.sees(CLEO, "The processes with the most memory").await;
        assert_eq!(by_memory.id, top.id);
        child.kill().unwrap();
        child.wait().unwrap();
        let wrong = world.asks(CLEO, CLEO, "/top moon").await;
        assert_eq!(wrong.text, "Processes are not ordered by “moon”. Write /top cpu or /top mem.");
        assert!(!world.sandbox.from_bot(CLEO).iter().any(|message| message.text.contains("31415926")));
        world.polite();
    }
}

/// What the bot does at a look, each in a transaction that may never be committed.
async fn look(store: &Store, at: Millis, value: f64, killed: bool) {
    let mut tx = store.begin().await.unwrap();
    let values = [("cpu".to_owned(), value), ("cpu.core.0".to_owned(), value)];
    samples::add(&mut tx, HOST, "boot", at, &values)
        .await
        .unwrap();
    samples::roll(&mut tx, HOST, at).await.unwrap();
    if !killed {
        store.commit(tx).await.unwrap();
    }
}

async fn window(store: &Store, name: &str, from: Millis, until: Millis) -> Vec<Point> {
    let mut db = store.read().await.unwrap();
    samples::window(&mut db, HOST, &[name], from, until)
        .await
        .unwrap()
}

/// Numbers that look random and are the same each time.
fn dice(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

on_both! {
    /// Whatever comes in which order, repeated, or killed before its commit: a rolled row is the average, the least and the
    /// greatest of exactly those looks that were committed before its time was over.
    async fn no_look_is_ever_counted_twice(world) {
        let store = world.database().await;
        for seed in 0..3_u64 {
            let mut dice_now = seed + 1;
            let begin = Millis(BEGIN.0 + i64::try_from(seed).unwrap() * 40 * 86_400_000);
            let mut looks: BTreeMap<i64, f64> = BTreeMap::new();
            let mut now = begin;
            for _ in 0..200 {
                let value = f64::from(u32::try_from(dice(&mut dice_now, 1000)).unwrap()) / 10.0;
                let killed = dice(&mut dice_now, 5) == 0;
                look(&store, now, value, killed).await;
                let slot = now.0 - now.0.rem_euclid(10_000);
                if !killed {
                    looks.entry(slot).or_insert(value);
                }
                // Mostly ten seconds on; at times the same again, or after a pause.
                let seconds = match dice(&mut dice_now, 12) {
                    0 => 0,
                    1 => 3,
                    2 => 45,
                    3 => 400,
                    _ => 10,
                };
                now = Millis(now.0 + seconds * 1000);
            }
            let end = Millis(now.0 + 1_000_000);
            look(&store, end, 1.0, false).await;
            for (step, width) in [(Step::Minute, 60_000), (Step::Quarter, 900_000)] {
                let rows = {
                    // A stretch that only this step fits.
                    let long = match step {
                        Step::Minute => Duration::from_secs(24 * 3600),
                        Step::Look | Step::Quarter => Duration::from_secs(30 * 24 * 3600),
                    };
                    let mut rows = window(&store, "cpu", end.minus(long), end).await;
                    rows.retain(|row| row.step == step && row.at >= begin);
                    rows
                };
                let mut expected: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
                for (at, value) in &looks {
                    expected.entry(at - at.rem_euclid(width)).or_default().push(*value);
                }
                assert_eq!(rows.len(), expected.len(), "{step:?} of {seed}");
                for (row, (at, values)) in rows.iter().zip(&expected) {
                    let Value { avg, min, max } = row.values[0].unwrap();
                    assert_eq!(row.at.0, *at);
                    let mean = values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap());
                    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                    let most = values.iter().copied().fold(0.0, f64::max);
                    // Rows hold a digit or two after the point.
                    for (is, right) in [(avg, mean), (min, least), (max, most)] {
                        assert!((is - right).abs() < 0.25, "{step:?} of {seed}: {row:?}, not {mean} {least} {most}");
                    }
                }
            }
        }
        store.close().await;
    }
}

on_both! {
    /// What is older than it is kept goes, also of a machine that is gone; what a wrong clock left goes when it is too much.
    async fn old_samples_are_removed(world) {
        let store = world.database().await;
        for minute in 0..40 {
            look(&store, BEGIN.plus(Duration::from_secs(minute * 60)), 5.0, false).await;
        }
        let mut tx = store.begin().await.unwrap();
        let later = |hours: u64| BEGIN.plus(Duration::from_secs(hours * 3600));
        samples::add(&mut tx, "gone", "boot", BEGIN, &[("cpu".to_owned(), 1.0)]).await.unwrap();
        assert_eq!(samples::hosts(&mut tx).await.unwrap(), ["gone", HOST]);
        assert_eq!(samples::prune(&mut tx, later(6)).await.unwrap(), 0);
        // 40 looks and the other machine's.
        assert_eq!(samples::prune(&mut tx, later(7)).await.unwrap(), 41);
        assert_eq!(samples::newest(&mut tx, HOST, later(7)).await.unwrap(), None);
        assert_eq!(samples::prune(&mut tx, later(7 * 24 + 1)).await.unwrap(), 39, "minutes");
        assert_eq!(samples::prune(&mut tx, later(366 * 24)).await.unwrap(), 2, "quarters");
        assert_eq!(samples::prune(&mut tx, later(410 * 24)).await.unwrap(), 0);
        assert_eq!(samples::hosts(&mut tx).await.unwrap(), [""; 0], "and what their series were called");
        // A clock of the year 2100.
        let wrong = Millis(4_102_444_800_000);
        for look in 0..2600 {
            let at = wrong.plus(Duration::from_secs(look * 10));
            samples::add(&mut tx, HOST, "boot", at, &[("cpu".to_owned(), 1.0)]).await.unwrap();
        }
        assert_eq!(samples::prune(&mut tx, BEGIN).await.unwrap(), 2600);
        store.commit(tx).await.unwrap();
        store.close().await;
    }
}

on_both! {
    /// The newest look has its values by name; a stretch has the step that fits it, and what is not rolled up yet beside it.
    async fn a_window_has_the_step_that_fits(world) {
        let store = world.database().await;
        for ten in 0..200 {
            let at = BEGIN.plus(Duration::from_secs(ten * 10 + 3));
            look(&store, at, 7.5, false).await;
        }
        let end = BEGIN.plus(Duration::from_secs(2000));
        let hour = window(&store, "cpu", end.minus(Duration::from_secs(3600)), end).await;
        assert!(hour.len() == 200 && hour.iter().all(|point| point.step == Step::Look));
        let week = window(&store, "cpu", end.minus(Duration::from_secs(7 * 86400)), end).await;
        let count = |step: Step| week.iter().filter(|point| point.step == step).count();
        // 2,000 s: two quarters, three minutes, two looks.
        assert_eq!((count(Step::Quarter), count(Step::Minute), count(Step::Look)), (2, 3, 2));
        assert!(week.windows(2).all(|two| two[0].at.plus(two[0].step.width()) == two[1].at));
        assert!(week.iter().all(|point| point.values == [Some(Value::of(7.5))]));
        // Single processors are not kept for a year.
        let core = window(&store, "cpu.core.0", end.minus(Duration::from_secs(7 * 86400)), end).await;
        assert_eq!(core[0].values, [None]);
        assert_eq!(core[2].values, [Some(Value::of(7.5))]);
        let mut db = store.read().await.unwrap();
        let newest = samples::newest(&mut db, HOST, end).await.unwrap().unwrap();
        assert_eq!((newest.at, newest.boot.as_str()), (BEGIN.plus(Duration::from_secs(1990)), "boot"));
        assert_eq!(newest.values, [("cpu".to_owned(), 7.5), ("cpu.core.0".to_owned(), 7.5)]);
        assert_eq!(samples::newest(&mut db, "other", end).await.unwrap(), None);
        drop(db);
        store.close().await;
    }
}

on_both! {
    /// The bot writes its looks down by itself, and a chart asked for before a crash arrives after it.
    async fn looks_are_written_down(world) {
        world.start().await;
        has_rates(&world).await;
        let host = opsgram::drivers::host::name();
        let store = world.services().store.clone();
        let mut db = store.read().await.unwrap();
        let newest = samples::newest(&mut db, &host, Millis::now()).await.unwrap().unwrap();
        drop(db);
        let names: Vec<_> = newest.values.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["load1", "memory", "swap", "uptime", "disk:/", "inodes:/", "free:/"] {
            assert!(names.contains(&name) || name == "inodes:/", "{name}: {names:?}");
        }
        assert_eq!(newest.boot.len(), 36);
        let viewer = world.asks(BEN, BEN, "/status net").await;
        assert!(viewer.text.contains("received"), "{}", viewer.text);
    }
}
