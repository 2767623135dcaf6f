//! The lines of the status as a phone gets them.

use super::*;
use crate::base::text::plain_of_html;
use crate::base::time::Millis;
use crate::drivers::host::{Cpu, Inodes, Io, Memory, Net, Swap, Temperature};
use std::path::PathBuf;
use std::time::Duration;

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

fn whole(devices: &[Device], sample: &Sample) -> String {
    let mut lines = vec![title(sample)];
    lines.extend(cpu(sample));
    lines.push(load(sample));
    lines.extend(memory(sample));
    lines.extend(disks(devices, sample));
    lines.extend(network(sample));
    lines.extend(temperature(sample));
    lines.join("\n")
}

#[test]
fn a_quiet_machine_in_few_lines() {
    assert_eq!(
        plain_of_html(&whole(&[], &sample())),
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
    let text = whole(&[], &sample);
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
    let closely = cpu_closely(&sample).join("\n");
    assert!(
        closely.contains("97 · … ") || closely.ends_with("97 · …"),
        "{closely}"
    );
}

#[test]
fn a_first_look_says_that_rates_come_soon() {
    let mut sample = sample();
    (sample.cpu, sample.io, sample.net, sample.temperature) = (None, None, None, None);
    let text = whole(&[], &sample);
    assert!(!text.contains("CPU") && !text.contains("🌐") && !text.contains("🌡"));
    assert!(cpu_closely(&sample)[0].contains("in a few seconds"));
    assert!(network_closely(&sample).contains("in a few seconds"));
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
        disks(&devices, &sample),
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
    assert_eq!(disks(&devices[1..2], &sample).len(), 1);
}

#[test]
fn of_many_disks_the_fullest_are_shown_and_the_message_stays_short() {
    let mut sample = sample();
    sample.disks = (0..8)
        .map(|n| mount(&format!("/disk{n}"), 10 * n))
        .collect();
    let lines = disks(&[], &sample);
    assert!(
        lines[0].contains("/disk7") && lines[4].contains("/disk3"),
        "{lines:?}"
    );
    assert_eq!(lines[5], "… and 3 more: /status du");
    assert_eq!(disks_closely(&[], &sample).len(), 9);
    assert!(whole(&[], &sample).lines().count() <= 13);
}
