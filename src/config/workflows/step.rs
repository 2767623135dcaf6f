//! One step: its name, what it does, and when, how often and where.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use super::super::YEAR;
use super::super::args::Arg;
use super::super::fault::{At, Report};
use super::super::kind::Kind as Takes;
use super::super::map::Map;
use super::super::read::{duration, flag, meant, one_of, text, texts};
use super::super::retry;
use super::super::scripts::lock;
use super::super::tree::{Node, Value};
use super::reader::{Absent, Reach, Reader, Use};
use super::work::{self, Kind, Target};
use crate::base::name::Name;
use crate::base::schedule::Retries;
use crate::base::workflow::{Capture, Condition, OnCrash, OnFailure, Source, Step, Template, Work};

/// How long a service has to print what is captured from it, unless it says.
const WITHIN: Duration = Duration::from_secs(30);

/// A step as far as it can be read without the others.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) at: At,
    /// What it needs, where it says so.
    pub(super) needs: Option<Vec<(String, At)>>,
    /// The values it wants.
    pub(super) uses: Vec<Use>,
    /// The values it finds, and whether they are secret.
    pub(super) finds: BTreeMap<String, bool>,
    /// The script or workflow that it names.
    pub(super) target: Option<Target>,
    /// Whether it says how long it may take.
    pub(super) timed: bool,
    /// Whether what it does is misspelt, so that nobody knows what it wants and finds.
    pub(super) misspelt: bool,
    /// The step, unless there is a fault in what it does; its needs are not known yet.
    pub(super) step: Option<Step>,
}

/// Whether the step stands under `steps` or under `always`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Steps,
    Always,
}

/// Names of steps, parameters and captured values stand between the dots of `steps.NAME.VALUE`.
pub(super) fn dotless(name: &str, at: &At, report: &mut Report) -> bool {
    let good = !name.contains('.');
    if !good {
        report.fault(
            at,
            format!("`{name}` holds a dot, which divides names in {{{{ }}}}; write `-` or `_`"),
        );
    }
    good
}

/// Reads one step; `None` when it has no name.
pub(super) fn read(node: &Node, path: &str, part: Part, r: &mut Reader<'_>) -> Option<Draft> {
    let mut map = Map::open(node, path, r.report)?;
    let name = map.own_name(r.report);
    if let (Some(name), Some(node)) = (&name, map.get("name")) {
        dotless(name.as_str(), &node.at, r.report);
    }
    let found = work::read(&mut map, r);
    if let Some(found) = &found {
        refuse(&mut map, found.kind, part, r.report);
    }
    let needs = map.get("needs").map(|node| needs(node, &map, r.report));
    let kind = found.as_ref().map(|found| found.kind);
    let rest = Rest::read(&mut map, kind, r);
    let misspelt = found.is_none() && Kind::is_misspelt(&map);
    if found.is_none() && !misspelt {
        r.report.fault(map.at, Kind::none());
    }
    map.finish(r.report);
    let name = name?.to_string();
    let uses = r.take_uses();
    let mut finds: BTreeMap<String, bool> = rest
        .capture
        .iter()
        .map(|(name, capture)| (name.clone(), capture.secret))
        .collect();
    let (mut target, timed) = (None, rest.timeout.is_some());
    let step = found.and_then(|found| {
        finds.extend(found.finds.into_iter().map(|name| (name, false)));
        target = found.target;
        Some(rest.step(name.clone(), (found.kind, part), found.work?, r.timeout))
    });
    Some(Draft {
        name,
        at: node.at.clone(),
        needs,
        uses,
        finds,
        target,
        timed,
        misspelt,
        step,
    })
}

fn needs(node: &Node, map: &Map<'_>, report: &mut Report) -> Vec<(String, At)> {
    let name = map.name("needs");
    let named = match &node.value {
        Value::Scalar { .. } => text(node, &name, report)
            .map(|text| vec![(text, &node.at)])
            .unwrap_or_default(),
        Value::Null | Value::Seq(_) | Value::Map(_) => texts(node, &name, report),
    };
    let own = |(name, at): (&str, &At)| (name.to_owned(), at.clone());
    named.into_iter().map(own).collect()
}

/// Names the keys that mean nothing for what this step does.
fn refuse(map: &mut Map<'_>, kind: Kind, part: Part, report: &mut Report) {
    use Kind::{Approve, Call, Git, Github, Hold, Http, Notify, Run, Script, Service, WaitFor};
    const KEYS: [(&str, &[Kind]); 8] = [
        (
            "timeout",
            &[Run, Script, Git, Http, WaitFor, Approve, Notify, Github],
        ),
        ("retry", &[Run, Script, Git, Http, Service, Github]),
        ("on_crash", &[Run, Script, Git, Http, Service, Github]),
        (
            "on_failure",
            &[
                Run, Script, Git, Http, Service, WaitFor, Approve, Notify, Github,
            ],
        ),
        ("undo", &[Run, Script, Git, Http, Github]),
        ("confirm_within", &[Run, Script, Git, Http, Github]),
        (
            "lock",
            &[Run, Script, Git, Http, Service, Hold, WaitFor, Github],
        ),
        ("capture", &[Run, Script, Service]),
    ];
    for (key, kinds) in KEYS {
        if !kinds.contains(&kind)
            && let Some(node) = map.get(key)
        {
            let instead = match (kind, key) {
                (Http, "capture") => "; name values of its answer under `http.json`",
                (Hold, "timeout") => "; it lasts as long as it says",
                (Service, "timeout") => "; it lasts until the run ends",
                (Call, _) => "; say it in the called workflow",
                _ => "; remove it",
            };
            let wrong = format!(
                "`{}` means nothing for `{}`{instead}",
                map.name(key),
                kind.key()
            );
            report.fault(&node.at, wrong);
        }
    }
    if part == Part::Steps {
        return;
    }
    if [Service, Hold, Approve, Call].contains(&kind) {
        let wrong = format!(
            "`{}` cannot stand under `always`, which is over soon, however the run went; put it under `steps`",
            kind.key()
        );
        report.fault(map.at, wrong);
    }
    for key in ["needs", "undo", "confirm_within"] {
        if let Some(node) = map.get(key) {
            let wrong = format!(
                "`{}` means nothing under `always`, where each step follows the one before; remove it",
                map.name(key)
            );
            report.fault(&node.at, wrong);
        }
    }
}

/// What a step says beside what it does.
struct Rest {
    when: Option<Condition>,
    skip_if: Option<Vec<Template>>,
    timeout: Option<Duration>,
    retry: Option<Retries>,
    on_failure: OnFailure,
    on_crash: Option<OnCrash>,
    undo: Option<Vec<Template>>,
    confirm_within: Option<Duration>,
    lock: Option<String>,
    cwd: Option<Template>,
    env: BTreeMap<String, Template>,
    capture: BTreeMap<String, Capture>,
}

impl Rest {
    fn read(map: &mut Map<'_>, kind: Option<Kind>, r: &mut Reader<'_>) -> Self {
        let failure = [
            ("abort", OnFailure::Abort),
            ("continue", OnFailure::Continue),
            ("skip_rest", OnFailure::SkipRest),
        ];
        let crash = [
            ("ask", OnCrash::Ask),
            ("retry", OnCrash::Retry),
            ("fail", OnCrash::Fail),
        ];
        let when = condition(map, r);
        let skip_if = skip_if(map, r);
        let undo = r.undo(map);
        let confirm_within = map.duration("confirm_within", YEAR, r.report);
        if let Some(node) = map.get("confirm_within")
            && map.get("undo").is_none()
        {
            r.report.fault(
                &node.at,
                format!(
                    "`{}` has nothing to undo when nobody confirms; add `undo: [program]`",
                    map.name("confirm_within")
                ),
            );
        }
        let lock = lock(map, r.report);
        let programs = matches!(kind, None | Some(Kind::Run | Kind::Service | Kind::WaitFor))
            || map.get("skip_if").is_some()
            || map.get("undo").is_some();
        for key in ["cwd", "env"] {
            if let Some(node) = map.get(key).filter(|_| !programs) {
                let wrong = format!(
                    "`{}` means nothing here, since no program is started; remove it",
                    map.name(key)
                );
                r.report.fault(&node.at, wrong);
            }
        }
        Self {
            when,
            skip_if,
            timeout: map.duration("timeout", YEAR, r.report),
            retry: retry::read(map, r.report),
            on_failure: map
                .word("on_failure", &failure, r.report)
                .unwrap_or_default(),
            on_crash: map.word("on_crash", &crash, r.report),
            undo,
            confirm_within,
            lock,
            cwd: r.cwd(map),
            env: r.env(map),
            capture: captures(map, kind, r.report),
        }
    }

    fn step(self, name: String, (kind, part): (Kind, Part), work: Work, timeout: Duration) -> Step {
        // What goes on until the end is to go on, and what tidies up can be done twice: the run must come to its end by itself.
        let repeats = kind.only_waits() || kind == Kind::Service || part == Part::Always;
        let unless = kind.timeout(&work, timeout);
        Step {
            name,
            work,
            needs: Vec::new(),
            part_of: None,
            when: self.when,
            skip_if: self.skip_if,
            timeout: self.timeout.unwrap_or(unless),
            retry: self.retry,
            on_failure: self.on_failure,
            on_crash: self.on_crash.unwrap_or(match repeats {
                true => OnCrash::Retry,
                false => OnCrash::default(),
            }),
            undo: self.undo,
            confirm_within: self.confirm_within,
            lock: self.lock,
            cwd: self.cwd,
            env: self.env,
            capture: self.capture,
        }
    }
}

/// A program whose good end says that the step need not run.
fn skip_if(map: &mut Map<'_>, r: &mut Reader<'_>) -> Option<Vec<Template>> {
    let written = map.get("skip_if").and_then(|node| match &node.value {
        Value::Scalar { text, .. } => Some((text, &node.at)),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    });
    if let Some((written, at)) = written.filter(|(text, _)| sign(text).is_some()) {
        let wrong = format!(
            "`{}` is `{written}`; it takes a program, [program, argument], and skips the step if that exits with 0; \
             write a comparison under `when`",
            map.name("skip_if")
        );
        r.report.fault(at, wrong);
        // What it names is wanted all the same.
        r.parse(written, at, Reach::Hidden);
        r.braced_is_told(at);
        return None;
    }
    r.argv(map, "skip_if", Absent::Expected)
}

/// `"{{ params.env }} == prod"`, or `!=`; quotes around a side are no part of it.
fn condition(map: &mut Map<'_>, r: &mut Reader<'_>) -> Option<Condition> {
    let node = map.get("when")?;
    let name = map.name("when");
    let written = text(node, &name, r.report)?;
    let Some((at, sign)) = sign(written) else {
        r.report.fault(
            &node.at,
            format!(
                "`{name}` is `{written}`; write a comparison: \"{{{{ params.NAME }}}} == value\", or with !="
            ),
        );
        return None;
    };
    if let Some(more) = more(&written[at + sign.len()..]) {
        r.report.fault(
            &node.at,
            format!(
                "`{name}` is `{written}`, with a `{more}` too many; one comparison is all there is, so give the other to a \
                 step of its own"
            ),
        );
        return None;
    }
    let mut side = |text: &str| {
        let text = text.trim();
        let bare = ['\'', '"'].into_iter().find_map(|quote| {
            let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inner.contains(quote)).then_some(inner)
        });
        r.parse(bare.unwrap_or(text), &node.at, Reach::Hidden)
    };
    let (left, right) = (side(&written[..at]), side(&written[at + sign.len()..]));
    let when = Condition {
        left: left?,
        right: right?,
        same: sign == "==",
    };
    if let (Some(left), Some(right)) = (when.left.as_literal(), when.right.as_literal()) {
        let always = (left == right) == when.same;
        r.report.fault(
            &node.at,
            format!(
                "`{name}` is `{written}`, two plain texts, so it is always {always}; \
                 compare a value: \"{{{{ params.NAME }}}} == value\", or with !="
            ),
        );
        r.braced_is_told(&node.at);
    }
    if let Some(wrong) = never(&when, r.args) {
        r.report.fault(&node.at, format!("`{name}` {wrong}"));
    }
    Some(when)
}

/// That a parameter is compared with what it can never be, and what it can be.
fn never(when: &Condition, args: &[Arg]) -> Option<String> {
    let (left, right) = (&when.left, &when.right);
    let (source, text) = match (left.as_value(), right.as_value()) {
        (Some(source), None) => (source, right.as_literal()?),
        (None, Some(source)) => (source, left.as_literal()?),
        _ => return None,
    };
    let Source::Param(name) = source else {
        return None;
    };
    let arg = args.iter().find(|arg| arg.name.as_str() == name)?;
    let is_usual = arg.default.as_deref() == Some(text) || (arg.optional && text.is_empty());
    if is_usual || arg.check(text).is_ok_and(|value| value == text) {
        return None;
    }
    let choices: Vec<&str> = arg.choices.iter().map(String::as_str).collect();
    let instead = match (&arg.kind, &arg.pattern_text) {
        _ if !choices.is_empty() => format!("{}{}", one_of(&choices), meant(text, &choices)),
        (Takes::Boolean, _) => "true or false".to_owned(),
        (Takes::Integer { min, max }, _) => {
            format!("a whole number from {min} to {max}")
        }
        (_, Some(pattern)) => format!("what its pattern takes: {pattern}"),
        (_, None) => "what it takes".to_owned(),
    };
    Some(format!(
        "compares params.{name} with `{text}`, which it never is; write {instead}"
    ))
}

/// What of a comparison goes on after its sign as in other languages: here it would be a part of the text.
fn more(right: &str) -> Option<&'static str> {
    if right.starts_with('=') {
        return Some("=");
    }
    let signs = ["&&", "||", "==", "!="];
    signs
        .into_iter()
        .find(|sign| outside(right, sign).is_some())
}

/// The first sign of a comparison, and where it stands.
fn sign(written: &str) -> Option<(usize, &'static str)> {
    ["==", "!="]
        .into_iter()
        .filter_map(|sign| outside(written, sign).map(|at| (at, sign)))
        .min()
}

/// Where the sign stands first, outside `{{ }}`.
fn outside(text: &str, sign: &str) -> Option<usize> {
    text.match_indices(sign).map(|(at, _)| at).find(|at| {
        let before = &text[..*at];
        before.matches("{{").count() == before.matches("}}").count()
    })
}

/// `{name: 'pattern'}` or `{name: {pattern: …}}`; `within` and `secret` beside the names hold for all of them.
fn captures(
    map: &mut Map<'_>,
    kind: Option<Kind>,
    report: &mut Report,
) -> BTreeMap<String, Capture> {
    let mut found = BTreeMap::new();
    let Some(mut all) = map.section("capture", report) else {
        return found;
    };
    let within = all.duration("within", YEAR, report);
    let secret = all.flag("secret", report).unwrap_or_default();
    let within = within.or((kind == Some(Kind::Service)).then_some(WITHIN));
    let entries = all.entries();
    let named = entries
        .iter()
        .filter(|entry| entry.key != "within" && entry.key != "secret");
    for entry in named {
        let name = all.name(&entry.key);
        match Name::new(entry.key.as_str()) {
            Ok(_) => {
                dotless(&entry.key, &entry.at, report);
            }
            Err(wrong) => report.fault(&entry.at, wrong.to_string()),
        }
        let mut one = Capture {
            pattern: String::new(),
            within,
            secret,
        };
        let mut node = Some(&entry.node);
        if let Value::Map(entries) = &entry.node.value {
            let Some(mut inner) = Map::open(&entry.node, name.as_str(), report) else {
                continue;
            };
            node = inner.get("pattern");
            if node.is_none() {
                inner.missing("pattern", report);
            }
            let own = |key: &str| entries.iter().find(|entry| entry.key == key);
            if let Some(entry) = own("within") {
                one.within = duration(&entry.node, &inner.name("within"), YEAR, report);
            }
            if let Some(entry) = own("secret") {
                one.secret = flag(&entry.node, &inner.name("secret"), report).unwrap_or(true);
            }
            inner.get("within");
            inner.get("secret");
            inner.finish(report);
        }
        if let Some(node) = node
            && let Some(pattern) = text(node, &name, report)
        {
            if let Err(error) = Regex::new(pattern) {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default();
                let reason = reason.trim_start_matches("error: ");
                report.fault(&node.at, format!("`{name}` is not a regular expression ({reason}); mend it, and write it in 'single quotes'"));
            }
            one.pattern = pattern.to_owned();
        }
        found.insert(entry.key.clone(), one);
    }
    if found.is_empty() {
        report.fault(
            all.at,
            format!(
                "`{}` names no value; write `name: 'regular expression'`",
                map.name("capture")
            ),
        );
    }
    found
}
