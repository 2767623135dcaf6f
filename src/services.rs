//! The handles that the surfaces hold. No logic.

use crate::access::Access;
use crate::actions::script::Scripts;
use crate::actions::undo::Undoing;
use crate::base::time::Clock;
use crate::base::trouble::Troubles;
use crate::config::{Live, Reloads};
use crate::delivery::Outbox;
use crate::jobs::Jobs;
use crate::jobs::output::Searches;
use crate::monitors::board::Board;
use crate::monitors::incidents::Incidents;
use crate::monitors::pushes::Pushes;
use crate::monitors::rehearsal::Rehearsals;
use crate::monitors::sampler::Samples;
use crate::schedules::Schedules;
use crate::selftest::SelfTest;
use crate::store::Store;
use crate::workflows::Flows;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// Everything that a surface may call. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// The configuration in force.
    pub live: Live,
    /// To ask for its file to be read again.
    pub reloads: Reloads,
    /// The database.
    pub store: Store,
    /// Who may.
    pub access: Access,
    /// What leaves for the chat.
    pub outbox: Outbox,
    /// The engine.
    pub jobs: Jobs,
    /// What comes by push.
    pub pushes: Pushes,
    /// How all checks stand.
    pub board: Board,
    /// What is wrong, and who is told.
    pub incidents: Incidents,
    /// The configured scripts.
    pub scripts: Scripts,
    /// What takes back what nobody confirmed.
    pub undoing: Undoing,
    /// What runs workflows.
    pub flows: Flows,
    /// What runs by itself.
    pub schedules: Schedules,
    /// Whether everything works.
    pub selftest: SelfTest,
    /// The room for searches in what jobs printed.
    pub searches: Arc<Searches>,
    /// The newest look at this machine.
    pub samples: Samples,
    /// What checks would have told.
    pub rehearsals: Rehearsals,
    /// How it goes with places outside.
    pub troubles: Troubles,
    /// Where logs of jobs are.
    pub log_dir: Arc<PathBuf>,
    /// The clock of jobs, workflows and schedules.
    pub clock: Clock,
    /// The bot's username, once Telegram has told it.
    pub bot_name: Arc<OnceLock<String>>,
    /// To be told when somebody's role changed, so that the command menus follow.
    pub roles_changed: Arc<Notify>,
}
