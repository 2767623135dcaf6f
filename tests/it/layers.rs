//! The layers of the code: a module names only lower layers and itself, and a foreign crate has one door.
//!
//! Read is every path in `src`, not only `use` lines. Tests inside `src` (`#[cfg(test)] mod tests`, files of a
//! `tests` folder) may name anything: nothing is built on them.

use crate::source::{self, Word, words};
use std::fmt;

/// A module names only modules further up in this table. Those of one line do not know each other.
const LAYERS: [&[&str]; 9] = [
    &["base"],
    &["telemetry"],
    &["config", "store", "drivers", "sandbox"],
    &["access", "delivery"],
    &["jobs"],
    &[
        "actions",
        "workflows",
        "schedules",
        "monitors",
        "selftest",
        "bots",
        "cluster",
        "sites",
    ],
    &["services"],
    &["chat", "http"],
    &["app"],
];

/// The only places that name a foreign crate.
const DOORS: [(&[&str], &[&str]); 13] = [
    (&["sqlx"], &["store/", "jobs/apalis.rs"]),
    (
        &[
            "apalis",
            "apalis_core",
            "apalis_sqlite",
            "apalis_postgres",
            "apalis_sql",
        ],
        &["jobs/apalis.rs"],
    ),
    (
        &[
            "bollard",
            "russh",
            "sysinfo",
            "pty_process",
            "process_wrap",
            "x509_parser",
        ],
        &["drivers/"],
    ),
    (
        &["teloxide", "teloxide_core", "dptree"],
        &["chat/", "delivery/", "app/"],
    ),
    (&["axum"], &["http/", "sandbox/"]),
    (
        &["serde_yaml", "granit_parser"],
        &["config/", "workflows/file.rs"],
    ),
    (&["vt100"], &["delivery/render.rs"]),
    (&["ring"], &["delivery/seal.rs"]),
    (&["clap"], &["app/", "main.rs"]),
    (
        &["clap_complete", "clap_mangen", "rpassword", "sd_notify"],
        &["app/"],
    ),
    (&["notify"], &["app/watch.rs"]),
    (&["chrono_tz", "croner"], &["base/when.rs"]),
    (
        &["plotters", "png"],
        &["monitors/chart.rs", "monitors/chart/"],
    ),
];

#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    what: String,
    right: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.line, self.what, self.right)
    }
}

/// What was read of a file: how many paths were judged, and which are wrong.
#[derive(Debug, Default)]
struct Judged {
    paths: usize,
    faults: Vec<Fault>,
}

/// Judges a file, given relative to `src`.
fn judge(file: &str, source: &str) -> Judged {
    let mut judge = Judge {
        file,
        words: &words(source),
        depth: depth(file),
        braces: Vec::new(),
        done: Judged::default(),
    };
    let mut at = 0;
    while at < judge.words.len() {
        at = judge.step(at);
    }
    judge.done
}

/// How many modules a file is inside of.
fn depth(file: &str) -> usize {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    match path {
        "lib" | "main" => 0,
        _ => path.split('/').count(),
    }
}

fn is_test(file: &str) -> bool {
    file.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Brace {
    Module,
    /// Of a path: `a::{b, c}`.
    Group,
    Other,
}

struct Judge<'a> {
    file: &'a str,
    words: &'a [Word<'a>],
    /// Modules around the place that is read, inline ones included.
    depth: usize,
    braces: Vec<Brace>,
    done: Judged,
}

impl Judge<'_> {
    fn text(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.text)
    }

    fn before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |at| self.text(at))
    }

    fn follows(&self, at: usize, texts: &[&str]) -> bool {
        texts
            .iter()
            .enumerate()
            .all(|(n, text)| self.text(at + n) == *text)
    }

    /// Judges what begins here; returns where to go on.
    fn step(&mut self, at: usize) -> usize {
        if self.follows(at, &["cfg", "(", "test", ")"]) {
            return self.test_module(at);
        }
        match self.text(at) {
            "{" => {
                let brace = match (self.before(at, 1), self.before(at, 2)) {
                    ("::", _) => Brace::Group,
                    (_, "mod") => Brace::Module,
                    _ => Brace::Other,
                };
                self.depth += usize::from(brace == Brace::Module);
                self.braces.push(brace);
            }
            "}" => self.depth -= usize::from(self.braces.pop() == Some(Brace::Module)),
            "crate" | "opsgram" if self.begins_path(at) => self.after_root(at + 1),
            "super" if self.in_group() && self.text(at + 1) == "::" => self.fault(
                at,
                "`super` inside a group".to_owned(),
                "write it as a path of its own".to_owned(),
            ),
            "super" if self.before(at, 1) != "::" || self.before(at, 2) == "self" => {
                let up = (0..)
                    .take_while(|n| self.follows(at + 2 * n, &["super", "::"]))
                    .count();
                if up == self.depth && up > 0 {
                    self.after_root(at + 2 * up - 1);
                }
            }
            _ if self.begins_path(at) => self.foreign(at),
            _ => {}
        }
        at + 1
    }

    /// Whether a path begins here, rather than goes on.
    fn begins_path(&self, at: usize) -> bool {
        let leads = self.text(at + 1) == "::" || ["use", "crate"].contains(&self.before(at, 1));
        let absolute = self.before(at, 1) == "::" && self.before(at, 2) == "use";
        leads && (absolute || ![".", "::"].contains(&self.before(at, 1))) && !self.in_group()
    }

    fn in_group(&self) -> bool {
        self.braces.last() == Some(&Brace::Group)
    }

    /// Skips the module that is built for tests only; any other code of that kind is a fault.
    fn test_module(&mut self, at: usize) -> usize {
        let start = at + 5; // cfg ( test ) ]
        if self.text(at + 4) != "]" || !self.follows(start, &["mod", "tests"]) {
            let right = "keep it in `mod tests`, or pass what differs as an argument".to_owned();
            self.fault(
                at,
                "code that is built differently for tests".to_owned(),
                right,
            );
            return at + 4;
        }
        if self.text(start + 2) != "{" {
            return start + 2;
        }
        let mut open = 0;
        for end in start + 2..self.words.len() {
            match self.text(end) {
                "{" => open += 1,
                "}" if open == 1 => return end + 1,
                "}" => open -= 1,
                _ => {}
            }
        }
        self.words.len()
    }

    /// Judges the modules named after the crate's root, whose `::` is here.
    fn after_root(&mut self, at: usize) {
        if self.text(at) != "::" {
            return;
        }
        if self.text(at + 1) != "{" {
            return self.module(at + 1);
        }
        let mut open = 0;
        for at in at + 1..self.words.len() {
            match self.text(at) {
                "{" => open += 1,
                "}" => open -= 1,
                _ => {}
            }
            if open == 0 {
                return;
            }
            let first = ["{", ","].contains(&self.before(at, 1));
            if open == 1 && first && self.text(at) != "}" {
                self.module(at);
            }
        }
    }

    fn module(&mut self, at: usize) {
        self.done.paths += 1;
        let named = self.text(at).to_owned();
        let own = self
            .file
            .split('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".rs");
        // `super` has its own fault.
        if named == own || named == "super" {
            return;
        }
        let (what, right) = match (layer(own), layer(&named)) {
            _ if own == "main" && named == "app" => return,
            (Some(own_layer), Some(other)) if other < own_layer => return,
            _ if own == "main" => (
                format!("main names {named}"),
                "it names app, which has the rest".to_owned(),
            ),
            (Some(own_layer), Some(other)) => (
                format!("{own} (layer {own_layer}) names {named} (layer {other})"),
                match own_layer == other {
                    true => {
                        "modules of one layer do not know each other: a higher one passes the value"
                            .to_owned()
                    }
                    false => format!("it may name {}", LAYERS[..own_layer].concat().join(", ")),
                },
            ),
            (Some(_), None) => (
                format!("{named} is in no layer"),
                "name the module that has it, or give this one a layer here and in ARCHITECTURE.md"
                    .to_owned(),
            ),
            (None, _) => (
                format!("{own} is in no layer"),
                "give it one here and in ARCHITECTURE.md".to_owned(),
            ),
        };
        self.fault(at, what, right);
    }

    fn foreign(&mut self, at: usize) {
        let named = self.text(at).to_owned();
        let Some((_, doors)) = DOORS
            .iter()
            .find(|(crates, _)| crates.contains(&named.as_str()))
        else {
            return;
        };
        self.done.paths += 1;
        let open = |door: &str| match door.strip_suffix('/') {
            Some(module) => self.file.starts_with(door) || self.file == format!("{module}.rs"),
            None => self.file == door,
        };
        if !doors.iter().any(|door| open(door)) {
            let right = format!(
                "its doors are {}: give one of them a function for it",
                doors.join(", ")
            );
            self.fault(at, format!("the crate {named} is named"), right);
        }
    }

    fn fault(&mut self, at: usize, what: String, right: String) {
        let line = self.words[at].line;
        self.done.faults.push(Fault { line, what, right });
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn every_module_names_only_lower_layers() {
    let (mut files, mut paths, mut faults) = (0, 0, Vec::new());
    for path in source::files("src", ".rs") {
        let file = path
            .strip_prefix("src")
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        if is_test(&file) {
            continue;
        }
        let judged = judge(&file, &source::read(&path));
        files += 1;
        paths += judged.paths;
        faults.extend(
            judged
                .faults
                .iter()
                .map(|fault| format!("src/{file}:{fault}")),
        );
    }
    assert!(
        files > 50 && paths > 200,
        "only {paths} paths in {files} files were read"
    );
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_module_has_a_layer() {
    let lib = source::read("src/lib.rs");
    let words = words(&lib);
    let listed: Vec<_> = words
        .windows(2)
        .filter(|two| two[0].text == "mod")
        .map(|two| two[1].text)
        .collect();
    assert!(listed.len() > 8, "lib.rs lists only {listed:?}");
    for module in &listed {
        assert!(
            layer(module).is_some(),
            "src/lib.rs: {module} is in no layer of tests/it/layers.rs"
        );
    }
    for path in source::files("src", ".rs") {
        let top = path.iter().nth(1).unwrap_or_default().to_string_lossy();
        let module = top.trim_end_matches(".rs");
        let known = ["lib", "main"].contains(&module) || listed.contains(&module);
        assert!(known, "{}: {module} is not in src/lib.rs", path.display());
    }
}

#[test]
fn every_door_is_in_the_table_of_layers() {
    for (crates, doors) in DOORS {
        for door in doors {
            let module = door.split('/').next().unwrap_or_default();
            assert!(
                *door == "main.rs" || layer(module).is_some(),
                "{crates:?} has the unknown door {door}"
            );
        }
    }
}

fn faults(file: &str, source: &str) -> Vec<String> {
    judge(file, source)
        .faults
        .into_iter()
        .map(|fault| format!("{} {}", fault.line, fault.what))
        .collect()
}

#[test]
fn a_wrong_direction_is_found_however_it_is_written() {
    let upward = ["1 store (layer 2) names jobs (layer 4)"];
    for source in [
        "use crate::jobs::Jobs;",
        "pub(crate) use crate::{base::ids, jobs};",
        "use crate::{jobs::{Jobs, action}, base};",
        "fn f() -> crate::jobs::Jobs { todo() }",
        "fn f(x: &'static str, y: Vec<crate::jobs::Jobs>) {}",
        "use super::super::jobs;",
        "fn f() { super::super::jobs::start() }",
        "use self::super::super::jobs;",
        "mod inner { use super::super::super::jobs::Jobs; }",
        "macro_rules! m { () => { $crate::jobs::start() } }",
        "use opsgram::jobs;",
        "fn a() { let c = 'x'; let d = '\"'; crate::jobs::start() } // \"",
    ] {
        assert_eq!(faults("store/inbox.rs", source), upward, "{source}");
    }
    assert_eq!(faults("store/mod.rs", "use super::jobs::Jobs;"), upward);
    assert_eq!(
        faults("store.rs", "\n\nuse super::chat;"),
        ["3 store (layer 2) names chat (layer 7)"]
    );
    let sideways = faults("access/mod.rs", "use crate::delivery::Outbox;");
    assert_eq!(sideways, ["1 access (layer 3) names delivery (layer 3)"]);
    assert_eq!(
        faults("main.rs", "fn main() { opsgram::jobs::run() }"),
        ["1 main names jobs"]
    );
    assert_eq!(
        faults("jobs/mod.rs", "use crate::helpers;"),
        ["1 helpers is in no layer"]
    );
    assert_eq!(
        faults("helpers.rs", "use crate::base;"),
        ["1 helpers is in no layer"]
    );
    assert_eq!(
        faults("jobs/mod.rs", "use super::{super::chat};"),
        ["1 `super` inside a group"]
    );
}

#[test]
fn what_is_right_passes() {
    for (file, source) in [
        (
            "store/inbox.rs",
            "use crate::base::ids; use super::{Connection, jobs}; use crate::store::jobs;",
        ),
        (
            "store/inbox.rs",
            "// crate::chat\n/* crate::chat */ const A: &str = \"crate::chat sqlx::x\";",
        ),
        ("store/inbox.rs", "mod inner { use super::super::jobs; }"),
        (
            "base/text.rs",
            "#[cfg(test)]\nmod tests { use crate::chat; fn f() { if x { sqlx::y() } } }",
        ),
        ("config/mod.rs", "#[cfg(test)]\nmod tests;"),
        (
            "app/mod.rs",
            "use crate::{access, chat::Reply, base, config, jobs, services, store};",
        ),
        ("main.rs", "fn main() { opsgram::app::main() }"),
        (
            "jobs/mod.rs",
            "pub mod apalis; pub use self::apalis::Queue; use crate::jobs::{apalis::Queue, live};",
        ),
    ] {
        assert_eq!(faults(file, source), [""; 0], "{source}");
    }
}

#[test]
fn a_second_door_is_found() {
    let named = |name: &str| vec![format!("1 the crate {name} is named")];
    assert_eq!(
        faults("jobs/mod.rs", "fn f() { sqlx::query(\"\"); }"),
        named("sqlx")
    );
    assert_eq!(faults("jobs/mod.rs", "use ::sqlx::Row;"), named("sqlx"));
    assert_eq!(faults("jobs/mod.rs", "use sqlx as db;"), named("sqlx"));
    assert_eq!(
        faults("jobs/mod.rs", "use {std::fmt, sqlx::Row};"),
        named("sqlx")
    );
    assert_eq!(faults("jobs/mod.rs", "extern crate sqlx;"), named("sqlx"));
    assert_eq!(
        faults("config/mod.rs", "#[derive(clap::Parser)] struct A;"),
        named("clap")
    );
    assert_eq!(
        faults("delivery/card.rs", "use vt100::Parser;"),
        named("vt100")
    );
    assert_eq!(faults("delivery/render.rs", "use vt100::Parser;"), [""; 0]);
    assert_eq!(faults("store/jobs.rs", "use sqlx::Row;"), [""; 0]);
    assert_eq!(faults("http.rs", "use axum::Router;"), [""; 0]);
}

#[test]
fn code_that_differs_under_test_is_found() {
    let found = ["1 code that is built differently for tests"];
    assert_eq!(faults("base/time.rs", "#[cfg(test)] fn now() {}"), found);
    assert_eq!(
        faults(
            "base/time.rs",
            "fn f() { if cfg!(x) {} } #[cfg(test)] use a::b;"
        ),
        found
    );
    assert_eq!(
        faults("base/time.rs", "#[cfg(test)] mod tests { use a::b; }"),
        [""; 0]
    );
}
