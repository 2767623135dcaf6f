//! The schema of workflows and their steps.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::checks::OneOrMore;
use super::{Arg, Given, Places, Retry, Scalar, Schedule, Time};
use crate::base::name::Name;
use crate::base::role::Role;

/// Steps that make up one run.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Workflow {
    /// What it does.
    pub description: Option<String>,
    /// The declared parameters, required ones first.
    pub params: Option<Vec<Arg>>,
    /// What becomes of a start while it runs.
    #[schemars(extend("default" = "single"))]
    pub concurrency: Option<Concurrency>,
    /// How many steps run at once, where none needs the other.
    #[schemars(range(min = 1, max = 64), extend("default" = 4))]
    pub parallel: Option<i64>,
    /// The longest a run may take; null: as long as its steps.
    #[schemars(extend("default" = null))]
    pub max_duration: Option<Time>,
    /// What is told in messages beside the card, and to whom else.
    #[schemars(extend("default" = ["end"]))]
    pub notify: Option<Told>,
    /// A time from one run to the next, or after_end: the next begins when one ends.
    #[schemars(extend("default" = null), regex(pattern = r"^(after_end|([0-9]+(ms|s|m|h|d))+)$"))]
    pub every: Option<String>,
    /// When it runs by itself, as a script does; null: only when somebody starts it.
    #[schemars(extend("default" = null))]
    pub schedule: Option<Schedule>,
    /// The workflow of a GitHub repository after whose runs it runs by itself; null: after none.
    #[schemars(extend("default" = null))]
    pub after_github: Option<AfterGithub>,
    /// The lowest role that may run it.
    #[schemars(extend("default" = "operator"))]
    pub role: Option<Role>,
    /// Persons who may run it whatever their role: ids, or names under access.users.
    pub allow: Option<Vec<Scalar>>,
    /// Whether its steps are shown and confirmed first.
    #[schemars(extend("default" = false))]
    pub confirm: Option<bool>,
    /// How long a finished run offers to undo its steps.
    #[schemars(extend("default" = "10m"))]
    pub undo_for: Option<Time>,
    /// Variables set for every program.
    pub env: Option<BTreeMap<String, Scalar>>,
    /// Variables passed on from the bot's environment.
    pub env_pass: Option<Vec<String>>,
    /// Variables passed on and masked wherever they would be shown or stored.
    pub secrets: Option<Vec<String>>,
    /// Where programs run: a folder, or one below the run's own; null: that itself.
    #[schemars(extend("default" = null))]
    pub cwd: Option<String>,
    /// The steps; each follows the one before, unless any says what it needs.
    #[schemars(length(min = 1))]
    pub steps: Vec<Step>,
    /// Steps that run at the end, one after the other, however the run went.
    pub always: Option<Vec<Step>>,
}

/// What becomes of a start while the workflow runs.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Concurrency {
    /// It is refused.
    Single,
    /// It waits.
    Queue,
    /// The one that runs is stopped, and it follows.
    Replace,
    /// Both run.
    Parallel,
}

/// What is told of a run.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Told {
    /// These moments, in the chat of the run.
    Here(Vec<Moment>),
    /// Elsewhere, too.
    Elsewhere(ToldTo),
}

/// What is told of a run, and where.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ToldTo {
    /// The moments.
    #[schemars(extend("default" = ["end"]))]
    pub at: Option<Vec<Moment>>,
    /// Where they are told beside the chat of the run: ids of chats, CHAT/TOPIC, or names under access.
    pub to: Option<Places>,
}

/// A moment of a run.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Moment {
    /// Its beginning.
    Start,
    /// The end of each step.
    Steps,
    /// Its end.
    End,
}

/// One step: exactly one of run, script, git, http, service, hold, wait_for, approve, workflow, notify and github, and how
/// it is done. Texts may hold {{ params.NAME }}, {{ steps.STEP.NAME }}, {{ env.NAME }}, {{ run.id }}, {{ run.dir }} and
/// {{ run.by }}.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Step {
    /// Its name.
    pub name: Name,
    /// A program, or a list of it and its arguments.
    pub run: Option<Program>,
    /// A script of the configuration.
    pub script: Option<CallScript>,
    /// A repository that is brought into a folder of the run.
    pub git: Option<Git>,
    /// A web server that is asked: its address alone, or all there is to say.
    pub http: Option<Http>,
    /// A program that goes on until the run ends.
    pub service: Option<Program>,
    /// A time to wait.
    pub hold: Option<Time>,
    /// What is waited for.
    pub wait_for: Option<WaitFor>,
    /// Somebody has to agree: the question alone, or all there is to say.
    pub approve: Option<Approve>,
    /// A workflow whose steps take the place of this one.
    pub workflow: Option<CallWorkflow>,
    /// A message that is written.
    pub notify: Option<String>,
    /// A workflow of a GitHub repository that is started.
    pub github: Option<Github>,
    /// How long one try may take; jobs.timeout, or an hour to agree.
    pub timeout: Option<Time>,
    /// How it is tried again.
    pub retry: Option<Retry>,
    /// What becomes of the rest when it fails.
    #[schemars(extend("default" = "abort"))]
    pub on_failure: Option<OnFailure>,
    /// What becomes of it, or of its undo, when the bot died meanwhile; of services and under always: retry.
    #[schemars(extend("default" = "ask"))]
    pub on_crash: Option<OnCrash>,
    /// The program that takes back what it did.
    pub undo: Option<Program>,
    /// Somebody has to say within this time that it holds, else it is undone.
    pub confirm_within: Option<Time>,
    /// The lock that it holds while it runs.
    pub lock: Option<Name>,
    /// The steps that must be over before it begins.
    pub needs: Option<OneOrMore>,
    /// A comparison with == or != of a value, such as {{ params.to }} == live; it runs only if that holds.
    pub when: Option<String>,
    /// It is skipped if this program exits with 0.
    pub skip_if: Option<Program>,
    /// Where its programs run; null: as the workflow says.
    #[schemars(extend("default" = null))]
    pub cwd: Option<String>,
    /// Variables set for its programs.
    pub env: Option<BTreeMap<String, Scalar>>,
    /// Values read from what it prints, by name; within and secret beside the names hold for all of them.
    pub capture: Option<BTreeMap<String, CaptureEntry>>,
}

/// A program, or an argv list.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Program {
    /// The program alone.
    Alone(String),
    /// The program, then one element each.
    Argv(Vec<Scalar>),
}

/// A script that is run.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum CallScript {
    /// It alone.
    Alone(Name),
    /// With its arguments.
    Whole(GivenScript),
}

/// A script with its arguments.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GivenScript {
    /// The script.
    pub name: Name,
    /// Its arguments, by name or in their order.
    pub args: Option<Given>,
}

/// A workflow that is called.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum CallWorkflow {
    /// It alone.
    Alone(Name),
    /// With its parameters.
    Whole(GivenWorkflow),
}

/// A workflow with its parameters.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GivenWorkflow {
    /// The workflow.
    pub name: Name,
    /// Its parameters.
    pub params: Option<BTreeMap<Name, Scalar>>,
}

/// A repository.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Git {
    /// Its address: https://, ssh:// or git://, or git@host:path.
    pub url: String,
    /// The branch or tag; null: the default branch.
    #[schemars(extend("default" = null))]
    pub branch: Option<Scalar>,
    /// How many commits are fetched; all when left out.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub depth: Option<i64>,
    /// The folder, below the run's.
    #[schemars(extend("default" = "repo"))]
    pub dir: Option<String>,
    /// The variable of the bot's environment that holds the token for it; null: none.
    #[schemars(extend("default" = null))]
    pub token: Option<String>,
}

/// A web server that is asked.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Http {
    /// The address alone.
    Url(String),
    /// All there is to say.
    Whole(HttpRequest),
}

/// A method of HTTP.
#[derive(JsonSchema)]
#[schemars(rename_all = "UPPERCASE")]
pub enum Method {
    /// Get.
    Get,
    /// Head.
    Head,
    /// Post.
    Post,
    /// Put.
    Put,
    /// Patch.
    Patch,
    /// Delete.
    Delete,
}

/// A request of HTTP.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HttpRequest {
    /// The address.
    pub url: String,
    /// The method.
    #[schemars(extend("default" = "GET"))]
    pub method: Option<Method>,
    /// Headers by name.
    pub headers: Option<BTreeMap<String, Scalar>>,
    /// What is sent along.
    pub body: Option<Scalar>,
    /// The statuses that are good; when left out, 200 to 299.
    pub expect: Option<OneOrMore>,
    /// Values of the JSON answer, by name: JSON pointers such as /data/0/id.
    pub json: Option<BTreeMap<String, String>>,
}

/// What is waited for: one of url, tcp, file and command.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WaitFor {
    /// A web server answers.
    pub url: Option<String>,
    /// Of url: the status; when left out, 200 to 399.
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<i64>,
    /// A port takes connections, host:port.
    pub tcp: Option<String>,
    /// A file is there.
    pub file: Option<String>,
    /// A program exits with 0.
    pub command: Option<Program>,
    /// The pause between two looks.
    #[schemars(extend("default" = "5s"))]
    pub every: Option<Time>,
}

/// Who has to agree, and to what.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Approve {
    /// The question alone.
    Question(String),
    /// All there is to say.
    Whole(Approval),
}

/// Who has to agree, and to what.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Approval {
    /// What is asked.
    pub question: Option<String>,
    /// The lowest role that may agree.
    #[schemars(extend("default" = "admin"))]
    pub role: Option<Role>,
    /// Whether whoever started the run may agree, too.
    #[schemars(extend("default" = false))]
    pub by_asker: Option<bool>,
}

/// A workflow of a GitHub repository.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Github {
    /// The repository, owner/name.
    pub repo: String,
    /// The workflow's file name.
    pub workflow: String,
    /// The branch or tag.
    #[schemars(extend("default" = "main"))]
    pub branch: Option<Scalar>,
    /// Its inputs.
    pub inputs: Option<BTreeMap<String, Scalar>>,
    /// The variable of the bot's environment that holds the token.
    #[schemars(extend("default" = "GITHUB_TOKEN"))]
    pub token: Option<String>,
    /// Whether the step lasts as long as the run that it started.
    #[schemars(extend("default" = true))]
    pub wait: Option<bool>,
    /// Whether it goes on, and starts a run whenever none goes.
    #[schemars(extend("default" = false))]
    pub keep: Option<bool>,
    /// Where the interface is, of a GitHub server of one's own.
    #[schemars(extend("default" = "https://api.github.com"))]
    pub api_url: Option<String>,
}

/// A workflow of a GitHub repository whose runs are followed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AfterGithub {
    /// The repository, owner/name.
    pub repo: String,
    /// The workflow's file name.
    pub workflow: String,
    /// The branch or tag; null: all.
    #[schemars(extend("default" = null))]
    pub branch: Option<String>,
    /// Which runs are followed; of several that ended since the last look, the newest.
    #[schemars(extend("default" = "success"))]
    pub conclusion: Option<Conclusion>,
    /// What parameters get of the run.
    pub params: Option<BTreeMap<String, Fact>>,
    /// How often GitHub is asked, 10s at least.
    #[schemars(extend("default" = "1m"))]
    pub every: Option<Time>,
    /// The variable of the bot's environment that holds the token.
    #[schemars(extend("default" = "GITHUB_TOKEN"))]
    pub token: Option<String>,
    /// Where the interface is, of a GitHub server of one's own.
    #[schemars(extend("default" = "https://api.github.com"))]
    pub api_url: Option<String>,
}

/// How a run at GitHub ended.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Conclusion {
    /// Well.
    Success,
    /// It failed, or took too long.
    Failure,
    /// In any way.
    Any,
}

/// What is known of a run at GitHub.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
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

/// What becomes of the rest when a step fails.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum OnFailure {
    /// The run fails, and nothing more begins.
    Abort,
    /// It is shown, and the rest goes on.
    Continue,
    /// What needs it is skipped, the rest goes on, and the run fails.
    SkipRest,
}

/// What becomes of a step that ran when the bot died.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum OnCrash {
    /// Somebody is asked.
    Ask,
    /// It runs again.
    Retry,
    /// It counts as failed.
    Fail,
}

/// A value that is read from what a step prints.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum CaptureEntry {
    /// A regular expression, looked for in each line: its first group is the value, or the whole match.
    Pattern(Scalar),
    /// All there is to say.
    Whole(CaptureRule),
}

/// How a value is read.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CaptureRule {
    /// The regular expression.
    pub pattern: String,
    /// The step fails if it was not found after this time; 30s for a service.
    pub within: Option<Time>,
    /// Whether it is masked everywhere, and told to the asker in private alone.
    #[schemars(extend("default" = false))]
    pub secret: Option<bool>,
}
