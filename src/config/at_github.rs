//! The key `after_github` of a workflow: it runs after runs of a workflow at GitHub; and what is said of GitHub anywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::YEAR;
use super::env::Env;
use super::fault::{At, Report};
use super::map::Map;
use super::read::{meant, one_of, text};
use super::schedule::{Follows, Schedule};
use super::scripts::{Script, variable_name};
use super::tree::{Entry, Node, Value};
use super::workflows::Around;
use crate::base::schedule::Rule;
use crate::base::when::When;
use url::Url;

/// The variable that holds the token, when the configuration does not say.
pub(super) const TOKEN: &str = "GITHUB_TOKEN";
/// Where GitHub's interface is.
pub(super) const API: &str = "https://api.github.com";
/// How tokens of GitHub and GitLab begin.
const TOKENS: [&str; 7] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
];
/// How often GitHub is asked, when the configuration does not say.
const EVERY: Duration = Duration::from_secs(60);
/// The most often: an hour holds 5,000 questions by one token, for whoever else has it, too.
const LEAST: Duration = Duration::from_secs(10);

/// How runs end, in GitHub's words.
const CONCLUSIONS: [&str; 9] = [
    "success",
    "failure",
    "cancelled",
    "timed_out",
    "startup_failure",
    "action_required",
    "neutral",
    "skipped",
    "stale",
];

/// Which runs are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Those that went well.
    Success,
    /// Those that failed.
    Failure,
    /// All.
    Any,
}

impl Ended {
    const ALL: [(&'static str, Self); 3] = [
        ("success", Self::Success),
        ("failure", Self::Failure),
        ("any", Self::Any),
    ];

    /// Whether a run is followed that came to this conclusion, in GitHub's words.
    #[must_use]
    pub fn is_met(self, conclusion: &str) -> bool {
        match self {
            Self::Success => conclusion == "success",
            Self::Failure => matches!(conclusion, "failure" | "timed_out" | "startup_failure"),
            Self::Any => true,
        }
    }
}

/// What a parameter gets of the run at GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Its id.
    Run,
    /// Its page.
    Link,
    /// The commit that it is of.
    Commit,
    /// Its branch or tag.
    Branch,
    /// How it ended, in GitHub's words.
    Conclusion,
}

impl Fact {
    const ALL: [(&'static str, Self); 5] = [
        ("run", Self::Run),
        ("link", Self::Link),
        ("commit", Self::Commit),
        ("branch", Self::Branch),
        ("conclusion", Self::Conclusion),
    ];
}

/// A workflow at GitHub whose runs another one follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtGitHub {
    /// The repository, `owner/name`.
    pub repo: String,
    /// The file of the workflow.
    pub workflow: String,
    /// The branch or tag; `None` for all.
    pub branch: Option<String>,
    /// Which runs.
    pub ended: Ended,
    /// What the parameters of these names get.
    pub params: BTreeMap<String, Fact>,
    /// The variable of the bot's environment that holds the token.
    pub token: String,
    /// Where the interface is.
    pub api: String,
}

impl AtGitHub {
    /// What is looked at, as text: at another place, what was seen before means nothing.
    #[must_use]
    pub fn timer(&self) -> String {
        let branch = self.branch.as_deref().unwrap_or("*");
        format!(
            "after {} {} {} {branch} {}",
            self.api, self.repo, self.workflow, self.token
        )
    }
}

/// `when ci.yml of ann/site succeeds on main`
impl fmt::Display for AtGitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = match self.ended {
            Ended::Success => "succeeds",
            Ended::Failure => "fails",
            Ended::Any => "ends",
        };
        write!(f, "when {} of {} {ends}", self.workflow, self.repo)?;
        match &self.branch {
            Some(branch) => write!(f, " on {branch}"),
            None => Ok(()),
        }
    }
}

/// Reads the value of `after_github`.
pub(super) fn read(
    node: &Node,
    path: &str,
    script: &Script,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<Schedule> {
    let mut map = Map::open(node, path, report)?;
    let repo = map.required("repo", report).map(str::to_owned);
    if let (Some(repo), Some(node)) = (&repo, map.get("repo")) {
        check_repo(repo, &map.name("repo"), &node.at, report);
    }
    let workflow = map.required("workflow", report).map(str::to_owned);
    if let (Some(file), Some(node)) = (&workflow, map.get("workflow")) {
        check_file(file, &map.name("workflow"), &node.at, report);
    }
    let branch = map.text("branch", report).map(str::to_owned);
    let ended = map.word("conclusion", &Ended::ALL, report);
    let conclusion = ended.unwrap_or(Ended::Success);
    let params = params(&mut map, script, report);
    check_params(&mut map, path, script, report);
    let known = Known {
        branch: branch.as_deref(),
        ended: conclusion,
    };
    known.check(&mut map, &params, script, report);
    let every = map.duration_or("every", EVERY, YEAR, report);
    if every < LEAST
        && let Some(node) = map.get("every")
    {
        let wrong = format!(
            "`{}` is less than {} s, which GitHub would not bear for long; write more",
            map.name("every"),
            LEAST.as_secs()
        );
        report.fault(&node.at, wrong);
    }
    let token = token(&mut map, Some(TOKEN), around.paths.env, report);
    let api = api(&mut map, report);
    map.finish(report);
    let there = AtGitHub {
        repo: repo?,
        workflow: workflow?,
        branch,
        ended: conclusion,
        params,
        token: token?,
        api,
    };
    let mut schedule = Schedule::new(script.name.to_string(), script, When::Every(every));
    schedule.follows = Some(Follows::GitHub(Box::new(there)));
    schedule.rule = Rule::Always;
    Some(schedule)
}

/// Which parameter gets what, such as `{version: commit}`.
fn params(map: &mut Map<'_>, script: &Script, report: &mut Report) -> BTreeMap<String, Fact> {
    let Some(inner) = map
        .optional("params")
        .and_then(|_| map.section("params", report))
    else {
        return BTreeMap::new();
    };
    let known: Vec<&str> = script.args.iter().map(|arg| arg.name.as_str()).collect();
    let words = Fact::ALL.map(|(word, _)| word);
    let mut params = BTreeMap::new();
    for entry in inner.entries() {
        let name = inner.name(&entry.key);
        if !known.contains(&entry.key.as_str()) {
            let wrong = format!(
                "`{name}` is no parameter of {}{}",
                script.name,
                meant(&entry.key, &known)
            );
            report.fault(&entry.at, wrong);
            continue;
        }
        let Some(word) = text(&entry.node, &name, report) else {
            continue;
        };
        match Fact::ALL.iter().find(|(known, _)| *known == word) {
            Some((_, fact)) => {
                params.insert(entry.key.clone(), *fact);
            }
            None => {
                let wrong = format!(
                    "`{name}` is `{word}`; write {}{}",
                    one_of(&words),
                    meant(word, &words)
                );
                report.fault(&entry.node.at, wrong);
            }
        }
    }
    params
}

/// What is known of the runs that are followed.
struct Known<'a> {
    branch: Option<&'a str>,
    ended: Ended,
}

impl Known<'_> {
    /// Some of the values that a fact has, of all kinds that there are; none where nothing is known of them.
    fn samples(&self, fact: Fact) -> Vec<String> {
        match fact {
            Fact::Run => (1..12).map(|digits| "9".repeat(digits)).collect(),
            // The first letters are all there is to tell one from the other; by SHA-1 and by SHA-256.
            Fact::Commit => {
                let one = |digit: char| [40, 64].map(|length| digit.to_string().repeat(length));
                "0123456789abcdef".chars().flat_map(one).collect()
            }
            Fact::Branch => self.branch.iter().map(|&name| name.to_owned()).collect(),
            Fact::Conclusion => {
                let all = CONCLUSIONS.into_iter();
                let met = all.filter(|conclusion| self.ended.is_met(conclusion));
                met.map(str::to_owned).collect()
            }
            Fact::Link => Vec::new(),
        }
    }

    /// A parameter that never takes what it gets would keep each run from beginning.
    fn check(
        &self,
        map: &mut Map<'_>,
        params: &BTreeMap<String, Fact>,
        script: &Script,
        report: &mut Report,
    ) {
        let named: &[Entry] = match map.get("params").map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            Some(Value::Null | Value::Scalar { .. } | Value::Seq(_)) | None => &[],
        };
        for entry in named {
            let arg = script
                .args
                .iter()
                .find(|arg| entry.key == arg.name.as_str());
            let (Some(arg), Some(fact)) = (arg, params.get(&entry.key)) else {
                continue;
            };
            let samples = self.samples(*fact);
            if samples.is_empty() || samples.iter().any(|sample| arg.check(sample).is_ok()) {
                continue;
            }
            let word = Fact::ALL.iter().find(|(_, known)| known == fact);
            let word = word.map_or("", |(word, _)| *word);
            let such = match samples.as_slice() {
                [only] => format!("the {word} is `{only}`"),
                several if *fact == Fact::Conclusion => {
                    let all: Vec<&str> = several.iter().map(String::as_str).collect();
                    format!("the {word} is one of {}", all.join(", "))
                }
                _ if *fact == Fact::Commit => "a commit has 40 letters and digits".to_owned(),
                _ => format!("the {word} is a number"),
            };
            let wrong = format!(
                "`{}.{}` is `{word}`, which `{}` never takes, since {such}; change what `{}` takes, or what it gets",
                map.name("params"),
                entry.key,
                arg.name,
                arg.name
            );
            report.fault(&entry.node.at, wrong);
        }
    }
}

/// Nobody is there to be asked for what is missing.
fn check_params(map: &mut Map<'_>, path: &str, script: &Script, report: &mut Report) {
    let named: &[Entry] = match map.get("params").map(|node| &node.value) {
        Some(Value::Map(entries)) => entries,
        Some(Value::Null | Value::Scalar { .. } | Value::Seq(_)) | None => &[],
    };
    for arg in script.args.iter().filter(|arg| arg.required()) {
        if named.iter().any(|entry| entry.key == arg.name.as_str()) {
            continue;
        }
        let wrong = format!(
            "`{path}` cannot run {}: the parameter `{}` has no value; give it a default, or name what it gets of the \
             run under `{path}.params`: {}",
            script.name,
            arg.name,
            one_of(&Fact::ALL.map(|(word, _)| word))
        );
        report.fault(map.at, wrong);
    }
}

/// Says what is wrong with the name of a repository.
pub(super) fn check_repo(repo: &str, name: &str, at: &At, report: &mut Report) {
    let is_word = |part: &str| {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !matches!(part, "" | "." | "..") && part.chars().all(is_letter)
    };
    let parts = repo.split_once('/');
    if !parts.is_some_and(|(owner, name)| is_word(owner) && is_word(name)) {
        report.fault(at, format!("`{name}` is `{repo}`; write owner/name"));
    }
}

fn check_file(file: &str, name: &str, at: &At, report: &mut Report) {
    let file = file.strip_prefix(".github/workflows/").unwrap_or(file);
    let is_yaml = file.ends_with(".yml") || file.ends_with(".yaml");
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !is_yaml || !file.chars().all(is_letter) {
        let wrong = format!("`{name}` is `{file}`; write the name of its file, such as ci.yml");
        report.fault(at, wrong);
    }
}

/// The variable that holds the token; one that is not set is remarked on.
pub(super) fn token(
    map: &mut Map<'_>,
    usual: Option<&str>,
    env: &Env,
    report: &mut Report,
) -> Option<String> {
    let node = map.optional("token");
    let written = match node {
        Some(node) => text(node, &map.name("token"), report),
        None => usual,
    }?;
    let at = node.map_or(map.at, |node| &node.at);
    if TOKENS.iter().any(|token| written.starts_with(token)) {
        let wrong = format!(
            "`{}` holds a token itself, which does not belong in a file; revoke it, and write the name of a variable of \
             the bot's environment",
            map.name("token")
        );
        report.fault(at, wrong);
        return None;
    }
    if variable_name(written, at, report) && env.get(written).is_none() {
        let wrong =
            format!("the variable {written} is not in the bot's environment; set it to the token");
        report.warn(at, wrong);
    }
    Some(written.to_owned())
}

/// Where the interface is.
pub(super) fn api(map: &mut Map<'_>, report: &mut Report) -> String {
    let written = map.text("api_url", report).unwrap_or(API);
    let is_address = Url::parse(written).is_ok_and(|url| url.scheme().starts_with("http"));
    if !is_address && let Some(node) = map.get("api_url") {
        let wrong = format!(
            "`{}` is `{written}`; write an address such as {API}",
            map.name("api_url")
        );
        report.fault(&node.at, wrong);
    }
    written.to_owned()
}
