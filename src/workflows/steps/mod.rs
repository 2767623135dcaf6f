//! What a step does, by its kind. Each kind takes a [`Hand`] and returns how it ended.

mod git;
mod github;
mod http;
mod output;
mod program;
mod wait;

pub(super) use output::{Speaker, Voices};

use super::Inner;
use super::secrets::Secrets;
use crate::base::job::Ending;
use crate::base::time::Millis;
use crate::base::workflow::capture::Found;
use crate::base::workflow::{Step, Template, Values, Work, Workflow};
use crate::jobs::action::ActionCx;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How a try of a step ended.
pub(super) enum End {
    /// So, with what it found.
    Over(Ending, BTreeMap<String, String>),
    /// It need not run.
    Skip,
    /// It was told to end, and did.
    Stopped,
}

/// What happens while a step goes on.
pub(super) enum Event {
    /// A service is ready.
    Up(usize),
    /// Something was read from what the step prints.
    Found {
        /// The step.
        seq: usize,
        /// What.
        found: Found,
    },
    /// Something is to be remembered should the bot die.
    Noted {
        /// The step.
        seq: usize,
        /// Names and values, among what the step found; written together.
        notes: Vec<(String, String)>,
        /// Told when it is written.
        written: oneshot::Sender<()>,
    },
}

/// What a try of a step gets to work with.
pub(super) struct Hand {
    /// The step's number.
    pub seq: usize,
    /// The step.
    pub step: Step,
    /// Whether what it did is to be taken back.
    pub reverts: bool,
    /// The end of a hold or a wait.
    pub until: Option<Millis>,
    /// What an earlier life of this try found.
    pub found: BTreeMap<String, String>,
    /// The values so far.
    pub values: Values,
    /// The folder of the run.
    pub folder: PathBuf,
    /// Marks its processes.
    pub marker: String,
    /// The workflow.
    pub flow: Arc<Workflow>,
    /// What must not be seen.
    pub secrets: Secrets,
    /// Who printed what.
    pub speaker: Speaker,
    /// Fires when it must end.
    pub stop: CancellationToken,
    /// Takes what happens meanwhile.
    pub events: mpsc::UnboundedSender<Event>,
    /// The run as a job.
    pub cx: ActionCx,
}

/// Does the step.
pub(super) async fn perform(inner: &Inner, mut hand: Hand) -> End {
    if hand.reverts {
        let undo = hand.step.undo.take().unwrap_or_default();
        // What is looked for in what the step prints is not in what takes it back.
        hand.step.capture.clear();
        return program::run(inner, &hand, &undo).await;
    }
    if let Some(check) = &hand.step.skip_if
        && program::succeeds(inner, &hand, check).await
    {
        return End::Skip;
    }
    if hand.stop.is_cancelled() {
        return End::Stopped;
    }
    match &hand.step.work {
        Work::Run { argv } => program::run(inner, &hand, argv).await,
        Work::Service { argv } => program::serve(inner, &hand, argv).await,
        Work::Script { script, given } => program::script(inner, &hand, script, given).await,
        Work::Hold { .. } => wait::hold(inner, &hand).await,
        Work::WaitFor { until, every } => wait::wait_for(inner, &hand, until, *every).await,
        Work::Git { .. } => git::bring(inner, &hand).await,
        Work::Http { .. } => http::ask(inner, &hand).await,
        Work::Github { .. } => github::start(inner, &hand).await,
        // Done by writing alone.
        Work::Approve { .. } | Work::Call { .. } | Work::Notify { .. } => good(),
    }
}

fn good() -> End {
    End::Over(Ending::Exited(0), BTreeMap::new())
}

fn broken(why: impl Into<String>) -> End {
    End::Over(Ending::Broken(why.into()), BTreeMap::new())
}

/// Templates with their values.
fn fill(argv: &[Template], values: &Values) -> Result<Vec<String>, String> {
    argv.iter().map(|element| element.fill(values)).collect()
}
