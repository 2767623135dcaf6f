//! A job while it is open in this process: who may stop it, and where its output goes.

use super::action::Reading;
use super::output::{LogWriter, Tail};
use super::redact::Redactor;
use super::stream::Stream;
use crate::base::ids::JobId;
use crate::base::job::OutputMode;
use crate::base::text;
use crate::delivery::Outgoing;
use crate::delivery::card::{Board, Printed, Seen};
use crate::delivery::render::{Size, render};
use crate::store::jobs::NewRow;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tokio_util::sync::CancellationToken;

/// How long the card is waited for by what should follow it.
const CARD_WITHIN: Duration = Duration::from_secs(2);

/// More output than this is rendered beside the runtime: hostile terminal codes can make it take long. In bytes.
const RENDER_HERE: usize = 4096;

/// Why a running job was told to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A person asked for it; their name.
    Cancelled(String),
    /// The bot is being stopped.
    Shutdown,
}

/// Where an open job stands in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for its turn.
    Queued,
    /// It runs since this moment.
    Running(Instant),
    /// Its ending is written.
    Ended,
}

/// What the chat has seen, and whether there is nothing more to show.
#[derive(Debug, Default)]
pub struct Shown {
    /// The card and the pieces so far.
    pub seen: Seen,
    /// The ending is composed: nothing live may follow.
    pub closed: bool,
    /// The card as it was shown last.
    pub card: Option<Outgoing>,
}

/// An open job.
pub struct Active {
    /// Its number.
    pub id: JobId,
    /// What was asked.
    pub new: NewRow,
    /// Fires when it must stop.
    pub stop: CancellationToken,
    /// Fires when the bot stops and has waited long enough, also for one that was told to stop before.
    pub leave: CancellationToken,
    /// Where it stands.
    pub phase: watch::Sender<Phase>,
    /// What the chat has seen; held while something is shown, so that nothing live follows the ending.
    pub shown: AsyncMutex<Shown>,
    output: OnceLock<Arc<Output>>,
    reason: Mutex<Option<StopReason>>,
}

impl Active {
    /// A job that waits for its turn.
    #[must_use]
    pub fn new(id: JobId, new: NewRow) -> Self {
        Self {
            id,
            new,
            stop: CancellationToken::new(),
            leave: CancellationToken::new(),
            phase: watch::Sender::new(Phase::Queued),
            shown: AsyncMutex::default(),
            output: OnceLock::new(),
            reason: Mutex::default(),
        }
    }

    /// Tells the job to stop; the first reason holds.
    pub fn stop(&self, reason: StopReason) {
        if reason == StopReason::Shutdown {
            self.leave.cancel();
        }
        locked(&self.reason).get_or_insert(reason);
        self.stop.cancel();
    }

    /// Why it was told to stop.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        locked(&self.reason).clone()
    }

    /// What it prints; `None` before it runs.
    #[must_use]
    pub fn output(&self) -> Option<&Arc<Output>> {
        self.output.get()
    }

    /// Opens the output at the start of the run.
    pub fn open_output(&self, folder: &Path, max_log: u64, reading: &Reading) -> Arc<Output> {
        let output = || Arc::new(Output::open(folder, self.id, &self.new, max_log, reading));
        Arc::clone(self.output.get_or_init(output))
    }
}

/// The end of a job's output.
#[derive(Clone, Debug)]
pub struct End {
    /// As a terminal shows it.
    pub text: String,
    /// Whether that is all there is.
    pub whole: bool,
    /// Bytes printed.
    pub bytes: u64,
    /// Of these, those that its log does not have: it is full, or the disk was.
    pub missing: u64,
    /// Lines printed.
    pub lines: u64,
    /// Of all that was printed, a hash; of runs of schedules only.
    pub hash: Option<String>,
    /// What the card shows beside it.
    pub board: Option<Board>,
}

/// Of a job that printed nothing.
impl Default for End {
    fn default() -> Self {
        Self {
            text: String::new(),
            whole: true,
            bytes: 0,
            missing: 0,
            lines: 0,
            hash: None,
            board: None,
        }
    }
}

impl End {
    /// Whether there is nothing to be seen in it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.bytes == 0 || (self.whole && text::is_blank(&self.text))
    }

    /// The same for the card.
    #[must_use]
    pub fn printed(&self) -> Printed<'_> {
        Printed {
            tail: &self.text,
            whole: self.whole,
            bytes: self.bytes,
            missing: self.missing,
            lines: self.lines,
            board: self.board.as_ref(),
        }
    }
}

/// Says what the card of a job shows beside its output.
pub type Face = Arc<dyn Fn() -> Board + Send + Sync>;

/// Takes what a job prints: masks it, writes the log, keeps the end for the card and the news for a stream.
pub struct Output {
    state: Mutex<State>,
    changed: Notify,
    size: Size,
    doing: Mutex<Option<String>>,
    board: Mutex<Option<Face>>,
    /// That somebody waits for the card.
    wanted: Notify,
    /// Whether the card is out, or none will be.
    carded: watch::Sender<bool>,
}

struct State {
    redactor: Redactor,
    /// `None` when it cannot be made: the job runs all the same.
    log: Option<LogWriter>,
    tail: Tail,
    stream: Option<Stream>,
    hash: Option<Sha256>,
}

impl Output {
    fn open(folder: &Path, id: JobId, new: &NewRow, max_log: u64, reading: &Reading) -> Self {
        let log = LogWriter::create(folder, id, max_log)
            .inspect_err(|error| tracing::error!(%error, "a job's log cannot be made"))
            .ok();
        Self {
            state: Mutex::new(State {
                redactor: Redactor::new(reading.secrets.iter().map(String::as_str)),
                log,
                tail: Tail::default(),
                stream: (new.output == OutputMode::Stream).then(|| Stream::new(reading.size)),
                hash: new.telling.as_ref().map(|_| Sha256::new()),
            }),
            size: reading.size,
            changed: Notify::new(),
            doing: Mutex::default(),
            board: Mutex::default(),
            wanted: Notify::new(),
            carded: watch::Sender::new(false),
        }
    }

    /// Has the card shown now, before something that follows it; resolves when that is promised, or nobody shows one.
    pub async fn card_first(&self) {
        self.wanted.notify_one();
        let mut carded = self.carded.subscribe();
        // Where the card cannot be shown, what follows it must come all the same.
        let _ = tokio::time::timeout(CARD_WITHIN, carded.wait_for(|out| *out)).await;
    }

    /// Resolves when somebody waits for the card.
    pub(super) async fn card_wanted(&self) {
        self.wanted.notified().await;
    }

    /// Notes that the card is out, or that none will be.
    pub(super) fn card_is_out(&self) {
        self.carded.send_replace(true);
    }

    /// Says what the card shows between its first line and the output; asked each time, since times pass.
    pub fn show(&self, face: Face) {
        *locked(&self.board) = Some(face);
        self.changed.notify_one();
    }

    /// What the card shows between its first line and the output.
    #[must_use]
    pub fn board(&self) -> Option<Board> {
        let face = locked(&self.board).clone();
        face.map(|face| face())
    }

    /// Says what is being done before the work itself, in a few words for the card.
    pub fn doing(&self, words: Option<String>) {
        *locked(&self.doing) = words;
        self.changed.notify_one();
    }

    /// What is being done before the work itself.
    #[must_use]
    pub fn done_first(&self) -> Option<String> {
        locked(&self.doing).clone()
    }

    /// Takes some bytes. A full disk is the log's trouble, not the program's.
    pub fn write(&self, bytes: &[u8]) {
        let mut state = locked(&self.state);
        let masked = state.redactor.push(bytes);
        state.take(&masked);
        drop(state);
        self.changed.notify_one();
    }

    /// Takes what the masking held back; after this nothing more comes.
    pub fn finish(&self) {
        let mut state = locked(&self.state);
        let masked = state.redactor.finish();
        state.take(&masked);
        drop(state);
        self.changed.notify_one();
    }

    /// Resolves when something was printed since the last time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The end of the output as text, and how much there is of it.
    pub async fn end(&self) -> End {
        let (bytes, total, missing, lines, hash) = {
            let state = locked(&self.state);
            let tail = &state.tail;
            let (bytes, total, lines) = (tail.bytes().to_vec(), tail.total(), tail.lines());
            let hash = state.hash.clone().map(|hash| hex(&hash.finalize()));
            let log = state.log.as_ref();
            let missing = log.map_or(total, |log| log.dropped() + log.lost());
            (bytes, total, missing, lines, hash)
        };
        let (whole, size) = (bytes.len() as u64 == total, self.size);
        let text = if bytes.len() <= RENDER_HERE {
            render(&bytes, size)
        } else {
            let rendered = tokio::task::spawn_blocking(move || render(&bytes, size));
            rendered.await.unwrap_or_default()
        };
        End {
            text,
            whole,
            bytes: total,
            missing,
            lines,
            hash,
            board: self.board(),
        }
    }

    /// The news for a stream; `None` in other output modes.
    pub fn with_stream<T>(&self, take: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        locked(&self.state).stream.as_mut().map(take)
    }
}

impl State {
    fn take(&mut self, masked: &[u8]) {
        if masked.is_empty() {
            return;
        }
        if let Some(Err(error)) = self.log.as_mut().map(|log| log.write(masked)) {
            tracing::error!(%error, "a job's log cannot be written; its output goes on to the chat");
        }
        self.tail.push(masked);
        if let Some(hash) = &mut self.hash {
            hash.update(masked);
        }
        if let Some(stream) = &mut self.stream {
            stream.push(masked);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
