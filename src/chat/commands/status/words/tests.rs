//! The lines of the status as a phone gets them.

use super::*;
use crate::base::text::plain_of_html;
use crate::base::time::Millis;
use crate::config::{Env, load as load_file};
use crate::drivers::host::{Cpu, Inodes, Io, Memory, Net, Swap, Temperature};
use crate::monitors::levels::Machine;
use crate::store::samples::Newest;
use std::path::PathBuf;

fn mount(path: &str, percent: u8) -> Mount {
    Mount {
        path: PathBuf::from(path),
        disk: Ok(Disk {
            total: 100_000_000_000,
            used: u64::from(percent) * 1_000_000_000,
            available: (100 - u64::from(percent)) * 1_000_000_000,
            percent,
            share: f64::from(percent),
            inodes: Some(Inodes {
                total: 100,
                used: u64::from(percent),
            }),
        }),
    }
}

fn sample() -> Sample {
    Sample {
        at: Millis(0),
        host: "web<1>".to_owned(),
        boot: String::new(),
        uptime: Duration::from_secs(3 * 86400 + 4 * 3600),
        cores: 2,
        cpu: Some(Cpu {
            total: 12.4,
            cores: vec![20.0, 4.8],
            iowait: 0.5,
            steal: 0.0,
        }),
        load: [0.5, 2.5, 0.31],
        memory: Memory {
            total: 8_000_000_000,
            used: 3_400_000_000,
            available: 4_600_000_000,
        },
        swap: Swap {
            total: 2_000_000_000,
            used: 0,
        },
        disks: vec![mount("/", 43)],
        io: Some(Io {
            read: 0.0,
            written: 1_234_567.0,
        }),
        net: Some(Net {
            received: 1_500_000.0,
            sent: 300.0,
        }),
        temperature: Some(Temperature {
            celsius: 54.3,
            sensor: "Package id 0".to_owned(),
        }),
    }
}

fn device(name: &str, path: &str, alert_threshold: u8) -> Device {
    Device {
        name: name.to_owned(),
        path: PathBuf::from(path),
        alert_threshold,
    }
}

fn whole(levels: &Levels, devices: &[Device], sample: &Sample) -> String {
    let mut lines = vec![title(sample)];
    lines.extend(cpu(levels, sample));
    lines.push(load(levels, sample));
    lines.extend(memory(levels, sample));
    lines.extend(disks(levels, devices, sample));
    lines.extend(network(levels, sample));
    lines.extend(temperature(levels, sample));
    lines.join("\n")
}

/// Where no check looks.
fn none() -> Levels {
    Levels::default()
}

/// The levels of this configuration for the machine of the sample.
async fn levels(yaml: &str, sample: &Sample) -> Levels {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("opsgram.yaml");
    std::fs::write(&file, yaml).unwrap();
    let config = load_file(&file, &Env::default()).unwrap().config;
    let disks: Vec<_> = sample.disks.iter().map(|one| one.path.clone()).collect();
    let machine = Machine {
        cores: Some(sample.cores),
        disks: &disks,
        is_here: false,
    };
    Levels::of(&config, machine).await
}

#[test]
fn a_quiet_machine_in_few_lines() {
    assert_eq!(
        plain_of_html(&whole(&none(), &[], &sample())),
        "🖥 web<1> · up 3 d 4 h\n\
         🟢 CPU 12 %\n\
         🔴 Load 0.50 · 2.50 · 0.31 on 2 cores\n\
         🟢 Memory 42 % · 3.4 GB of 8 GB\n\
         🟢 / 43 % · 57 GB free of 100 GB\n\
         🌐 ↓ 1.5 MB/s · ↑ 300 B/s\n\
         🌡 54 °C · Package id 0"
    );
}

#[test]
fn what_is_much_is_told_and_marked() {
    let mut sample = sample();
    sample.cpu = Some(Cpu {
        total: 97.0,
        cores: vec![97.0; 40],
        iowait: 30.0,
        steal: 11.0,
    });
    sample.swap.used = 1_000_000_000;
    sample.memory.used = 7_500_000_000;
    sample.cores = 1;
    let text = whole(&none(), &[], &sample);
    for part in [
        "🔴 CPU 97 %",
        "🟡 Waiting for disks 30 %",
        "🟡 Taken by the host 11 %",
        "🔴 Memory 94 %",
        "🟢 Swap 50 %",
        "on one core",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let closely = cpu_closely(&none(), &sample).join("\n");
    assert!(
        closely.contains("97 · … ") || closely.ends_with("97 · …"),
        "{closely}"
    );
}

#[test]
fn a_first_look_says_that_rates_come_soon() {
    let mut sample = sample();
    (sample.cpu, sample.io, sample.net, sample.temperature) = (None, None, None, None);
    let text = whole(&none(), &[], &sample);
    assert!(!text.contains("CPU") && !text.contains("🌐") && !text.contains("🌡"));
    assert!(cpu_closely(&none(), &sample)[0].contains("in a few seconds"));
    assert!(network_closely(&none(), &sample).contains("in a few seconds"));
}

#[test]
fn disks_have_the_names_and_thresholds_of_the_configuration() {
    let mut sample = sample();
    sample.disks = vec![
        mount("/", 80),
        mount("/b", 79),
        mount("/c", 92),
        Mount {
            path: PathBuf::from("/gone"),
            disk: Err("/gone cannot be read: <why>".to_owned()),
        },
    ];
    let devices = [
        device("<root>", "/", 80),
        device("b", "/b", 84),
        device("c", "/c", 98),
        device("gone", "/gone", 80),
    ];
    assert_eq!(
        disks(&none(), &devices, &sample),
        [
            "🔴 &lt;root&gt; 80 % · 20 GB free of 100 GB",
            "🟡 &lt;root&gt; holds 80 % of the files it can",
            "🟡 b 79 % · 21 GB free of 100 GB",
            "🟢 c 92 % · 8 GB free of 100 GB",
            "🔴 c holds 92 % of the files it can",
            "🔴 gone cannot be read: /gone cannot be read: &lt;why&gt;",
        ]
    );
    // What is configured hides what was found beside it.
    assert_eq!(disks(&none(), &devices[1..2], &sample).len(), 1);
}

#[test]
fn of_many_disks_the_fullest_are_shown_and_the_message_stays_short() {
    let mut sample = sample();
    sample.disks = (0..8)
        .map(|n| mount(&format!("/disk{n}"), 10 * n))
        .collect();
    let lines = disks(&none(), &[], &sample);
    assert!(
        lines[0].contains("/disk7") && lines[4].contains("/disk3"),
        "{lines:?}"
    );
    assert_eq!(lines[5], "… and 3 more: /status du");
    assert_eq!(disks_closely(&none(), &[], &sample).len(), 9);
    assert!(whole(&none(), &[], &sample).lines().count() <= 13);
}

#[tokio::test]
async fn marks_are_those_of_the_checks_where_there_are_any() {
    let mut sample = sample();
    sample.disks = vec![mount("/", 85), mount("/data", 85)];
    sample.memory.used = 7_300_000_000;
    sample.swap.used = 1_900_000_000;
    // With an empty file, the disk of / is bad from 90 on, memory from 92 on, load from 4 a core on; of another disk, swap
    // and CPU nothing is said.
    let text = whole(&levels("", &sample).await, &[], &sample);
    for part in [
        "🟢 / 85 %",
        "🔴 /data 85 %",
        "🟢 Memory 91 %",
        "🟢 Load",
        "🟢 Swap 95 %",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let strict = "
checks:
  disk: {warn: 70}
  data: {kind: disk, path: /data, measure: free, warn: 20GB, crit: 10GB}
  inodes: {kind: disk, path: /data, measure: inodes, warn: 60, crit: 99}
  memory: {warn: 80, crit: 90}
  swap: {kind: swap}
  cpu: {kind: cpu, warn: 10, crit: 50}
  in: {kind: throughput, measure: net_in, crit: 1MB}
  heat: {kind: temperature, warn: 50}
";
    let found = levels(strict, &sample).await;
    let text = whole(&found, &[], &sample);
    for part in [
        "🟠 / 85 %",
        "🟠 /data 85 %",
        "🟠 /data holds 85 % of the files it can",
        "🔴 Memory 91 %",
        "🔴 Swap 95 %",
        "🟠 CPU 12 %",
        "🔴 🌐 ↓ 1.5 MB/s",
        "🟠 🌡 54 °C",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A check of the room for files alone says nothing of how full the disk is.
    sample.disks = vec![mount("/data", 40)];
    let text = whole(&found, &[], &sample);
    assert!(
        text.contains("🟢 /data 40 %") && !text.contains("holds"),
        "{text}"
    );
}

#[tokio::test]
async fn of_many_disks_those_that_a_check_finds_bad_are_shown() {
    let mut sample = sample();
    sample.disks = (0..8)
        .map(|n| mount(&format!("/disk{n}"), 10 * n))
        .collect();
    let found = levels(
        "checks: {low: {kind: disk, path: /disk1, warn: 5}}",
        &sample,
    )
    .await;
    let lines = disks(&found, &[], &sample);
    assert!(lines[0].starts_with("🟠 /disk1 10 %"), "{lines:?}");
}

#[tokio::test]
async fn another_machine_is_told_as_far_as_it_was_written_down() {
    let values = [
        ("cpu", 12.4),
        ("cpu.iowait", 15.0),
        ("cpu.steal", 0.0),
        ("load1", 0.5),
        ("load5", 2.5),
        ("load15", 0.31),
        ("memory", 91.6),
        ("swap", 0.0),
        ("net.rx", 1_500_000.0),
        ("net.tx", 300.0),
        ("temperature", 54.3),
        ("uptime", 273_600.0),
        ("disk:/", 85.2),
        ("inodes:/", 12.0),
        ("free:/", 5e9),
        ("disk:/data", 30.0),
    ];
    let newest = Newest {
        at: Millis(0),
        boot: String::new(),
        values: values
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
    };
    let found = levels("", &sample()).await;
    let by = (&found, [device("data", "/data", 80)]);
    let by = (by.0, by.1.as_slice());
    let lines = elsewhere(("web<2>", Some(2)), &newest, by, Millis(60_000));
    let text = plain_of_html(&lines.join("\n"));
    assert_eq!(
        text,
        "🖥 web<2> · up 3 d 4 h\n\
         🟢 CPU 12 %\n\
         🟡 Waiting for disks 15 %\n\
         🟢 Load 0.50 · 2.50 · 0.31 on 2 cores\n\
         🟢 Memory 92 %\n\
         🟢 / 86 % · 5 GB free\n\
         🟢 data 30 %\n\
         🌐 ↓ 1.5 MB/s · ↑ 300 B/s\n\
         🌡 54 °C"
    );
    let late = elsewhere(("web", None), &newest, by, Millis(300_000));
    assert_eq!(late[1], "🕓 As it was 5 m ago");
    assert!(
        late.contains(&"🟢 Load 0.50 · 2.50 · 0.31".to_owned()),
        "{late:?}"
    );
}
