//! Rehearsals: what a check would have told of the samples that are kept, in the chat.

use crate::harness::{CLEO, STRANGER, UNWATCHED, World};
use crate::on_both;
use opsgram::base::time::Millis;
use opsgram::chat::commands::jobs::clock;
use opsgram::drivers::host;
use opsgram::store::Store;
use opsgram::store::samples::{self, Step};
use std::time::Duration;

/// No machine is so hot that its own samples tell anything by these rules.
const CHECKS: &str = "  hot: {kind: temperature, warn: 1000, crit: 2000, for: 5m, every: 10s}
  melting: {kind: temperature, warn: 3000, for: 5m}
  sudden: {kind: temperature, warn: 2200, for: 1h}
  busy: {kind: temperature, warn: 1000, for: 0s, repeat: {warning: 1m}}
  core: {kind: temperature, sensor: core, for: 1h}
  uplink: {kind: throughput, measure: net_in, device: eth7, warn: 1GB, for: 1h}
  backup-disk: {kind: disk, path: /no/such/disk, for: 1h}
  web-unit: {kind: unit, units: [nginx], for: 1h}
";

const MINUTE: Duration = Duration::from_secs(60);

/// Looks from a moment on, ten seconds apart: so many minutes of each temperature.
async fn was(store: &Store, from: Millis, story: &[(f64, u32)]) -> Millis {
    let host = host::name();
    let mut tx = store.begin().await.unwrap();
    let mut at = from;
    for (celsius, minutes) in story {
        for _ in 0..minutes * 6 {
            let values = [("temperature".to_owned(), *celsius)];
            samples::add(&mut tx, &host, "boot", at, &values)
                .await
                .unwrap();
            at = at.plus(Duration::from_secs(10));
        }
    }
    store.commit(tx).await.unwrap();
    at
}

/// A machine that was hot ten days ago, of which only averages are left, and twice today.
async fn heat(world: &mut World) -> (Millis, Millis) {
    let store = world.database().await;
    let host = host::name();
    let now = Millis::now();
    let long_ago = Step::Quarter.start(now.minus(MINUTE * 60 * 24 * 10));
    let end = was(&store, long_ago, &[(40.0, 15), (1500.0, 30), (40.0, 15)]).await;
    let mut tx = store.begin().await.unwrap();
    samples::roll(&mut tx, &host, end.plus(MINUTE * 30))
        .await
        .unwrap();
    samples::prune(&mut tx, now).await.unwrap();
    store.commit(tx).await.unwrap();
    let today = Step::Quarter.start(now.minus(MINUTE * 180));
    let story = [
        (40.0, 30),
        (1500.0, 20),
        (2500.0, 10),
        (40.0, 30),
        (1200.0, 10),
        (40.0, 10),
    ];
    was(&store, today, &story).await;
    store.close().await;
    (long_ago, today)
}

on_both! {
    /// The messages of three incidents, with their times; the oldest from what averages tell.
    async fn a_rehearsal_names_the_messages(world) {
        world.set(&format!("checks:\n{CHECKS}{UNWATCHED}"));
        let (long_ago, today) = heat(&mut world).await;
        world.start().await;
        let told = world.asks(CLEO, CLEO, "/alerts test hot").await.text;
        let now = Millis::now();
        let host = host::name();
        let at = |from: Millis, seconds: u64| clock(from.plus(Duration::from_secs(seconds)), now);
        for part in [
            "🧪 hot: warning from 1000 °C, critical from 2000 °C, for 5 m".to_owned(),
            format!(
                "Tried on temperature of {host}, as kept: 15 m averages from {}, every 10 s from {}",
                at(long_ago, 0),
                at(today, 0)
            ),
            "It would have told: 3 × begins, 1 × becomes critical, 3 × recovers".to_owned(),
            format!("🟠 {} begins · 1500 °C (warning from 1000 °C)", at(long_ago, 20 * 60 + 10)),
            format!("✅ {} recovers after 30 m, worst 1500 °C", at(long_ago, 45 * 60)),
            format!("🟠 {} begins · 1500 °C (warning from 1000 °C)", at(today, 35 * 60 + 10)),
            format!("🔴 {} becomes critical · 2500 °C (critical from 2000 °C)", at(today, 55 * 60)),
            format!("✅ {} recovers after 30 m, worst 2500 °C", at(today, 60 * 60)),
            format!("🟠 {} begins · 1200 °C (warning from 1000 °C)", at(today, 95 * 60 + 10)),
            format!("✅ {} recovers after 10 m, worst 1200 °C", at(today, 100 * 60)),
            "Averages level short peaks.".to_owned(),
        ] {
            assert!(told.contains(&part), "{part}\nis not in\n{told}");
        }
        let melting = world.asks(CLEO, CLEO, "/alerts TEST Melting").await.text;
        let highest = at(today, 50 * 60);
        let word = if highest.contains(' ') { "on" } else { "at" };
        let closest = format!("It would have told nothing.\nIt came closest {word} {highest}, with 2500 °C.");
        assert!(melting.contains(&closest), "{melting}");
        let sudden = world.asks(CLEO, CLEO, "/alerts test sudden").await.text;
        assert!(sudden.contains("That is warning, but did not last long enough."), "{sudden}");
        // More than a message holds: all are counted, the newest are named.
        let busy = world.asks(CLEO, CLEO, "/alerts test busy").await.text;
        assert!(busy.contains("3 × begins, ") && busy.contains(" earlier ones"), "{busy}");
        assert_eq!(busy.lines().filter(|line| line.starts_with(['🟠', '✅'])).count(), 10, "{busy}");
        // It is a rehearsal: nobody was told, and nothing is known to be wrong; most of these checks cannot be read here.
        let alerts = world.asks(CLEO, CLEO, "/alerts").await.text;
        assert!(alerts.starts_with("Nothing is known to be wrong") && !alerts.contains(['🟠', '🔴']), "{alerts}");
        assert_eq!(world.audited("alert.test", "allowed").await.len(), 4);
        world.polite();
    }
}

on_both! {
    /// What cannot be rehearsed says why, and which checks can.
    async fn what_cannot_be_rehearsed_says_why(world) {
        world.set(&format!("checks:\n{CHECKS}{UNWATCHED}"));
        world.start().await;
        for (typed, answer) in [
            ("web-unit", "web-unit cannot be rehearsed: it is of kind unit, of which nothing is kept. These kinds can: cpu, load, memory, swap, disk, throughput, temperature."),
            ("core", "only of the hottest sensor. A check of all sensors can."),
            ("uplink", "of eth7 alone nothing is kept"),
            ("backup-disk", "of the disk at /no/such/disk nothing is kept. Name it under monitored_devices"),
            ("mleting", "There is no check “mleting”. Did you mean melting?"),
            ("database", "There is no check “database”. /alerts test names those that can be rehearsed."),
            ("", "Write /alerts test with one check: backup-disk, busy, core, hot, melting, sudden, uplink."),
            ("hot melting", "Write /alerts test with one check: "),
        ] {
            let told = world.asks(CLEO, CLEO, &format!("/alerts test {typed}")).await.text;
            assert!(told.contains(answer), "{typed}: {told}");
        }
        let wrong = world.asks(CLEO, CLEO, "/alerts tset hot").await.text;
        assert!(wrong.contains("/alerts test with a check"), "{wrong}");
        let help = world.asks(CLEO, CLEO, "/help alerts").await.text;
        assert!(help.contains("[history | number | check | test check]"), "{help}");
        world.say(STRANGER, "/alerts test hot");
        world.quiet().await;
        assert_eq!(world.count(STRANGER, "hot"), 0);
        world.polite();
    }
}
