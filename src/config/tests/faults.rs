//! Configurations that do not load: every fault is told, with its place and what would be right.

use std::path::Path;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::super::{Env, load};
use super::Home;

/// Each line of YAML with the one fault it must give.
const SINGLE: &[(&str, &str)] = &[
    // Structure.
    ("jobs: {workers: 4", "not YAML"),
    ("a: 1\n b: 2", "not YAML"),
    (
        "- a\n- b",
        "1:1 the file must hold keys and values, not a list; write `key: value` pairs",
    ),
    (
        "just words",
        "1:1 the file must hold keys and values, not a single value; write `key: value` pairs",
    ),
    ("{}\n---\n{}", "a second document starts here"),
    (
        "data_dir: !include x",
        "the tag `!include` means nothing here; remove it",
    ),
    (
        "job: {}",
        "1:1 `job` is not a key of the file; did you mean `jobs`?",
    ),
    (
        "alerts: {digest: {at: noon}}",
        "`alerts.digest.at` is `noon`; write a time of day in quotes",
    ),
    (
        "alerts: {digest: {at: '08:00', zone: Mars}}",
        "`alerts.digest.zone` is `Mars`; write the name of a time zone",
    ),
    (
        "alerts: {repeat: {warning: sometimes}}",
        "`alerts.repeat.warning`: `sometimes` is not a duration",
    ),
    (
        "alerts: {heartbeat_url: 'ftp://example.org'}",
        "`alerts.heartbeat_url` is no address; write one that begins with https://",
    ),
    (
        "jobs: {wokers: 4}",
        "1:8 `wokers` is not a key of `jobs`; did you mean `workers`?",
    ),
    (
        "telegram: {colour: red}",
        "1:12 `colour` is not a key of `telegram`; known here: api_url, proxy, stale_after, token_file",
    ),
    (
        "jobs: {workers: 4}\njobs: {workers: 5}",
        "2:1 `jobs` is already set in line 1; keep one of the two",
    ),
    (
        "jobs:\n  workers: 1\n  workers: 2",
        "3:3 `workers` is already set in line 2; keep one of the two",
    ),
    (
        "jobs:",
        "`jobs` must hold keys and values, not nothing; write `key: value` pairs",
    ),
    (
        "access: {users: }",
        "`access.users` has no value; write a list, `[]`, or leave the key out",
    ),
    (
        "access: {users: 111}",
        "1:17 `access.users` must be a list, not a single value; write `- item` lines or `[a, b]`",
    ),
    (
        "data_dir: null",
        "1:11 `data_dir` has no value; write one, or leave the key out",
    ),
    (
        "data_dir: [a]",
        "1:11 `data_dir` must be a single value, not a list",
    ),
    (
        "base_dir: gone",
        "1:11 the folder HOME/gone does not exist; create it, or name another",
    ),
    // Ranges and forms.
    (
        "jobs: {workers: 0}",
        "1:17 `jobs.workers` is `0`; write a whole number from 1 to 64",
    ),
    (
        "jobs: {workers: 65}",
        "1:17 `jobs.workers` is `65`; write a whole number from 1 to 64",
    ),
    (
        "jobs: {workers: '4'}",
        "1:17 `jobs.workers` is `4`; write a whole number from 1 to 64, without quotes",
    ),
    (
        "jobs: {workers: 4.5}",
        "1:17 `jobs.workers` is `4.5`; write a whole number from 1 to 64",
    ),
    (
        "jobs: {timeout: 0s}",
        "1:17 `jobs.timeout` is `0s`; write a time above 0 and up to 365 d",
    ),
    (
        "jobs: {timeout: 10}",
        "1:17 `jobs.timeout`: `10` is not a duration: write a number and a unit, such as 30s, 10m, 1h30m or 30d",
    ),
    (
        "jobs: {max_log: 10 parsecs}",
        "1:17 `jobs.max_log`: `10 parsecs` is not a size: write a number and a unit, such as 64MiB, 10MB or 4096",
    ),
    (
        "jobs: {max_log: 5}",
        "1:17 `jobs.max_log` is `5`; write a size from 1024 bytes to 1024 GiB",
    ),
    (
        "jobs: {keep_count: 0}",
        "1:20 `jobs.keep_count` is `0`; write a whole number from 1 to 10000000",
    ),
    (
        "jobs: {keep_size: 5}",
        "1:19 `jobs.keep_size` is `5`; write a size from 1024 bytes to 1048576 GiB",
    ),
    (
        "jobs: {max_files: 101}",
        "1:19 `jobs.max_files` is `101`; write a whole number from 0 to 100",
    ),
    (
        "jobs: {max_files_size: 5}",
        "1:24 `jobs.max_files_size` is `5`; write a size from 1024 bytes to 4 GiB",
    ),
    (
        "telegram: {api_url: api.telegram.org}",
        "1:21 `telegram.api_url` is not an address; write http:// or https:// and a host, such as http://example.org",
    ),
    (
        "telegram: {proxy: ftp://h}",
        "1:19 `telegram.proxy` is not an address; write http://, https://, socks5:// or socks5h:// and a host, such as http://example.org",
    ),
    (
        "database: mysql://h/d",
        "1:11 `database` is not an address; write sqlite://data/opsgram.db (a file), or postgres://user@host/db",
    ),
    // Access.
    (
        "access: {users: [{id: 0, role: owner}]}",
        "1:23 `access.users[0].id` is `0`; write the numeric id that /whoami shows, not a username",
    ),
    (
        "access: {users: [{id: '@ann', role: owner}]}",
        "1:23 `access.users[0].id` is `@ann`; write the numeric id that /whoami shows, not a username, without quotes",
    ),
    (
        "access: {users: [{id: 111abc, role: owner}]}",
        "1:23 `access.users[0].id` is `111abc`; write the numeric id that /whoami shows, not a username",
    ),
    (
        "access: {users: [{id: , role: owner}]}",
        "`access.users[0].id` has no value",
    ),
    (
        "access: {users: [{id: [1, 2], role: owner}]}",
        "1:23 `access.users[0].id` must be a single value, not a list",
    ),
    (
        "access: {users: [111]}",
        "1:18 `access.users[0]` must hold keys and values, not a single value; write `key: value` pairs",
    ),
    (
        "access: {users: [{id: -5, role: owner}]}",
        "1:23 `access.users[0].id` is -5; a person's id is positive; a group belongs under `access.chats`",
    ),
    (
        "access: {chats: [{id: 5, role: owner}]}",
        "1:23 `access.chats[0].id` is 5; a group's id is negative; a person belongs under `access.users`",
    ),
    (
        "access: {users: [{id: 99999999999999999999, role: owner}]}",
        "1:23 `access.users[0].id` is `99999999999999999999`",
    ),
    (
        "access: {users: [{id: 7, role: boss}]}",
        "1:32 `access.users[0].role` is `boss`; write viewer, operator, admin or owner",
    ),
    (
        "access: {users: [{id: 7, role: opperator}]}",
        "1:32 `access.users[0].role` is `opperator`; write viewer, operator, admin or owner (did you mean `operator`?)",
    ),
    (
        "access: {users: [{id: 7}]}",
        "1:18 `access.users[0]` lacks `role`; add `role: …`",
    ),
    (
        "access: {users: [{role: owner}]}",
        "1:18 `access.users[0]` lacks `id`; add `id: …`",
    ),
    (
        "access:\n  users:\n    - {id: 7, role: owner}\n    - {id: 7, role: viewer}",
        "4:12 the id 7 is already listed in line 3; keep one of the two",
    ),
    // Scripts.
    (
        "scripts: {a: {}}",
        "1:14 `scripts.a` lacks `run`; add `run: …`",
    ),
    (
        "scripts: {'a b': {run: ./run.sh}}",
        "1:11 `a b` is not a name",
    ),
    (
        "scripts: {a: {run: ./gone.sh}}",
        "1:20 HOME/gone.sh does not exist; check the path",
    ),
    (
        "scripts: {a: {run: ./run.sh --fast}}",
        "1:20 HOME/run.sh --fast does not exist; check the path; a text is one path, so write options as a list: [./script.sh, --option]",
    ),
    (
        "scripts: {a: {run: run.sh}}",
        "1:20 `run.sh` is not found in PATH; for the file in HOME, write ./run.sh",
    ),
    (
        "scripts: {a: {run: no-such-program}}",
        "1:20 `no-such-program` is not found in PATH; install it, or write a path such as ./script.sh",
    ),
    (
        "scripts: {a: {run: ./run.sh, confirm_within: 5m}}",
        "`scripts.a.confirm_within` has nothing to undo; add `undo: [program]`",
    ),
    (
        "scripts: {a: {run: ./run.sh, undo_for: 5m}}",
        "`scripts.a.undo_for` has nothing to undo; add `undo: [program]`",
    ),
    (
        "scripts: {a: {run: ./run.sh, undo: [./run.sh, '{x}']}}",
        "{x}",
    ),
    ("scripts: {a: {run: ./run.sh, lock: 'a b'}}", "a b"),
    (
        "scripts: {a: {run: .//}}",
        "is not a file; name the program itself",
    ),
    (
        "scripts: {a: {run: []}}",
        "1:20 `scripts.a.run` is empty; write a path, or a list that starts with one",
    ),
    (
        "scripts: {a: {run: ['{x}']}}",
        "1:21 the program itself cannot hold placeholders; write its path",
    ),
    (
        "scripts: {a: {run: [./run.sh, '{x}']}}",
        "1:31 `{x}` is not an argument of this script; declare it under `args`, or write `{{x}}` for the text itself",
    ),
    (
        "scripts: {a: {run: [./run.sh, '{']}}",
        "1:31 `{` has a lone brace; write `{{` or `}}` for a brace itself",
    ),
    (
        "scripts: {a: {run: [./run.sh], args: [{name: x}]}}",
        "1:20 the argument `x` is declared but not used in `run`; add \"{x}\" to the list",
    ),
    (
        "scripts: {a: {run: [./run.sh, '{{ params.x }}'], args: [{name: x}]}}",
        "1:31 `{{ params.x }}` is for the steps of a workflow and plain text here; write {x} for the argument",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, optional: true}, {name: y}]}}",
        "`y` is required but follows `x`, which is not; put required arguments first",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x}, {name: x}]}}",
        "the argument `x` is already declared; give each its own name",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, pattern: '('}]}}",
        "`scripts.a.args[0].pattern` is not a regular expression (unclosed group)",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, pattern: 'a)|(b'}]}}",
        "is not a regular expression (unopened group)",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, pattern: 'v.', default: w1}]}}",
        "the default is not allowed: “w1” does not have the expected form for x. The whole value must match v.",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices: [b, c], default: d}]}}",
        "the default is not allowed: “d” is not a value for x. It can be b or c.",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices: []}]}}",
        "`scripts.a.args[0].choices` is empty",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices: [b], pattern: c}]}}",
        "has both `choices` and `pattern`; keep one",
    ),
    (
        "scripts: {a: {run: ./run.sh, concurrency: 0}}",
        "`scripts.a.concurrency` is `0`; write a whole number from 1 to 64",
    ),
    (
        "scripts: {a: {run: ./run.sh, confirm: maybe}}",
        "`scripts.a.confirm` is `maybe`; write true or false, without quotes",
    ),
    (
        "scripts: {a: {run: ./run.sh, output: streem}}",
        "`scripts.a.output` is `streem`; write card, stream, file or silent (did you mean `stream`?)",
    ),
    (
        "scripts: {a: {run: ./run.sh, env: {A B: x}}}",
        "`A B` is not the name of an environment variable; use letters, digits and `_`",
    ),
    (
        "scripts: {a: {run: ./run.sh, env: {A: null}}}",
        "`scripts.a.env.A` has no value",
    ),
    (
        "scripts: {a: {run: ./run.sh, env_pass: [TELEGRAM_TOKEN]}}",
        "TELEGRAM_TOKEN holds the bot's own token, which no script gets; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, cwd: gone}}",
        "the working directory HOME/gone does not exist; create it, or name another",
    ),
    // Octopus lists and devices.
    (
        "one_time_scripts: [{name: a}]",
        "1:20 `one_time_scripts[0]` lacks `path`; add `path: …`",
    ),
    (
        "one_time_scripts: [{name: a, path: ./run.sh, args: x}]",
        "`args` is not a key of `one_time_scripts[0]`",
    ),
    (
        "scripts: {a: {run: ./run.sh}}\nlong_running_scripts: [{name: a, path: ./run.sh}]",
        "2:31 a script named `a` already stands in line 1; give each its own name",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: hourly}}",
        "1:40 `scripts.a.schedule`: `hourly` is no time to run at; write `every 30s`, a time of day",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: every 1x}}",
        "`scripts.a.schedule`: `1x` is not a duration",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: 0 0 30 2 *}}}",
        "such a day never comes",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {zone: UTC}}}",
        "`scripts.a.schedule` lacks `when`; add `when: …`",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '06:30', zone: Europe/Berlni}}}",
        "is not a time zone; did you mean `Europe/Berlin`?",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '06:30', missed: never}}}",
        "`scripts.a.schedule.missed` is `never`; write skip, once or all",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '06:30', output: on_fail}}}",
        "write always, on_output, on_failure or on_change",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: every 10s, jitter: 10s}}}",
        "`scripts.a.schedule.jitter` is not shorter than the time from one run to the next",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '*/5 * * * *', jitter: 5m}}}",
        "`scripts.a.schedule.jitter` is not shorter than the time from one run to the next",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '06:30', to: nobody}}}",
        "`scripts.a.schedule.to` holds `nobody`; write the id of a chat",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '06:30', retry: {times: 0}}}}",
        "`scripts.a.schedule.retry.times` is `0`; write a whole number from 1 to 19",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '06:30', retries: {times: 2}}}}",
        "`retries` is not a key of `scripts.a.schedule`; known here: args, enabled, jitter, missed, output, retry",
    ),
    (
        "scripts: {a: {run: ./run.sh, schedule: {when: '06:30', at: x}}}",
        "`at` is not a key of `scripts.a.schedule`",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: b}], schedule: '06:30'}}",
        "`scripts.a.schedule` cannot run a: ",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: b, type: file}], schedule: '06:30'}}",
        "`scripts.a.schedule` cannot run a: ",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: b}], schedule: {when: '06:30', args: {b: y, c: x}}}}",
        "`c` is not an argument of a; write b",
    ),
    (
        "periodic_scripts: [{name: a, path: ./run.sh, interval: 1500ms}]",
        "`periodic_scripts[0].interval` is `1500ms`; write whole seconds",
    ),
    (
        "periodic_scripts: [{name: a, path: ./run.sh}]",
        "neither `interval` nor `time` is set",
    ),
    (
        "periodic_scripts: [{name: a, path: ./run.sh, interval: 0}]",
        "`periodic_scripts[0].interval` is `0`; write a whole number from 1 to",
    ),
    (
        "periodic_scripts: [{name: a, path: ./run.sh, time: '25:00'}]",
        "`periodic_scripts[0].time` is `25:00`; write a time of day such as \"06:30\"",
    ),
    (
        "monitored_devices: [{name: a, path: /, alert_threshold: 101}]",
        "1:57 `monitored_devices[0].alert_threshold` is `101`; write a percentage from 0 to 100",
    ),
    (
        "monitored_devices: [{name: a, path: /, alert_threshold: -1}]",
        "1:57 `monitored_devices[0].alert_threshold` is `-1`; write a percentage from 0 to 100",
    ),
    (
        "monitored_devices: [{name: a, path: /}, {name: a, path: /}]",
        "the device `a` is already listed; give each its own name",
    ),
    (
        "monitored_devices: /",
        "1:20 `monitored_devices` must be a list, not a single value",
    ),
];

#[test]
fn each_fault_is_told_once_with_its_place() {
    each_is_told_once(SINGLE);
}

/// Each text must give its one fault.
pub(super) fn each_is_told_once(cases: &[(&str, &str)]) {
    let home = Home::new();
    for (yaml, expected) in cases {
        let faults = home.bad(yaml);
        assert_eq!(faults.len(), 1, "{yaml}\n{faults:#?}");
        assert!(
            faults[0].contains(expected),
            "{yaml}\n got: {}\nwant: {expected}",
            faults[0]
        );
        assert!(!faults[0].starts_with("0:"), "{yaml}\n{}", faults[0]);
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let faults = Home::new().bad(
        "telegram: {stale_after: soon}\naccess: {users: [{id: x, role: y, z: 1}]}\njobs:\n  workers: 0\n  workers: 1\nscripts:\n  a: {run: ./gone, role: king}\nmonitored_devices: 5\ncolour: red\n",
    );
    let places: Vec<&str> = faults
        .iter()
        .map(|fault| fault.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "1:25", "2:23", "2:32", "2:35", "4:12", "5:3", "7:12", "7:26", "8:20", "9:1"
        ]
    );
}

#[test]
fn a_fault_shows_its_line_with_a_caret() {
    let home = Home::new();
    let Err(faults) = home.load("# first\njobs:\n  workers: 0\n") else {
        panic!("this loads");
    };
    let expected = format!(
        "{}:3:12: `jobs.workers` is `0`; write a whole number from 1 to 64\n  |\n3 |   workers: 0\n  |            ^",
        home.path().join("c.yaml").display()
    );
    assert_eq!(faults.to_string(), expected);
}

#[test]
fn a_malformed_variable_is_a_fault_that_names_it() {
    let home = Home::new();
    let env = [
        ("OPSGRAM_JOBS_WORKERS", "many"),
        ("OPSGRAM_DATABASE", "mysql://root:secret@h/d"),
        ("OPSGRAM_DATA_DIR", ""),
    ];
    let Err(faults) = home.load_with("jobs: {workers: 2}", &env) else {
        panic!("this loads");
    };
    assert_eq!(
        home.lines(&faults),
        [
            "OPSGRAM_DATABASE `database` is not an address; write sqlite://data/opsgram.db (a file), or postgres://user@host/db",
            "OPSGRAM_DATA_DIR `data_dir` has no value; write one, or leave the key out",
            "OPSGRAM_JOBS_WORKERS `jobs.workers` is `many`; write a whole number from 1 to 64",
        ]
    );
}

#[test]
fn a_program_that_others_could_change_is_refused() {
    let home = Home::new();
    home.program("open.sh", 0o757);
    home.program("plain.sh", 0o644);
    home.program("folder/in.sh", 0o755);
    std::fs::set_permissions(
        home.path().join("folder"),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    std::os::unix::fs::symlink(
        home.path().join("folder/in.sh"),
        home.path().join("link.sh"),
    )
    .unwrap();
    let faults = home.bad("scripts:\n  a: {run: ./open.sh}\n  b: {run: ./plain.sh}\n  c: {run: ./folder/in.sh}\n  d: {run: ./link.sh}\n");
    assert_eq!(
        faults,
        [
            "2:12 HOME/open.sh can be written by everyone; run chmod o-w on it",
            "3:12 HOME/plain.sh is not executable; run chmod +x on it",
            "4:12 HOME/folder/in.sh lies in HOME/folder, which everyone can write; run chmod o-w on that folder",
            "5:12 HOME/folder/in.sh lies in HOME/folder, which everyone can write; run chmod o-w on that folder",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault() {
    let home = Home::new();
    let Err(faults) = load(&home.path().join("gone.yaml"), &Env::default()) else {
        panic!("this loads");
    };
    assert!(
        faults
            .to_string()
            .contains("gone.yaml: there is no such file"),
        "{faults}"
    );
    assert!(load(Path::new("/dev/zero"), &Env::default()).is_err());
    assert!(load(home.path(), &Env::default()).is_err());
    let file = home.write("bytes.yaml", b"jobs: {}\ndata_dir: \xff\n");
    let Err(faults) = load(&file, &Env::default()) else {
        panic!("this loads");
    };
    assert_eq!(
        home.lines(&faults),
        ["2:11 this byte is not UTF-8; save the file as UTF-8"]
    );
}

#[test]
fn a_file_that_multiplies_itself_is_stopped() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        yaml.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(Home::new().bad(&yaml).len(), 1);
    let deep = "[".repeat(5000);
    assert_eq!(Home::new().bad(&format!("a: {deep}")).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_loader_panic(text in any::<String>()) {
        let _ = Home::new().load(&text);
    }

    #[test]
    fn no_yaml_like_text_makes_the_loader_panic(
        lines in proptest::collection::vec(
            "( {0,6})(telegram|access|users|jobs|workers|scripts|a|run|args|name|id|monitored_devices|workflows|steps|always|needs|git|url|hold|capture|when|retry|workflow|params|<<|- |# )?(: )?(\\{|\\}|\\[|\\]|'|\"|&a |\\*a|null|-?[0-9]{1,4}|[0-9]m|\\./run\\.sh|\\{x\\}|!t|.{0,6})?",
            0..14,
        )
    ) {
        let _ = Home::new().load(&lines.join("\n"));
    }
}

#[test]
fn wrong_persons_and_topics_are_faults_at_their_place() {
    let home = Home::new();
    let faults = home.bad(
        "access:
  users: [{id: 1, name: ann, role: owner}, {id: 2, name: ben, role: viewer}, {id: 3, name: ben, role: viewer}]
  chats:
    - {id: -1, role: viewer, topics: [{id: 42, role: viewer}, {id: 42, role: owner}, {id: 1, role: viewer}, {role: viewer}, {id: 5}]}
scripts:
  a: {run: ./run.sh, allow: [ben, carl, -5, '@ann']}
  b: {run: ./run.sh, allow: ann}
",
    );
    let all = faults.join("\n");
    for wrong in [
        "the topic 42 is already listed",
        "`access.chats[0].topics[2].id`",
        "`access.chats[0].topics[3]` lacks `id`",
        "`access.chats[0].topics[4]` lacks `role`",
        "more than one person under `access.users` is called `ben`",
        "`scripts.a.allow` holds `carl`",
        "`scripts.a.allow` holds `-5`",
        "`scripts.a.allow` holds `@ann`",
        "`scripts.b.allow`",
    ] {
        assert!(all.contains(wrong), "{wrong} is missing in:\n{all}");
    }
    assert_eq!(faults.len(), 9, "{all}");
}
