//! The section `checks`: what there is by itself, what a check may say, and what is wrong.

use std::path::Path;
use std::time::Duration;

use super::super::{Check, Config, DiskMeasure, Probe};
use super::Home;
use crate::base::alert::{Severity, Unit};

fn names(config: &Config) -> Vec<&str> {
    // Whether there are these depends on the machine.
    let fixed = |name: &&str| !["data-disk", "units"].contains(name);
    let names = config.checks.keys().map(|name| name.as_str());
    names.filter(fixed).collect()
}

fn check<'a>(config: &'a Config, name: &str) -> &'a Check {
    let mut found = config.checks.values();
    found.find(|check| check.name.as_str() == name).unwrap()
}

const OWN: [&str; 5] = [
    "opsgram-backlog",
    "opsgram-lateness",
    "opsgram-lost-jobs",
    "opsgram-reload",
    "opsgram-undelivered",
];

#[test]
fn an_empty_file_watches_the_machine_and_the_product() {
    let home = Home::new();
    let config = home.good("").config;
    let mut wanted = vec!["disk", "load", "memory"];
    wanted.extend(OWN);
    wanted.push("reboot");
    assert_eq!(names(&config), wanted);
    let disk = check(&config, "disk");
    assert_eq!(
        (disk.limits.warn, disk.limits.crit),
        (Some(90.0), Some(97.0))
    );
    assert_eq!(
        (disk.limits.clear_warn, disk.limits.clear_crit),
        (Some(87.0), Some(94.0))
    );
    assert_eq!(
        (disk.every, disk.hold),
        (Duration::from_secs(10), Duration::from_secs(300))
    );
    assert_eq!(disk.topic.as_str(), "disk");
    assert_eq!(disk.repeat.critical, Some(Duration::from_secs(4 * 3600)));
    assert!(disk.fix.is_none() && disk.notify.is_empty() && disk.lock.is_none());
}

#[test]
fn places_outside_are_watched_where_something_deals_with_them() {
    let home = Home::new();
    let flow = |step: &str, more: &str| {
        format!("workflows: {{f: {{{more} steps: [{{name: a, {step}}}]}}}}\n")
    };
    let github = |more: &str| format!("github: {{repo: ann/site, workflow: ci.yml{more}}}");
    let follows = "after_github: {repo: ann/site, workflow: ci.yml},";
    let cases = [
        (flow("run: [echo]", follows), vec!["opsgram-github"]),
        (flow(&github(", keep: true"), ""), vec!["opsgram-github"]),
        (flow(&github(""), ""), vec![]),
        (
            "alerts: {heartbeat_url: 'http://a.example'}\n".to_owned(),
            vec!["opsgram-heartbeat"],
        ),
    ];
    for (yaml, wanted) in cases {
        let config = home.good(&yaml).config;
        let more = names(&config).into_iter();
        let more: Vec<_> = more
            .filter(|name| name.ends_with("github") || name.ends_with("heartbeat"))
            .collect();
        assert_eq!(more, wanted, "{yaml}");
    }
    let config = home
        .good("checks: {hub: {kind: opsgram, measure: github}}")
        .config;
    assert_eq!(check(&config, "hub").limits.warn, Some(3600.0));
}

#[test]
fn what_there_is_by_itself_is_changed_or_turned_off_by_its_name() {
    let home = Home::new();
    let config = home
        .good("checks:\n  load: false\n  units: false\n  memory: {warn: 80}\n  disk: {crit: 85}\n  reboot: {kind: cpu}\n")
        .config;
    assert!(!names(&config).contains(&"load"));
    let memory = check(&config, "memory");
    assert_eq!(
        (memory.limits.warn, memory.limits.crit),
        (Some(80.0), Some(98.0))
    );
    assert_eq!(memory.hold, Duration::from_secs(300));
    let disk = check(&config, "disk");
    assert_eq!(
        (disk.limits.warn, disk.limits.crit),
        (None, Some(85.0)),
        "90 is beyond 85"
    );
    assert!(matches!(check(&config, "reboot").probe, Probe::Cpu));
    let off: String = OWN
        .iter()
        .map(|name| format!("  {name}: false\n"))
        .collect();
    let config = home
        .good(&format!(
            "checks:\n  mine: {{kind: disk, path: /, measure: free, warn: 5GB}}\n{off}"
        ))
        .config;
    assert_eq!(
        names(&config),
        ["load", "memory", "mine", "reboot"],
        "/ is watched by mine"
    );
    for measure in ["inodes", "full_in"] {
        let config = home
            .good(&format!(
                "checks:\n  mine: {{kind: disk, path: /, measure: {measure}}}\n{off}"
            ))
            .config;
        assert_eq!(
            names(&config),
            ["disk", "load", "memory", "mine", "reboot"],
            "what {measure} tells is not that / is full"
        );
    }
}

#[test]
fn each_monitored_device_is_a_check() {
    let home = Home::new();
    let config = home
        .good(
            "monitored_devices:\n  - {name: root, path: /}\n  - {name: My Disk!, path: data2, alert_threshold: 4}\n  - {name: My-Disk?, path: /x, alert_threshold: 100}\nchecks:\n  disk-root: {warn: 60}\n",
        )
        .config;
    let found: Vec<_> = config
        .checks
        .values()
        .filter_map(|check| match &check.probe {
            Probe::Disk {
                path,
                measure: DiskMeasure::Percent,
            } if check.name.as_str() != "data-disk" => Some((
                check.name.as_str(),
                path.as_path(),
                check.limits.warn,
                check.limits.crit,
            )),
            _ => None,
        })
        .collect();
    let data = home.path().join("data2");
    assert_eq!(
        found,
        [
            ("disk-My-Disk-", data.as_path(), None, Some(4.0)),
            ("disk-My-Disk--2", Path::new("/x"), Some(95.0), Some(100.0)),
            ("disk-root", Path::new("/"), Some(60.0), Some(80.0)),
        ]
    );
}

#[test]
fn a_check_keeps_everything_it_says() {
    let home = Home::new();
    let config = home
        .good(
            "access: {users: [{id: 7, name: ann, role: owner}]}
scripts: {clean: {run: ./run.sh}}
checks:
  free:
    kind: disk
    path: here
    measure: free
    warn: 5GiB
    crit: 1GiB
    clear: 6GiB
    every: 30s
    for: 0s
    timeout: 5s
    repeat: {warning: 6h}
    topic: shop
    notify: [ann, -100, 42]
    fix: clean
    fix_auto: {per_hour: 2}
    lock: run/pid
  page: {kind: url, url: 'https://example.org/x', status: 204, tls: {warn: 30d}, severity: warning}
",
        )
        .config;
    let free = check(&config, "free");
    let gib = f64::from(1 << 30);
    let limits = free.limits;
    assert_eq!((limits.unit, limits.rises), (Unit::Bytes, false));
    assert_eq!((limits.warn, limits.crit), (Some(5.0 * gib), Some(gib)));
    assert_eq!(
        (limits.clear_warn, limits.clear_crit),
        (Some(6.0 * gib), Some(6.0 * gib))
    );
    assert_eq!(
        (free.every, free.hold, free.timeout),
        (
            Duration::from_secs(30),
            Duration::ZERO,
            Duration::from_secs(5)
        )
    );
    assert_eq!(free.repeat.warning, Some(Duration::from_secs(6 * 3600)));
    assert_eq!(free.topic.as_str(), "shop");
    let ids: Vec<i64> = free.notify.iter().map(|chat| chat.0).collect();
    assert_eq!(ids, [7, -100, 42]);
    let fix = free.fix.as_ref().unwrap();
    assert_eq!((fix.script.as_str(), fix.per_hour), ("clean", Some(2)));
    assert_eq!(free.lock, Some(home.path().join("run/pid")));
    let page = check(&config, "page");
    assert_eq!(page.severity, Severity::Warning);
    let Probe::Url { status, tls, .. } = &page.probe else {
        panic!("{page:?}");
    };
    assert_eq!(
        (status.as_slice(), tls.warn, tls.crit),
        ([204].as_slice(), Some(30.0 * 86400.0), None)
    );
}

#[test]
fn each_fault_of_a_check_names_what_would_be_right() {
    let home = Home::new();
    for (check, said) in [
        ("{}", "`checks.x` lacks `kind`"),
        ("5", "must hold keys and values"),
        ("false", "there is no default check `x` to turn off"),
        ("{kind: disc}", "did you mean `disk`?"),
        (
            "{kind: cpu, warn: 101}",
            "`checks.x.warn` is `101`; write a percentage from 0 to 100",
        ),
        ("{kind: cpu, warn: -1}", "a percentage from 0 to 100"),
        (
            "{kind: cpu, warn: 90, crit: 80}",
            "`checks.x.crit` must be above `warn`",
        ),
        (
            "{kind: disk, path: /, measure: free, warn: 1GB, crit: 2GB}",
            "`checks.x.crit` must be below `warn`",
        ),
        ("{kind: disk, path: /, measure: free}", "lacks `warn`"),
        (
            "{kind: disk, path: /, measure: full_in, crit: 90}",
            "write a time such as",
        ),
        ("{kind: cpu, warn: 80, clear: 85}", "is beyond `warn`"),
        (
            "{kind: cpu, warn: 80, clear_crit: 70}",
            "stands without `crit`",
        ),
        (
            "{kind: cpu, warn: 80, clear: 70, clear_warn: 75}",
            "stands beside `clear`",
        ),
        ("{kind: cpu, path: /}", "`path` is not a key of `checks.x`"),
        ("{kind: disk}", "lacks `path`"),
        ("{kind: cpu, every: 100ms}", "is shorter than 1s"),
        ("{kind: cpu, topic: 'a b'}", "is not a name"),
        (
            "{kind: cpu, notify: [bob]}",
            "`bob` in `checks.x.notify` is nobody",
        ),
        (
            "{kind: cpu, fix: claen}",
            "there is no script `claen` (did you mean `clean`?)",
        ),
        (
            "{kind: cpu, fix: needy}",
            "the script `needy` asks for `what`",
        ),
        (
            "{kind: cpu, fix_auto: {per_hour: 2}}",
            "stands without `fix`",
        ),
        ("{kind: cpu, fix: clean, fix_auto: {}}", "lacks `per_hour`"),
        (
            "{kind: url, url: 'ftp://x'}",
            "is no address of a web server",
        ),
        (
            "{kind: url, url: 'http://x', status: 42}",
            "from 100 to 599",
        ),
        (
            "{kind: url, url: 'http://x', matches: '('}",
            "is not a regular expression",
        ),
        (
            "{kind: url, url: 'http://x', tls: {warn: 3d, crit: 5d}}",
            "must be below `warn`",
        ),
        ("{kind: tcp, address: localhost}", "write a host and a port"),
        ("{kind: dns, name: x, expect: y}", "is no address"),
        (
            "{kind: docker, container: ../x}",
            "is not the name of a container",
        ),
        ("{kind: process}", "lacks `name`"),
        ("{kind: process, name: x, min: 3, max: 2}", "is below `min`"),
        ("{kind: file, path: x}", "lacks `measure`"),
        ("{kind: file, path: x, measure: lines}", "lacks `pattern`"),
        ("{kind: script, run: ./none.sh}", "does not exist"),
        ("{kind: heartbeat, script: clean}", "lacks `warn`"),
        (
            "{kind: throughput, measure: up, warn: 1MB}",
            "write disk_read, disk_write, net_in or net_out",
        ),
        ("{kind: load, per_core: false}", "lacks `warn`"),
        ("{kind: opsgram, measure: x}", "lost_jobs"),
    ] {
        let yaml = format!(
            "scripts: {{clean: {{run: ./run.sh}}, needy: {{run: ./run.sh, args: [{{name: what}}]}}}}\nchecks:\n  x: {check}\n"
        );
        let faults = home.bad(&yaml);
        assert!(
            faults.iter().any(|fault| fault.contains(said)),
            "{check}: {faults:?}"
        );
        assert!(
            faults.iter().all(|fault| fault.starts_with("3:")),
            "{check}: {faults:?}"
        );
    }
}
