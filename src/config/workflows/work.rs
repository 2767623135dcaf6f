//! What a step does: one of a few kinds, each with keys of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::super::YEAR;
use super::super::at_github;
use super::super::fault::{At, Report};
use super::super::map::Map;
use super::super::read::{integer, text};
use super::super::tree::{Node, Value};
use super::reader::{Absent, Reach, Reader};
use super::step::dotless;
use crate::base::role::Role;
use crate::base::workflow::{Source, Template, Until, Work, git_address};

/// The kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    Script,
    Git,
    Http,
    Service,
    Hold,
    WaitFor,
    Approve,
    Call,
    Notify,
    Github,
}

const KINDS: [(&str, Kind); 11] = [
    ("run", Kind::Run),
    ("script", Kind::Script),
    ("git", Kind::Git),
    ("http", Kind::Http),
    ("service", Kind::Service),
    ("hold", Kind::Hold),
    ("wait_for", Kind::WaitFor),
    ("approve", Kind::Approve),
    ("workflow", Kind::Call),
    ("notify", Kind::Notify),
    ("github", Kind::Github),
];

/// How long a person has to agree, unless the step says.
const TO_AGREE: Duration = Duration::from_secs(3600);
/// How long a job at GitHub may take there.
const AT_GITHUB: Duration = Duration::from_secs(6 * 3600);
/// The pause between two looks, unless the step says.
const LOOK: Duration = Duration::from_secs(5);
/// What to write as the question of an approval.
const QUESTION: &str = "what people are to agree to";

impl Kind {
    /// Its key.
    pub(super) fn key(self) -> &'static str {
        let known = KINDS.iter().find(|(_, kind)| *kind == self);
        known.map_or("run", |(key, _)| key)
    }

    /// What is wrong with a step that has none.
    pub(super) fn none() -> String {
        let all: Vec<&str> = KINDS.iter().map(|(key, _)| *key).collect();
        format!("this step does nothing; give it one of {}", all.join(", "))
    }

    /// Whether a key that is not known was probably meant to be a kind.
    pub(super) fn is_misspelt(map: &Map<'_>) -> bool {
        let known = |near| KINDS.iter().any(|(key, _)| *key == near);
        map.strangers().any(|(_, near)| near.is_some_and(known))
    }

    /// Whether it does nothing that another start would do twice.
    pub(super) fn only_waits(self) -> bool {
        match self {
            Kind::Hold | Kind::WaitFor | Kind::Approve | Kind::Call | Kind::Notify => true,
            Kind::Run | Kind::Script | Kind::Git | Kind::Http | Kind::Service | Kind::Github => {
                false
            }
        }
    }

    /// How long it may take when it does not say.
    pub(super) fn timeout(self, work: &Work, usual: Duration) -> Duration {
        match (self, work) {
            (Kind::Hold, Work::Hold { length }) => *length,
            (Kind::Service, _) => YEAR,
            (Kind::Approve, _) => TO_AGREE,
            (Kind::Github, Work::Github { wait: true, .. }) => AT_GITHUB,
            _ => usual,
        }
    }
}

/// What a step does, as far as it can be read without the others.
pub(super) struct Found {
    pub(super) kind: Kind,
    /// Nothing when there is a fault in it.
    pub(super) work: Option<Work>,
    /// The values that it names by itself.
    pub(super) finds: Vec<String>,
    pub(super) target: Option<Target>,
}

/// A script or workflow that a step names, and what it gives.
pub(super) struct Target {
    /// Whether a workflow is meant.
    pub(super) workflow: bool,
    pub(super) name: String,
    pub(super) at: At,
    pub(super) given: Vec<Given>,
}

/// A value that is given, by its name or by its place.
pub(super) struct Given {
    pub(super) name: Option<String>,
    pub(super) at: At,
    pub(super) value: Template,
}

/// Reads the one kind that a step has; `None` when it has none.
pub(super) fn read(map: &mut Map<'_>, r: &mut Reader<'_>) -> Option<Found> {
    let mut there = Vec::new();
    for (key, kind) in KINDS {
        if let Some(node) = map.get(key) {
            there.push((key, kind, node));
        }
    }
    let ((key, kind, node), more) = there.split_first()?;
    for (other, _, node) in more {
        let wrong = format!("this step has both `{key}` and `{other}`; make two steps of it");
        r.report.fault(&node.at, wrong);
    }
    let mut found = Found {
        kind: *kind,
        work: None,
        finds: Vec::new(),
        target: None,
    };
    let name = map.name(key);
    found.work = match kind {
        Kind::Run => r
            .argv(map, "run", Absent::Told)
            .map(|argv| Work::Run { argv }),
        Kind::Service => r
            .argv(map, "service", Absent::Told)
            .map(|argv| Work::Service { argv }),
        Kind::Script => {
            found.target = target(node, &name, false, r);
            found.target.as_ref().map(|target| Work::Script {
                script: target.name.clone(),
                given: Vec::new(),
            })
        }
        Kind::Call => {
            found.target = target(node, &name, true, r);
            found.target.as_ref().map(|target| Work::Call {
                workflow: target.name.clone(),
                params: Vec::new(),
                given: BTreeMap::new(),
            })
        }
        Kind::Git => {
            found.finds.push("commit".to_owned());
            git(node, &name, r)
        }
        Kind::Http => http(node, &name, &mut found.finds, r),
        Kind::Hold => map
            .duration("hold", YEAR, r.report)
            .map(|length| Work::Hold { length }),
        Kind::WaitFor => wait_for(node, &name, r),
        Kind::Approve => approve(node, &name, r),
        Kind::Notify => r
            .filled(node, &name, "what people are to read")
            .map(|text| Work::Notify { text }),
        Kind::Github => {
            found.finds.extend(["run", "link"].map(str::to_owned));
            github(node, &name, r)
        }
    };
    Some(found)
}

/// `deploy`, or `{name: deploy, args: …}`; of a workflow `params` in place of `args`.
fn target(node: &Node, path: &str, workflow: bool, r: &mut Reader<'_>) -> Option<Target> {
    let mut given = Vec::new();
    let (name, at) = match &node.value {
        Value::Map(_) => {
            let mut map = Map::open(node, path, r.report)?;
            let name = map.required("name", r.report);
            let at = map.get("name").map(|node| node.at.clone());
            let key = if workflow { "params" } else { "args" };
            if let Some(node) = map.get(key) {
                given = values(node, &map.name(key), workflow, r);
            }
            map.finish(r.report);
            (name?, at?)
        }
        Value::Scalar { .. } | Value::Null | Value::Seq(_) => {
            (text(node, path, r.report)?, node.at.clone())
        }
    };
    Some(Target {
        workflow,
        name: name.to_owned(),
        at,
        given,
    })
}

/// Values by name; those of a script also in their order.
fn values(node: &Node, path: &str, workflow: bool, r: &mut Reader<'_>) -> Vec<Given> {
    let mut given = Vec::new();
    let mut add = |name: Option<&str>, node: &Node, path: &str| {
        if let Some(value) = r.template(node, path, Reach::Seen) {
            given.push(Given {
                name: name.map(str::to_owned),
                at: node.at.clone(),
                value,
            });
        }
    };
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                add(
                    Some(&entry.key),
                    &entry.node,
                    &format!("{path}.{}", entry.key),
                );
            }
        }
        Value::Seq(items) if !workflow => {
            for (index, item) in items.iter().enumerate() {
                add(None, item, &format!("{path}[{index}]"));
            }
        }
        Value::Seq(_) | Value::Null | Value::Scalar { .. } => {
            let wrong = format!("`{path}` must hold names and values; write {{name: value}}");
            r.report.fault(&node.at, wrong);
        }
    }
    given
}

fn git(node: &Node, path: &str, r: &mut Reader<'_>) -> Option<Work> {
    let mut map = Map::open(node, path, r.report)?;
    let url = r.required(&mut map, "url");
    if let (Some(url), Some(node)) = (&url, map.get("url")) {
        check_git(url, &node.at, r);
    }
    let branch = r.key(&mut map, "branch", Reach::Seen);
    if let (Some(written), Some(node)) = (&branch, map.get("branch"))
        && written.beginning().starts_with('-')
    {
        let wrong = format!(
            "`{}` begins with `-`; write a branch or tag",
            map.name("branch")
        );
        r.report.fault(&node.at, wrong);
    }
    let depth = map.integer("depth", 1..=1_000_000, r.report);
    let dir = r.key(&mut map, "dir", Reach::Seen);
    if let (Some(dir), Some(node)) = (&dir, map.get("dir")) {
        r.below(dir, &map.name("dir"), &node.at);
    }
    let token = at_github::token(&mut map, None, r.paths.env, r.report);
    map.finish(r.report);
    Some(Work::Git {
        url: url?,
        branch,
        depth: depth.and_then(|depth| u32::try_from(depth).ok()),
        dir: dir.unwrap_or_else(|| Template::literal("repo")),
        token,
    })
}

/// Checks what is known of the address now: it whole, its beginning, or the default of the parameter that it is.
fn check_git(url: &Template, at: &At, r: &mut Reader<'_>) {
    let default = || match url.as_value()? {
        Source::Param(name) => {
            let arg = r.args.iter().find(|arg| arg.name.as_str() == name);
            arg?.default.clone()
        }
        Source::Step(..) | Source::Env(_) | Source::Run(_) => None,
    };
    let known = match (url.as_literal(), url.beginning()) {
        (Some(whole), _) => Some(whole.to_owned()),
        // What follows the beginning may be anything, so a host stands in for it.
        (None, begins) if !begins.is_empty() => Some(format!("{begins}x:x")),
        (None, _) => default(),
    };
    if let Some(Err(wrong)) = known.map(|known| git_address(&known)) {
        r.report.fault(at, wrong.replace("x:x`", "…`"));
    }
}

fn http(node: &Node, path: &str, finds: &mut Vec<String>, r: &mut Reader<'_>) -> Option<Work> {
    let work = |url: Option<Template>| {
        Some(Work::Http {
            method: "GET".to_owned(),
            url: url?,
            headers: BTreeMap::new(),
            body: None,
            expect: Vec::new(),
            json: BTreeMap::new(),
        })
    };
    if let Value::Scalar { .. } = node.value {
        let url = r.template(node, path, Reach::Seen);
        if let Some(url) = &url {
            check_url(url, path, &node.at, r.report);
        }
        return work(url);
    }
    let mut map = Map::open(node, path, r.report)?;
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map(|word| (word, word));
    let method = map.word("method", &methods, r.report).unwrap_or("GET");
    let url = r.required(&mut map, "url");
    if let (Some(url), Some(node)) = (&url, map.get("url")) {
        check_url(url, &map.name("url"), &node.at, r.report);
    }
    let headers = r.named(&mut map, "headers", Reach::Hidden);
    if let Some(Value::Map(entries)) = map.get("headers").map(|node| &node.value) {
        for entry in entries {
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if entry.key.is_empty() || !entry.key.chars().all(token) {
                let wrong = format!(
                    "`{}` is not the name of a header; write one such as Content-Type",
                    entry.key
                );
                r.report.fault(&entry.at, wrong);
            }
        }
    }
    let body = r.key(&mut map, "body", Reach::Hidden);
    let expect = statuses(&mut map, "expect", r.report);
    let json = pointers(&mut map, r.report);
    map.finish(r.report);
    finds.extend(json.keys().cloned());
    Some(Work::Http {
        method: method.to_owned(),
        url: url?,
        headers,
        body,
        expect,
        json,
    })
}

/// Checks an address as far as it is known now.
fn check_url(url: &Template, name: &str, at: &At, report: &mut Report) {
    let begins = url.beginning();
    let web = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    let good = match url.as_literal() {
        Some(whole) => web(whole) && Url::parse(whole).is_ok(),
        None => begins.is_empty() || web(begins),
    };
    if !good {
        let wrong = format!(
            "`{name}` is no address of a web server; write one that begins with https:// or http://"
        );
        report.fault(at, wrong);
    }
}

fn statuses(map: &mut Map<'_>, key: &'static str, report: &mut Report) -> Vec<u16> {
    let Some(node) = map.get(key) else {
        return Vec::new();
    };
    let nodes = match &node.value {
        Value::Seq(items) => items.as_slice(),
        Value::Map(_) | Value::Null | Value::Scalar { .. } => std::slice::from_ref(node),
    };
    let name = map.name(key);
    nodes
        .iter()
        .filter_map(|node| integer(node, &name, 100..=599, report))
        .filter_map(|status| u16::try_from(status).ok())
        .collect()
}

/// JSON pointers by the names of what they find.
fn pointers(map: &mut Map<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Some(free) = map.section("json", report) else {
        return found;
    };
    for entry in free.entries() {
        dotless(&entry.key, &entry.at, report);
        let name = free.name(&entry.key);
        let Some(written) = text(&entry.node, &name, report) else {
            continue;
        };
        if !written.starts_with('/') {
            let wrong = format!("`{name}` is `{written}`; write a JSON pointer such as /data/0/id");
            report.fault(&entry.node.at, wrong);
        }
        found.insert(entry.key.clone(), written.to_owned());
    }
    found
}

fn wait_for(node: &Node, path: &str, r: &mut Reader<'_>) -> Option<Work> {
    let mut map = Map::open(node, path, r.report)?;
    let keys = ["url", "tcp", "file", "command"];
    let there: Vec<&str> = keys
        .into_iter()
        .filter(|key| map.get(key).is_some())
        .collect();
    if there.len() != 1 {
        let wrong =
            format!("`{path}` waits for one thing; give it one of url, tcp, file or command");
        r.report.fault(map.at, wrong);
    }
    let url = r.key(&mut map, "url", Reach::Seen);
    if let (Some(url), Some(node)) = (&url, map.get("url")) {
        check_url(url, &map.name("url"), &node.at, r.report);
    }
    let status = map.integer("status", 100..=599, r.report);
    if let Some(node) = map.get("status").filter(|_| !there.contains(&"url")) {
        let wrong = format!("`{}` is only for `url`; remove it", map.name("status"));
        r.report.fault(&node.at, wrong);
    }
    let tcp = r.key(&mut map, "tcp", Reach::Seen);
    if let (Some(address), Some(node)) =
        (tcp.as_ref().and_then(Template::as_literal), map.get("tcp"))
    {
        let port = address
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty());
        if !port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            let wrong = format!("`{}` is `{address}`; write host:port", map.name("tcp"));
            r.report.fault(&node.at, wrong);
        }
    }
    let file = map.get("file");
    let file = file.and_then(|node| r.filled(node, &map.name("file"), "its path"));
    let command = r.argv(&mut map, "command", Absent::Told);
    let every = map.duration_or("every", LOOK, YEAR, r.report);
    map.finish(r.report);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let until = url
        .map(|url| Until::Url(url, status))
        .or(tcp.map(Until::Tcp))
        .or(file.map(Until::File))
        .or(command.map(Until::Command));
    Some(Work::WaitFor {
        until: until?,
        every,
    })
}

/// A question alone, or who is asked besides.
fn approve(node: &Node, path: &str, r: &mut Reader<'_>) -> Option<Work> {
    if let Value::Scalar { .. } = node.value {
        return Some(Work::Approve {
            question: Some(r.filled(node, path, QUESTION)?),
            role: Role::Admin,
            by_asker: false,
        });
    }
    let mut map = Map::open(node, path, r.report)?;
    let question = map.get("question");
    let question = question.and_then(|node| r.filled(node, &map.name("question"), QUESTION));
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    let role = map.word("role", &roles, r.report);
    let by_asker = map.flag("by_asker", r.report);
    map.finish(r.report);
    Some(Work::Approve {
        question,
        role: role.unwrap_or(Role::Admin),
        by_asker: by_asker.unwrap_or_default(),
    })
}

fn github(node: &Node, path: &str, r: &mut Reader<'_>) -> Option<Work> {
    let mut map = Map::open(node, path, r.report)?;
    let repo = r.required(&mut map, "repo");
    if let (Some(repo), Some(node)) = (
        repo.as_ref().and_then(Template::as_literal),
        map.get("repo"),
    ) {
        at_github::check_repo(repo, &map.name("repo"), &node.at, r.report);
    }
    let workflow = r.required(&mut map, "workflow");
    let branch = r.key(&mut map, "branch", Reach::Seen);
    let inputs = r.named(&mut map, "inputs", Reach::Seen);
    let token = at_github::token(&mut map, Some(at_github::TOKEN), r.paths.env, r.report);
    let wait = map.flag("wait", r.report).unwrap_or(true);
    let keep = map.flag("keep", r.report).unwrap_or(false);
    let api = at_github::api(&mut map, r.report);
    map.finish(r.report);
    Some(Work::Github {
        repo: repo?,
        workflow: workflow?,
        branch: branch.unwrap_or_else(|| Template::literal("main")),
        inputs,
        token: token?,
        wait,
        keep,
        api,
    })
}
