//! Rehearsals of series with a known story, and of any story beside what the live loop makes of it.

use super::super::source::Reads;
use super::*;
use crate::base::alert::{Change, Unit};
use crate::config::{self, Env, Live};
use crate::monitors::Ledger;
use crate::monitors::board::Board;
use crate::monitors::probe::Prober;
use crate::monitors::watch::Watch;
use crate::store::samples::{Step, Value};
use crate::store::{self, Location, Store, Tx};
use futures::future::BoxFuture;
use proptest::prelude::*;
use std::sync::{Mutex, PoisonError};

const BEGIN: Millis = Millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(10);

/// A series whose values are what the check looks at.
fn plain(series: &str) -> Source {
    Source {
        series: series.to_owned(),
        reads: Reads::Share(1.0),
    }
}

/// The only check of a configuration.
fn read(dir: &std::path::Path, yaml: &str) -> config::Config {
    let file = dir.join("opsgram.yaml");
    std::fs::write(
        &file,
        format!("base_dir: {}\nchecks: {{x: {yaml}}}\n", dir.display()),
    )
    .unwrap();
    let loaded = config::load(&file, &Env::default());
    let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    config.checks.retain(|name, _| name.as_str() == "x");
    config
}

fn check(yaml: &str) -> Check {
    let dir = tempfile::tempdir().unwrap();
    let mut checks = read(dir.path(), yaml).checks.into_values();
    checks.next().unwrap()
}

/// Rows of a step, one after the other: so many of each value.
fn rows(step: Step, runs: &[(f64, usize)]) -> Vec<Past> {
    let mut at = BEGIN;
    let mut rows = Vec::new();
    for (value, count) in runs {
        for _ in 0..*count {
            let until = at.plus(step.width());
            rows.push(Past {
                at,
                until,
                step,
                value: value.is_finite().then(|| Value::of(*value)),
            });
            at = until;
        }
    }
    rows
}

/// What was told: seconds from the beginning, what, with a sound or not, and the worst value.
fn told(played: &Played) -> Vec<(u64, What, bool, Option<f64>)> {
    let events = played.newest.iter();
    events
        .map(|event| {
            let seconds = event.at.since(BEGIN).as_secs();
            (seconds, event.what, event.rings, event.worst)
        })
        .collect()
}

#[test]
fn two_incidents_are_told_as_they_were() {
    let check =
        check("{kind: cpu, warn: 90, crit: 97, for: 5m, every: 10s, repeat: {critical: 1h}}");
    // In looks of 10 s: 10 min calm, 20 min 92 %, 150 min 98 %, 20 min calm, 3 min 99 %, 27 min calm, 10 min 93.5 %.
    let runs = [
        (50.0, 60),
        (92.0, 120),
        (98.0, 900),
        (50.0, 120),
        (99.0, 18),
        (50.0, 162),
        (93.5, 60),
        (50.0, 60),
    ];
    let past = rows(Step::Look, &runs);
    let played = play(&check, "here", WAIT, &plain("cpu"), &past);
    let expected = [
        (910, What::Begins, true, Some(92.0)),
        (2100, What::Worsens, true, Some(98.0)),
        (5700, What::GoesOn, true, Some(98.0)),
        (9300, What::GoesOn, true, Some(98.0)),
        (10_800, What::Recovers, false, Some(98.0)),
        (14_110, What::Begins, true, Some(93.5)),
        (14_400, What::Recovers, false, Some(93.5)),
    ];
    assert_eq!(told(&played), expected);
    let lasted: Vec<_> = played
        .newest
        .iter()
        .filter_map(|event| {
            Some(
                event
                    .incident
                    .cleared?
                    .since(event.incident.began)
                    .as_secs(),
            )
        })
        .collect();
    assert_eq!(lasted, [10_200, 600]);
    assert_eq!(played.counts[&What::GoesOn], 2);
    let worst = BEGIN.plus(Duration::from_secs(12_000));
    assert_eq!((played.worst, played.lasting), (Some((worst, 99.0)), None));
}

#[test]
fn what_is_short_or_hardly_over_is_told_as_by_the_rule() {
    let check = check("{kind: memory, warn: 90, crit: 97, clear_warn: 85, for: 0s, every: 10s}");
    let source = plain("memory");
    let of = |runs: &[(f64, usize)]| {
        told(&play(
            &check,
            "here",
            Duration::ZERO,
            &source,
            &rows(Step::Look, runs),
        ))
    };
    // 87 % is not over yet.
    let two = of(&[(50.0, 6), (91.0, 1), (87.0, 6), (91.0, 1), (80.0, 2)]);
    let times: Vec<_> = two.iter().map(|event| (event.0, event.1)).collect();
    assert_eq!(times, [(60, What::Begins), (140, What::Recovers)]);
    // It comes and goes: the fourth time says so, and then nothing rings until it was calm for long.
    let runs: Vec<(f64, usize)> = [(95.0, 6), (50.0, 6)].repeat(40);
    let past = rows(Step::Look, &runs);
    let flapping = play(&check, "here", Duration::ZERO, &source, &past);
    assert_eq!(flapping.counts[&What::Begins], 4, "{flapping:?}");
    assert!(flapping.lasting.unwrap().incident.flapping);
    // What cannot be read is told as a warning, and holds what was told.
    let unread = of(&[(50.0, 6), (f64::NAN, 60), (50.0, 1)]);
    let times: Vec<_> = unread.iter().map(|event| (event.0, event.1)).collect();
    assert_eq!(times, [(70, What::Begins), (660, What::Recovers)]);
}

#[test]
fn averages_are_looked_at_as_if_they_lasted() {
    let check = check("{kind: load, per_core: false, warn: 8, for: 20m, every: 10s}");
    let mut past = rows(Step::Quarter, &[(1.0, 4), (9.0, 2), (1.0, 1)]);
    past[0].value = Some(Value {
        avg: 1.0,
        min: 0.0,
        max: 20.0,
    });
    let source = plain("load5");
    let played = play(&check, "here", WAIT, &source, &past);
    let expected = [
        (3600 + 1210, What::Begins, true, Some(9.0)),
        (3600 + 1800, What::Recovers, false, Some(9.0)),
    ];
    assert_eq!(told(&played), expected);
    // A peak within an average is the worst value, and no reason to tell.
    assert_eq!(played.worst, Some((BEGIN, 20.0)));
    // A look an hour sees one value an hour.
    let hourly = Check {
        every: Duration::from_secs(3600),
        ..check
    };
    let played = play(&hourly, "here", WAIT, &source, &past);
    assert_eq!(told(&played), []);
}

#[test]
fn a_disk_that_fills_is_told_before_it_is_full() {
    let check = check("{kind: disk, path: /, measure: full_in, warn: 24h, crit: 1h, for: 10m}");
    // 1 MB less each minute, of 300 MB.
    let runs: Vec<(f64, usize)> = (0..280).map(|n| (3e8 - f64::from(n) * 1e6, 1)).collect();
    let past = rows(Step::Minute, &runs);
    let left = Source {
        series: "free:/".to_owned(),
        reads: Reads::Left,
    };
    let played = play(&check, "here", WAIT, &left, &past);
    let times: Vec<_> = told(&played)
        .iter()
        .map(|event| (event.0 / 60, event.1))
        .collect();
    assert_eq!(
        times[..2],
        [(20, What::Begins), (250, What::Worsens)],
        "{played:?}"
    );
    let lasting = played.lasting.unwrap();
    assert_eq!(lasting.incident.severity, Severity::Critical);
    assert!(
        (lasting.worst.unwrap() - 21.0 * 60.0).abs() < 1.0,
        "{lasting:?}"
    );
}

#[test]
fn what_eases_repeats_by_its_new_rule_from_then_on() {
    let check = check(
        "{kind: cpu, warn: 90, crit: 97, for: 0s, every: 60s, repeat: {warning: 90s, critical: 4h}}",
    );
    let past = rows(Step::Minute, &[(99.0, 3), (92.0, 1), (10.0, 1)]);
    let played = play(&check, "here", WAIT, &plain("cpu"), &past);
    let times: Vec<_> = told(&played)
        .iter()
        .map(|event| (event.0, event.1))
        .collect();
    let expected = [
        (10, What::Begins),
        (180, What::Eases),
        (180, What::GoesOn),
        (240, What::Recovers),
    ];
    assert_eq!(times, expected);
}

#[test]
fn too_much_to_tell_is_given_up() {
    let check = check("{kind: cpu, warn: 90, for: 0s, repeat: {warning: 1s}}");
    let past = rows(Step::Quarter, &[(95.0, 5000)]);
    let played = play(&check, "here", WAIT, &plain("cpu"), &past);
    assert_eq!(played.counts[&What::GoesOn], MOST - 1);
    assert!(played.given_up.is_some_and(|at| at < past[20].until));
    assert_eq!(played.newest.len(), KEPT);
    let nothing = play(&check, "here", WAIT, &plain("cpu"), &[]);
    assert_eq!(nothing, Played::default());
}

/// Keeps what the live loop tells.
#[derive(Default)]
struct Kept(Mutex<Vec<Change>>);

impl Ledger for Kept {
    fn record<'a>(
        &'a self,
        _: &'a mut Tx,
        changes: &'a [Change],
    ) -> BoxFuture<'a, store::Result<()>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(changes);
        Box::pin(async { Ok(()) })
    }

    fn committed(&self) {}
}

/// What the live loop tells of a file that is as large as the values say, one look a minute.
async fn watched(yaml: &str, past: &[Past]) -> (Check, Vec<Change>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let config = read(
        dir.path(),
        &yaml.replace("FILE", &file.display().to_string()),
    );
    let check = config.checks.values().next().unwrap().clone();
    let store = Store::open(Location::Sqlite(dir.path().join("a.db")))
        .await
        .unwrap();
    let kept = Arc::new(Kept::default());
    let prober = Prober::new(store.clone(), Env::default(), Default::default(), "test");
    let mut watch = Watch::new(
        Live::new(config),
        store.clone(),
        kept.clone(),
        prober,
        "here".to_owned(),
        Board::default(),
    );
    for row in past {
        let size = row.value.map_or(0.0, |value| value.avg);
        std::fs::write(&file, "x".repeat(format!("{size:.0}").parse().unwrap())).unwrap();
        while watch.step(row.at).await.unwrap().under_way > 0 {}
    }
    store.close().await;
    let changes = std::mem::take(&mut *kept.0.lock().unwrap());
    (check, changes)
}

/// What the book of incidents tells of these changes when somebody looks after it every second.
fn live(
    check: &Check,
    changes: &[Change],
    group_wait: Duration,
    past: &[Past],
) -> Vec<(Millis, What)> {
    let mut stage = Stage::new(check, "here", group_wait);
    let (book, scene) = (&mut stage.book, &mut stage.scene);
    let mut changes = changes.iter().peekable();
    let mut severities: BTreeMap<i64, Severity> = BTreeMap::new();
    let mut told = Vec::new();
    let mut messages = 0;
    let mut over = BTreeSet::new();
    let end = past.last().map_or(BEGIN, |row| row.until);
    while scene.now.plus(PACE) < end {
        scene.now = scene.now.max(BEGIN.minus(PACE)).plus(PACE);
        while let Some(change) = changes.next_if(|change| change.at <= scene.now) {
            book.change(change, scene);
        }
        book.tick(scene);
        for message in book.messages.values().skip(messages) {
            for id in &message.members {
                let severity = book.incidents[id].severity;
                told.push((
                    scene.now,
                    match severities.insert(*id, severity) {
                        None => What::Begins,
                        Some(before) if before < severity => What::Worsens,
                        Some(_) => What::GoesOn,
                    },
                ));
            }
        }
        messages = book.messages.len();
        for incident in book.incidents.values() {
            let is_told = severities.contains_key(&incident.id);
            // One that comes back is over once more, later.
            if let Some(cleared) = incident.cleared
                && is_told
                && over.insert((incident.id, cleared))
            {
                told.push((scene.now, What::Recovers));
            }
        }
    }
    told
}

/// Some minutes of one value each, one after the other, at times with a pause in which nobody looks.
fn stories() -> impl Strategy<Value = Vec<Past>> {
    let value = prop_oneof![Just(10.0), Just(75.0), Just(82.0), Just(88.0), Just(95.0)];
    let run = (
        value,
        1_usize..9,
        prop_oneof![9 => Just(0_u64), 1 => 2_u64..30],
    );
    prop::collection::vec(run, 1..14).prop_map(|runs| {
        let mut past: Vec<Past> = Vec::new();
        for (value, count, pause) in runs {
            let begin = past
                .last()
                .map_or(BEGIN, |row| row.until)
                .plus(MINUTE * u32::try_from(pause).unwrap());
            for mut row in rows(Step::Minute, &[(value, count)]) {
                let offset = row.at.since(BEGIN);
                row.at = begin.plus(offset);
                row.until = row.at.plus(MINUTE);
                past.push(row);
            }
        }
        past
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// A rehearsal tells what the live loop and the book of incidents told.
    #[test]
    fn a_rehearsal_tells_what_was_told(
        past in stories(),
        hold in prop_oneof![Just("0s"), Just("2m"), Just("5m")],
        wait in prop_oneof![Just(Duration::ZERO), Just(WAIT)],
        repeat in prop_oneof![Just("never"), Just("7m"), Just("90s")],
    ) {
        let yaml = format!(
            "{{kind: file, path: FILE, measure: size, warn: 80, crit: 90, every: 60s, for: {hold}, repeat: {{warning: {repeat}, critical: 4m}}}}"
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (check, changes) = runtime.block_on(watched(&yaml, &past));
        let expected = live(&check, &changes, wait, &past);
        let played = play(&check, "here", wait, &plain("file"), &past);
        let is_message = |event: &&Event| event.rings || event.what == What::Recovers;
        let newest: Vec<_> = played.newest.iter().filter(is_message).map(|event| (event.at, event.what)).collect();
        for what in [What::Begins, What::GoesOn, What::Recovers] {
            let count = expected.iter().filter(|(_, one)| *one == what).count();
            prop_assert_eq!(played.counts.get(&what).copied().unwrap_or(0), count, "{:?}: {:?}", what, expected);
        }
        prop_assert!(expected.ends_with(&newest), "{:?} {:?}", expected, newest);
    }
}

#[tokio::test]
async fn every_kind_that_can_be_rehearsed_is_found_among_the_samples() {
    use crate::drivers::host::{self, Cpu, Io, Net, Temperature};
    use crate::monitors::sampler;
    let mut host = host::Sampler::new().unwrap();
    let mut sample = host.look(BEGIN, &["/proc".into()]).await.unwrap();
    sample.cpu = Some(Cpu {
        total: 1.0,
        cores: vec![1.0],
        iowait: 0.0,
        steal: 0.0,
    });
    sample.io = Some(Io {
        read: 1.0,
        written: 1.0,
    });
    sample.net = Some(Net {
        received: 1.0,
        sent: 1.0,
    });
    sample.temperature = Some(Temperature {
        celsius: 40.0,
        sensor: "cpu".to_owned(),
    });
    let known = sampler::series(&sample).into_iter().map(|(name, _)| name);
    let known: BTreeSet<String> = known.collect();
    let mut kinds = Vec::new();
    for yaml in [
        "{kind: cpu}",
        "{kind: load}",
        "{kind: load, per_core: false, warn: 4}",
        "{kind: memory}",
        "{kind: swap}",
        "{kind: disk, path: /}",
        "{kind: disk, path: /, measure: free, warn: 1GB}",
        "{kind: disk, path: /, measure: inodes}",
        "{kind: disk, path: /proc/sys, measure: full_in}",
        "{kind: throughput, measure: disk_read, warn: 1MB}",
        "{kind: throughput, measure: disk_write, warn: 1MB}",
        "{kind: throughput, measure: net_in, warn: 1MB}",
        "{kind: throughput, measure: net_out, warn: 1MB}",
        "{kind: temperature}",
    ] {
        let check = check(yaml);
        let found = super::super::source::of(&check, &known).await;
        assert!(found.is_ok(), "{yaml}: {found:?}");
        kinds.push(check.probe.kind());
    }
    assert!(super::super::KINDS.iter().all(|kind| kinds.contains(kind)));
    for yaml in [
        "{kind: unit}",
        "{kind: throughput, measure: net_in, device: eth0, warn: 1MB}",
        "{kind: temperature, sensor: core}",
        "{kind: disk, path: /no/such/disk}",
    ] {
        let refused = super::super::source::of(&check(yaml), &known).await;
        assert!(refused.is_err(), "{yaml}");
    }
}

#[test]
fn what_falls_is_worse_the_lower_it_is() {
    let check = check("{kind: disk, path: /, measure: free, warn: 100, crit: 50, for: 0s}");
    let past = rows(Step::Look, &[(500.0, 2), (70.0, 2), (40.0, 2), (500.0, 1)]);
    let played = play(&check, "here", Duration::ZERO, &plain("free:/"), &past);
    let whats: Vec<_> = played.newest.iter().map(|event| event.what).collect();
    assert_eq!(whats, [What::Begins, What::Worsens, What::Recovers]);
    assert_eq!(played.worst.map(|(_, value)| value), Some(40.0));
    assert_eq!(played.newest[2].incident.unit, Unit::Bytes);
}
