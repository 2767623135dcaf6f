//! Configurations that load, and what comes out of them.

use std::path::Path;
use std::time::Duration;

use super::super::{Database, Env, default_path, load};
use super::Home;
use crate::base::ids::ThreadId;
use crate::base::job::{AfterCrash, OnBusy, OutputMode};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::secret::ExposeSecret;
use crate::base::when::When;

fn sqlite(database: &Database) -> &Path {
    match database {
        Database::Sqlite { path } => path,
        Database::Postgres { .. } => panic!("not SQLite"),
    }
}

#[test]
fn an_empty_file_has_every_default() {
    let home = Home::new();
    for yaml in ["", "# nothing\n", "---\n", "{}"] {
        let config = home.good(yaml).config;
        assert_eq!(config.telegram.api_url, "https://api.telegram.org");
        assert_eq!(config.telegram.stale_after, Duration::from_secs(300));
        assert!(config.telegram.token.is_none());
        assert_eq!(
            sqlite(&config.database),
            home.path().join("data/opsgram.db")
        );
        assert_eq!(config.data_dir, home.path().join("data"));
        assert_eq!(config.base_dir, home.path());
        assert_eq!((config.jobs.workers, config.jobs.max_queued), (4, 200));
        let month = Duration::from_secs(30 * 24 * 3600);
        assert_eq!(
            (
                config.jobs.keep,
                config.jobs.keep_count,
                config.jobs.keep_size
            ),
            (month, 100_000, 2 << 30)
        );
        assert!(config.access.users.is_empty() && config.scripts.is_empty());
    }
}

#[test]
fn a_script_keeps_everything_it_says() {
    let home = Home::new();
    let config = home
        .good(
            "scripts:
  deploy:
    description: Ships it
    run: [./run.sh, --service, '{service}', '--tag={tag}', '{{x}}']
    args:
      - {name: service, choices: [api, web]}
      - {name: tag, pattern: 'v[0-9.]+', default: v1.0}
    role: admin
    confirm: yes
    timeout: 15m
    grace: 1s
    concurrency: 2
    on_busy: refuse
    on_crash: retry
    output: file
    tty: true
    env: {MODE: prod, PORT: 8080, DEBUG: true}
    env_pass: [PGHOST]
    cwd: .
",
        )
        .config;
    let script = &config.scripts[&Name::new("deploy").unwrap()];
    assert_eq!(script.program(), home.path().join("run.sh"));
    assert_eq!(
        script.usage(),
        "deploy <service: api or web> [tag, else v1.0]"
    );
    assert_eq!(
        (script.role, script.confirm, script.tty),
        (Role::Admin, true, true)
    );
    assert_eq!(script.timeout, Some(Duration::from_secs(900)));
    assert_eq!(script.grace, Some(Duration::from_secs(1)));
    assert_eq!((script.concurrency, script.on_busy), (2, OnBusy::Refuse));
    assert_eq!(
        (script.on_crash, script.output),
        (AfterCrash::Retry, OutputMode::File)
    );
    assert_eq!(script.env["PORT"], "8080");
    assert_eq!(script.cwd.as_deref(), Some(home.path()));
    let resolved = script.resolve(&["api".to_owned()]).unwrap();
    let program = home.path().join("run.sh").display().to_string();
    assert_eq!(
        resolved.argv,
        [program.as_str(), "--service", "api", "--tag=v1.0", "{x}"]
    );
}

#[test]
fn a_bare_name_is_found_in_path() {
    let config = Home::new().good("scripts: {list: {run: [ls, -l]}}").config;
    let script = &config.scripts[&Name::new("list").unwrap()];
    assert!(script.program().is_absolute());
    assert_eq!(script.program().file_name().unwrap(), "ls");
}

#[test]
fn relative_paths_start_from_the_base_directory_not_the_working_directory() {
    let home = Home::new();
    home.program("repo/run.sh", 0o755);
    let file = home.write(
        "repo/config/o.yaml",
        "data_dir: ./var\ndatabase: sqlite:state.db\nscripts: {a: {run: ./run.sh}}\nmonitored_devices: [{name: d, path: disk}]",
    );
    let config = load(&file, &Env::default())
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config;
    let repo = home.path().join("repo");
    assert_eq!(config.base_dir, repo);
    assert_eq!(config.data_dir, repo.join("var"));
    assert_eq!(sqlite(&config.database), repo.join("state.db"));
    assert_eq!(
        config.scripts.values().next().unwrap().program(),
        repo.join("run.sh")
    );
    assert_eq!(config.monitored_devices[0].path, repo.join("disk"));
    assert_eq!(config.monitored_devices[0].alert_threshold, 80);
}

#[test]
fn variables_override_single_keys() {
    let home = Home::new();
    let env = [
        ("OPSGRAM_JOBS_WORKERS", "9"),
        ("OPSGRAM_TELEGRAM_PROXY", "socks5://u:p@h:1080"),
        ("OPSGRAM_TELEGRAM_API_URL", "http://127.0.0.1:8081/"),
        ("OPSGRAM_DATABASE", "postgres://u:p@h/d"),
        ("OPSGRAM_DATA_DIR", "/var/lib/opsgram"),
        ("OPSGRAM_LOG", "debug"),
        ("OPSGRAM_TEST_ANYTHING", "1"),
        ("OPSGRAM_JOBS_WORKER", "1"),
    ];
    let loaded = home.load_with("jobs: {workers: 2}", &env).unwrap();
    let config = loaded.config;
    assert_eq!(config.jobs.workers, 9);
    assert_eq!(
        config.telegram.proxy.as_deref(),
        Some("socks5://u:p@h:1080")
    );
    assert_eq!(config.telegram.api_url, "http://127.0.0.1:8081");
    assert_eq!(config.data_dir, Path::new("/var/lib/opsgram"));
    assert!(
        matches!(&config.database, Database::Postgres { url } if url.expose_secret() == "postgres://u:p@h/d")
    );
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["OPSGRAM_JOBS_WORKER: this variable sets nothing; did you mean OPSGRAM_JOBS_WORKERS?"]
    );
}

#[test]
fn an_octopus_file_loads_unchanged() {
    let home = Home::new();
    home.program("scripts/ship.sh", 0o755);
    home.program("scripts/check.sh", 0o755);
    let file = home.write(
        "config/config.yaml",
        "long_running_scripts:
  - name: ship
    path: ./scripts/ship.sh
    admin_only: true
one_time_scripts:
  - name: check
    path: ./scripts/check.sh
periodic_scripts:
  - name: check-hourly
    path: ./scripts/check.sh
    interval: 3600
  - name: check-daily
    path: ./scripts/check.sh
    time: 06:30
monitored_devices:
  - name: root
    path: /
    alert_threshold: 85
  - name: home
    path: /home
    alert_threshold: 80.5
broadcast_chunk_size: 3500
",
    );
    let env = [("TELEGRAM_TOKEN", TOKEN), ("ADMIN_USERS", "111,222")];
    let loaded =
        load(&file, &env.into_iter().collect()).unwrap_or_else(|faults| panic!("{faults}"));
    let config = loaded.config;
    let script = |name: &str| &config.scripts[&Name::new(name).unwrap()];
    assert_eq!(
        (script("ship").output, script("ship").role),
        (OutputMode::Stream, Role::Admin)
    );
    assert_eq!(
        (script("check").output, script("check").role),
        (OutputMode::Card, Role::Operator)
    );
    assert_eq!(
        config.schedules[0].when,
        When::Every(Duration::from_secs(3600))
    );
    assert_eq!(
        config.schedules[1].when,
        When::Daily {
            hour: 6,
            minute: 30
        }
    );
    assert_eq!(config.monitored_devices[1].alert_threshold, 80);
    assert!(config.telegram.token.is_some());
    assert_eq!(
        config.access.users,
        [],
        "ADMIN_USERS must not make anybody an admin"
    );
    let warnings: Vec<String> = loaded
        .warnings
        .iter()
        .map(|warning| warning.message.clone())
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
}

const TOKEN: &str = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn anchors_and_merges_are_understood() {
    let config = Home::new()
        .good("scripts:\n  a: &base {run: ./run.sh, timeout: 5m}\n  b: {<<: *base, timeout: 6m}\n  c: *base\n")
        .config;
    let minutes: Vec<_> = config
        .scripts
        .values()
        .map(|script| script.timeout.unwrap().as_secs() / 60)
        .collect();
    assert_eq!(minutes, [5, 6, 5]);
}

#[test]
fn secrets_that_cannot_be_passed_or_masked_are_told() {
    let home = Home::new();
    let yaml = "scripts: {a: {run: ./run.sh, secrets: [GOOD, SHORT, GONE]}}";
    let loaded = home
        .load_with(yaml, &[("GOOD", "long enough"), ("SHORT", "abc")])
        .unwrap();
    let warnings: Vec<&str> = loaded
        .warnings
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(
        warnings,
        [
            "the secret SHORT is shorter than 4 characters; it cannot be masked",
            "the secret GONE is not in the bot's environment; the script will not get it",
        ]
    );
}

#[test]
fn the_hash_follows_the_content() {
    let home = Home::new();
    let first = home.good("jobs: {workers: 2}").hash;
    assert_eq!(home.good("jobs: {workers: 2}").hash, first);
    assert_ne!(home.good("jobs: {workers: 3}").hash, first);
    assert_eq!(
        super::super::content_hash(&home.path().join("c.yaml"), &Env::default()),
        Ok(home.good("jobs: {workers: 3}").hash)
    );
}

#[test]
fn the_default_file_can_be_named() {
    assert_eq!(
        default_path(&Env::default()),
        Path::new("config/opsgram.yaml")
    );
    let env: Env = [("OPSGRAM_CONFIG", "/etc/o.yaml")].into_iter().collect();
    assert_eq!(default_path(&env), Path::new("/etc/o.yaml"));
}

#[test]
fn persons_are_allowed_a_script_by_name_or_id_and_topics_have_their_own_role() {
    let home = Home::new();
    let loaded = home.good(
        "access:
  users: [{id: 111, name: ann, role: owner}, {id: 222, name: ben, role: viewer}]
  chats: [{id: -1, role: viewer, topics: [{id: 42, role: operator}]}, {id: -2, role: viewer}]
scripts:
  deploy: {run: ./run.sh, role: admin, allow: [ben, 111, 333, 222]}
  hello: {run: ./run.sh}
",
    );
    let config = loaded.config;
    let ids = |name: &str| -> Vec<i64> {
        let script = &config.scripts[&Name::new(name).unwrap()];
        script.allow.iter().map(|user| user.0).collect()
    };
    assert_eq!(ids("deploy"), [222, 111, 333], "each once");
    assert!(ids("hello").is_empty());
    assert_eq!(
        config.access.chats[0].topics,
        [(ThreadId(42), Role::Operator)]
    );
    assert!(config.access.chats[1].topics.is_empty());
    assert_eq!(loaded.warnings.len(), 1);
    assert!(
        loaded.warnings[0]
            .message
            .starts_with("333 is not under `access.users`")
    );
}

#[test]
fn an_argument_named_as_in_steps_is_warned_of() {
    let yaml = "scripts: {a: {run: [./run.sh, '{x}', '{{ params.x }}', '{{ params.y }}'], undo: [./run.sh, '{{ params.x }}'], args: [{name: x}]}}";
    let warnings = Home::new().good(yaml).warnings;
    let places: Vec<usize> = warnings.iter().map(|one| one.column).collect();
    assert_eq!(places, [38, 92]);
    assert!(warnings[0].message.contains("write {x} for the argument"));
}

#[test]
fn users_without_an_owner_are_warned_of() {
    let home = Home::new();
    let warned = |yaml: &str| -> Vec<String> {
        let warnings = home.good(yaml).warnings;
        warnings.into_iter().map(|one| one.message).collect()
    };
    let none = warned("access: {users: [{id: 1, role: admin}]}");
    assert_eq!(none.len(), 1, "{none:?}");
    assert!(none[0].contains("nobody under `access.users` is owner"));
    assert!(warned("access: {users: [{id: 1, role: owner}]}").is_empty());
    assert!(warned("access: {users: []}").is_empty());
}
