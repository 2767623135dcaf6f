//! One run from its start, or from where it was, to its end. What follows is decided by [`plan`]; here it is done.
//!
//! A step is written as running before it begins, and as over before anything that needs it begins.

use super::plan::{self, Halt, Plan, Verdict, step};
use super::steps::{self, End, Event, Hand};
use super::{Inner, ask, board, confide};
use crate::base::job::Ending;
use crate::base::time::{Millis, human};
use crate::base::workflow::capture::Found;
use crate::base::workflow::{RunArgs, Source, Step, StepRow, StepState, Values, Work};
use crate::config;
use crate::delivery::Outgoing;
use crate::delivery::card::Board;
use crate::jobs::action::{ActionCx, Stopped};
use crate::jobs::live::StopReason;
use crate::jobs::redact::Redactor;
use crate::store;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How often answers are looked for that another instance may have taken.
const LOOK: Duration = Duration::from_secs(1);
/// The longest sleep: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The pause after the database refused.
const REFUSED: Duration = Duration::from_secs(1);

/// The card of a run that took so long may be far up by now, and its last form makes no sound.
const OUT_OF_SIGHT: Duration = Duration::from_secs(60);

struct Run {
    inner: Arc<Inner>,
    cx: ActionCx,
    args: RunArgs,
    rows: Vec<StepRow>,
    values: Values,
    folder: PathBuf,
    halt: Option<Halt>,
    /// Steps that changed since they were written.
    dirty: BTreeSet<usize>,
    /// What is promised with them.
    messages: Vec<Outgoing>,
    hands: FuturesUnordered<BoxFuture<'static, (usize, End)>>,
    stops: HashMap<usize, CancellationToken>,
    secrets: Vec<String>,
    speaker: steps::Speaker,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    /// Whether a step has just begun to wait for its lock: others may begin in its stead.
    gave_way: bool,
    /// To be told when what they noted is written.
    written: Vec<oneshot::Sender<()>>,
}

/// Runs to the end, or until the bot stops.
pub(super) async fn run(
    inner: Arc<Inner>,
    args: RunArgs,
    cx: ActionCx,
    woken: &Notify,
) -> Result<Ending, Stopped> {
    let folder = cx.files.work();
    if let Err(error) = std::fs::create_dir_all(&folder) {
        let why = format!("Its folder {} cannot be made: {error}.", folder.display());
        return Ok(Ending::Broken(why));
    }
    let mut run = Run {
        halt: cx.job.cancel_by.as_ref().map(|_| Halt::Stop),
        values: Values::default(),
        rows: Vec::new(),
        dirty: BTreeSet::new(),
        messages: Vec::new(),
        hands: FuturesUnordered::new(),
        stops: HashMap::new(),
        secrets: inner.secrets(&args.flow),
        speaker: steps::Speaker::default(),
        events: mpsc::unbounded_channel(),
        gave_way: false,
        written: Vec::new(),
        inner,
        args,
        cx,
        folder,
    };
    run.load().await?;
    loop {
        let now = run.inner.now();
        run.look_late(now);
        let plan = plan::next(&run.args.flow, &run.rows, run.halt, now);
        run.want_locks();
        let mut again = run.apply(&plan, now);
        run.write().await?;
        again |= std::mem::take(&mut run.gave_way);
        run.launch();
        run.show();
        if let Some(verdict) = plan.over {
            let good = matches!(verdict, Verdict::Succeeded | Verdict::Warnings);
            let long = plan::took(&run.rows, now) >= OUT_OF_SIGHT;
            if run.args.flow.notify.end && long && (good || !run.is_doubtful()) {
                run.messages.push(run.end_told(verdict));
                run.write().await?;
            }
            confide::take_back(&run.inner, &run.cx.job, &run.args.flow);
            return Ok(run.ending(verdict));
        }
        if !again {
            run.wait(plan.wake, woken).await?;
        }
    }
}

impl Run {
    /// Reads where the run stands, or writes its steps; what was interrupted is judged.
    async fn load(&mut self) -> Result<(), Stopped> {
        let count = self.args.flow.steps.len() + self.args.flow.always.len();
        loop {
            let read = async {
                let mut db = self.inner.store.read().await?;
                store::workflows::steps(&mut db, self.cx.job.id).await
            };
            match read.await {
                Ok(rows) => {
                    self.rows = rows;
                    break;
                }
                Err(error) => self.refused(&error).await?,
            }
        }
        if self.rows.len() != count {
            self.rows = vec![StepRow::new(); count];
            self.dirty = (0..count).collect();
            if self.args.flow.notify.start && !self.is_doubtful() {
                self.messages.push(ask::begun(&self.cx.job));
            }
        }
        for (name, value) in &self.args.params {
            self.values.set(Source::Param(name.clone()), value);
        }
        for name in &self.args.flow.env_pass {
            let value = self.inner.env.get(name).unwrap_or_default();
            self.values.set(Source::Env(name.clone()), value);
        }
        let of_run = [
            ("id", self.cx.job.id.to_string()),
            ("dir", self.folder.display().to_string()),
            ("by", self.cx.job.new.asker_name.clone()),
        ];
        for (name, value) in of_run {
            self.values.set(Source::Run(name.to_owned()), value);
        }
        let now = self.inner.now();
        for seq in 0..count {
            self.adopt(seq);
            let Some(step) = step(&self.args.flow, seq).cloned() else {
                continue;
            };
            let before = self.rows[seq].clone();
            if plan::interrupted(&step, &mut self.rows[seq], now) {
                self.messages.push(ask::message(
                    &self.cx.job,
                    &step,
                    seq,
                    &self.rows[seq],
                    &self.values,
                ));
            }
            if self.rows[seq] != before {
                self.dirty.insert(seq);
            }
        }
        self.write().await?;
        if self.halt.is_none() && self.is_closing() && plan::was_late(&self.args.flow, &self.rows) {
            self.halt = Some(Halt::Late);
        }
        // Somebody may have answered a moment before the bot died.
        self.take_answers().await?;
        // Those of an earlier life are worth nothing any more.
        confide::take_back(&self.inner, &self.cx.job, &self.args.flow);
        // Timers, and what is taken back: they go on.
        self.launch();
        Ok(())
    }

    /// Whether nothing is told yet, since the runs before failed at once.
    fn is_doubtful(&self) -> bool {
        let new = &self.cx.job.new;
        let now = self.inner.now();
        let telling = new.telling.as_ref();
        telling.is_some_and(|telling| telling.is_doubtful(new.created_at, now))
    }

    /// Takes what a step found into the values.
    fn adopt(&mut self, seq: usize) {
        let Some(step) = step(&self.args.flow, seq) else {
            return;
        };
        for (name, value) in &self.rows[seq].found {
            let source = Source::Step(step.name.clone(), name.clone());
            self.values.set(source, value);
        }
    }

    fn look_late(&mut self, now: Millis) {
        let late = plan::deadline(&self.args.flow, &self.rows).is_some_and(|end| end <= now);
        if late && self.halt.is_none() && !self.is_closing() {
            self.halt = Some(Halt::Late);
        }
    }

    /// Whether only what always runs is left.
    fn is_closing(&self) -> bool {
        let main = &self.rows[..self.args.flow.steps.len()];
        main.iter().all(|row| row.state.is_over())
    }

    /// Does what the plan says, as far as that is writing; `true` when that changes what follows.
    fn apply(&mut self, plan: &Plan, now: Millis) -> bool {
        let mut again = false;
        for seq in &plan.block {
            if let Some(step) = step(&self.args.flow, *seq) {
                plan::block(step, &mut self.rows[*seq], now);
                self.dirty.insert(*seq);
                again = true;
            }
        }
        for seq in &plan.skip {
            plan::close(&mut self.rows[*seq], StepState::Skipped, now);
            self.dirty.insert(*seq);
            again = true;
        }
        for seq in &plan.end {
            if let Some(stop) = self.stops.get(seq) {
                stop.cancel();
            } else if self.rows[*seq].state == StepState::Up {
                // It went with the bot's last life.
                plan::close(&mut self.rows[*seq], StepState::Done, now);
                self.dirty.insert(*seq);
                again = true;
            }
        }
        for seq in &plan.withdraw {
            let Some(step) = step(&self.args.flow, *seq) else {
                continue;
            };
            let row = &mut self.rows[*seq];
            match row.state {
                StepState::Confirming => {
                    plan::revert(row, "the run was stopped before anybody confirmed it");
                }
                _ => plan::close(row, StepState::Stopped, now),
            }
            let why = match self.halt {
                Some(Halt::Stop) => "The run was stopped.",
                Some(Halt::Late) => "The run took as long as it may.",
                None => "The run has failed meanwhile.",
            };
            self.messages
                .push(ask::withdrawn(&self.cx.job, step, *seq, why));
            self.dirty.insert(*seq);
            again = true;
        }
        for seq in &plan.start {
            again |= self.start(*seq, now);
        }
        again
    }

    /// Begins a step; `true` when it is over with that, or somebody is asked.
    fn start(&mut self, seq: usize, now: Millis) -> bool {
        let Some(step) = step(&self.args.flow, seq).cloned() else {
            return false;
        };
        self.dirty.insert(seq);
        let row = &mut self.rows[seq];
        let holds = step.when.as_ref().map(|when| {
            let (left, right) = (
                when.left.fill(&self.values)?,
                when.right.fill(&self.values)?,
            );
            Ok::<bool, String>((left == right) == when.same)
        });
        plan::begin(&step, row, now);
        match holds {
            Some(Ok(false)) => {
                plan::close(row, StepState::Skipped, now);
                return true;
            }
            Some(Err(why)) => {
                plan::fail(&step, row, Ending::Broken(why), "", now);
                return true;
            }
            Some(Ok(true)) | None => {}
        }
        // Looked at first, which takes a program.
        if step.skip_if.is_some() {
            return false;
        }
        self.write_down(&step, seq, now)
    }

    /// Does a step that consists of writing alone; `false` for every other.
    fn write_down(&mut self, step: &Step, seq: usize, now: Millis) -> bool {
        let row = &mut self.rows[seq];
        match &step.work {
            Work::Approve { .. } => {
                plan::ask(step, row, now);
                self.messages
                    .push(ask::message(&self.cx.job, step, seq, row, &self.values));
                true
            }
            Work::Notify { text } => {
                match text.fill(&self.values) {
                    Ok(text) => {
                        self.messages.push(ask::notice(&self.cx.job, seq, &text));
                        plan::succeed(step, row, now);
                    }
                    Err(why) => plan::fail(step, row, Ending::Broken(why), "", now),
                }
                true
            }
            Work::Call { params, given, .. } => {
                let filled = given
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), value.fill(&self.values)?)));
                let filled = filled.collect::<Result<_, String>>();
                match filled.and_then(|given| config::check_params(params, &given)) {
                    Ok(found) => {
                        row.found = found.into_iter().collect();
                        plan::succeed(step, row, now);
                    }
                    Err(why) => plan::fail(step, row, Ending::Broken(why), "", now),
                }
                self.adopt(seq);
                true
            }
            Work::Run { .. }
            | Work::Script { .. }
            | Work::Git { .. }
            | Work::Http { .. }
            | Work::Service { .. }
            | Work::Hold { .. }
            | Work::WaitFor { .. }
            | Work::Github { .. } => false,
        }
    }

    /// Puts to work what is written as running and is not worked on yet.
    fn launch(&mut self) {
        for seq in 0..self.rows.len() {
            let works = matches!(
                self.rows[seq].state,
                StepState::Running | StepState::Reverting
            );
            if works && !self.lacks_lock(seq) && !self.stops.contains_key(&seq) {
                self.begin(seq);
            }
        }
    }

    fn begin(&mut self, seq: usize) {
        let Some(step) = step(&self.args.flow, seq).cloned() else {
            return;
        };
        if self.stops.contains_key(&seq) {
            return;
        }
        let stop = CancellationToken::new();
        self.stops.insert(seq, stop.clone());
        let row = &self.rows[seq];
        let hand = Hand {
            seq,
            reverts: row.state == StepState::Reverting,
            until: row.until,
            found: row.found.clone(),
            marker: format!("{}/{seq}.{}", self.cx.marker, row.attempt),
            flow: Arc::clone(&self.args.flow),
            secrets: self.secrets.clone(),
            speaker: Arc::clone(&self.speaker),
            step,
            values: self.values.clone(),
            folder: self.folder.clone(),
            stop,
            events: self.events.0.clone(),
            cx: self.cx.clone(),
        };
        let inner = Arc::clone(&self.inner);
        self.hands
            .push(async move { (seq, steps::perform(&inner, hand).await) }.boxed());
    }

    /// Waits for whatever comes next, and takes it in.
    async fn wait(&mut self, wake: Option<Millis>, woken: &Notify) -> Result<(), Stopped> {
        let now = self.inner.now();
        let deadline = match self.halt {
            None => plan::deadline(&self.args.flow, &self.rows).filter(|end| *end > now),
            Some(_) => None,
        };
        let due = wake.into_iter().chain(deadline).min();
        let asked = self
            .rows
            .iter()
            .any(|row| matches!(row.state, StepState::Asked | StepState::Confirming));
        let mut pause = due.map_or(LONGEST_SLEEP, |due| due.since(now));
        let wants = self.rows.iter().any(StepRow::wants_lock);
        if (asked || wants) && self.inner.store.presence().is_shared() {
            pause = pause.min(LOOK);
        }
        let (stop, leave) = (self.cx.stop.clone(), self.cx.leave.clone());
        tokio::select! {
            biased;
            Some((seq, end)) = self.hands.next() => self.ended(seq, end),
            Some(event) = self.events.1.recv() => self.happened(event),
            () = leave.cancelled() => return Err(self.leave().await),
            () = stop.cancelled(), if self.halt != Some(Halt::Stop) => {
                // Why, shows in the same moment.
                if let Some(StopReason::Cancelled(_)) = self.cx.stop_reason() {
                    self.halt = Some(Halt::Stop);
                }
            }
            () = woken.notified() => {}
            Ok(()) = self.cx.freed.changed(), if wants => {}
            () = tokio::time::sleep(pause.min(LONGEST_SLEEP)) => {}
        }
        if asked {
            self.take_answers().await?;
        }
        Ok(())
    }

    /// The lock of a step, if it names one.
    fn lock(&self, seq: usize) -> Option<&str> {
        step(&self.args.flow, seq)?.lock.as_deref()
    }

    /// Whether a step is at work, or would be, had it its lock.
    fn lacks_lock(&self, seq: usize) -> bool {
        let row = &self.rows[seq];
        let works = matches!(row.state, StepState::Running | StepState::Reverting);
        works && !row.is_holder() && self.lock(seq).is_some()
    }

    /// What could not be taken back yet for want of its lock tries again.
    fn want_locks(&mut self) {
        let lacking = (0..self.rows.len()).filter(|seq| self.lacks_lock(*seq));
        self.dirty.extend(lacking.collect::<Vec<_>>());
    }

    /// Whoever is not at work has no lock, and whoever does not want to be waits for none; `true` when one was given back.
    fn give_back_locks(&mut self) -> bool {
        let mut freed = false;
        for seq in &self.dirty {
            let row = &mut self.rows[*seq];
            let had = row.is_holder();
            plan::unlock(row);
            freed |= had && !row.is_holder();
        }
        freed
    }

    /// The bot stops: what runs is ended, and judged after the next start. What came to its end by itself meanwhile is over.
    async fn leave(&mut self) -> Stopped {
        for stop in self.stops.values() {
            stop.cancel();
        }
        while let Some((seq, end)) = self.hands.next().await {
            match end {
                End::Over(..) | End::Skip => self.ended(seq, end),
                End::Stopped => {}
            }
        }
        if let Err(error) = self.try_write().await {
            tracing::error!(%error, "the last steps of a run cannot be written before the bot stops");
        }
        Stopped
    }

    async fn take_answers(&mut self) -> Result<(), Stopped> {
        let read = async {
            let mut db = self.inner.store.read().await?;
            store::workflows::steps(&mut db, self.cx.job.id).await
        };
        let rows = match read.await {
            Ok(rows) => rows,
            Err(error) => return self.refused(&error).await,
        };
        let now = self.inner.now();
        for (seq, read) in rows.into_iter().enumerate() {
            let Some(step) = step(&self.args.flow, seq).cloned() else {
                continue;
            };
            let row = &mut self.rows[seq];
            let open = matches!(row.state, StepState::Asked | StepState::Confirming);
            if !open || read.state != row.state || read.attempt != row.attempt {
                continue;
            }
            row.answer = read.answer;
            let before = row.clone();
            if plan::answered(&step, row, now) {
                self.messages.push(ask::settled(
                    &self.cx.job,
                    &step,
                    seq,
                    &before,
                    row,
                    &self.values,
                ));
                self.dirty.insert(seq);
            }
        }
        Ok(())
    }

    /// Takes in that a step's work is over.
    fn ended(&mut self, seq: usize, end: End) {
        // What it said before comes first.
        while let Ok(event) = self.events.1.try_recv() {
            self.happened(event);
        }
        self.stops.remove(&seq);
        let Some(step) = step(&self.args.flow, seq).cloned() else {
            return;
        };
        let now = self.inner.now();
        let stopped = self.halt.is_some() || self.cx.stop.is_cancelled();
        let row = &mut self.rows[seq];
        self.dirty.insert(seq);
        if let StepState::Reverting = row.state {
            let went = match end {
                End::Over(ending, _) => ending,
                End::Skip => Ending::Exited(0),
                End::Stopped => Ending::Stopped,
            };
            return plan::reverted(&step, row, &went, now);
        }
        let was_up = row.state == StepState::Up;
        let written = matches!(
            step.work,
            Work::Approve { .. } | Work::Notify { .. } | Work::Call { .. }
        );
        match end {
            End::Skip => plan::close(row, StepState::Skipped, now),
            End::Stopped if was_up => plan::close(row, StepState::Done, now),
            End::Stopped if stopped || plan::only_lasts(&step) => {
                plan::close(row, StepState::Stopped, now);
            }
            End::Stopped => plan::fail(&step, row, Ending::Stopped, "", now),
            End::Over(Ending::Exited(0), _) if written => {
                self.write_down(&step, seq, now);
            }
            End::Over(Ending::Exited(0), found) => {
                row.found.extend(found);
                plan::succeed(&step, row, now);
                if row.state == StepState::Confirming {
                    self.messages
                        .push(ask::message(&self.cx.job, &step, seq, row, &self.values));
                }
            }
            End::Over(ending, _) => {
                // What went wrong may be told with a value that must not be seen.
                let ending = match ending {
                    Ending::Broken(why) => {
                        let secrets = self.secrets.iter().map(String::as_str);
                        Ending::Broken(Redactor::new(secrets).mask(&why))
                    }
                    other => other,
                };
                let seed = format!("{}:{seq}:{}", self.cx.job.id, row.attempt);
                plan::fail(&step, row, ending, &seed, now);
            }
        }
        self.adopt(seq);
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Up(seq) => {
                let row = &mut self.rows[seq];
                if row.state == StepState::Running {
                    row.state = StepState::Up;
                    self.dirty.insert(seq);
                }
            }
            Event::Found { seq, found } if found.secret => self.confide(seq, found),
            Event::Found { seq, found } => {
                self.rows[seq].found.insert(found.name, found.value);
                self.dirty.insert(seq);
                self.adopt(seq);
            }
            Event::Noted {
                seq,
                notes,
                written,
            } => {
                self.rows[seq].found.extend(notes);
                self.dirty.insert(seq);
                self.written.push(written);
            }
        }
    }

    /// Takes in a value that must not be seen: it is told in private, and kept in memory alone.
    fn confide(&mut self, seq: usize, found: Found) {
        let Some(step) = step(&self.args.flow, seq) else {
            return;
        };
        let source = Source::Step(step.name.clone(), found.name.clone());
        self.values.set(source, &found.value);
        self.secrets.push(found.value.clone());
        confide::tell(&self.inner, &self.cx.job, seq, step, &found);
    }

    /// Writes what changed and promises what tells it, in one transaction; tries until the database takes it.
    async fn write(&mut self) -> Result<(), Stopped> {
        if self.dirty.is_empty() && self.messages.is_empty() {
            return Ok(());
        }
        if self.args.flow.notify.steps && !self.is_doubtful() {
            let now = self.inner.now();
            for seq in &self.dirty {
                let line = board::line_over(&self.args.flow, *seq, &self.rows[*seq], now);
                let told = line.map(|line| ask::step_over(&self.cx.job, *seq, &line));
                self.messages.extend(told);
            }
        }
        let freed = self.give_back_locks();
        let taken = loop {
            match self.try_write().await {
                Ok(taken) => break taken,
                Err(error) => self.refused(&error).await?,
            }
        };
        for (seq, row) in taken {
            self.gave_way |= row.wants_lock() && !self.rows[seq].wants_lock();
            self.rows[seq] = row;
        }
        self.dirty.clear();
        for written in self.written.drain(..) {
            // Whoever waited may be gone.
            let _ = written.send(());
        }
        let messages = std::mem::take(&mut self.messages);
        for message in messages {
            self.inner.outbox.kick(message.place.chat);
        }
        if freed {
            self.cx.give_way().await;
        }
        Ok(())
    }

    /// The rows that took their lock, or wait for it, as they were written.
    async fn try_write(&mut self) -> store::Result<Vec<(usize, StepRow)>> {
        let id = self.cx.job.id;
        let mut taken = Vec::new();
        let mut tx = self.inner.store.begin().await?;
        if self.dirty.iter().any(|seq| self.lacks_lock(*seq)) {
            self.inner.store.lock_claims(&mut tx).await?;
        }
        for seq in &self.dirty {
            let mut row = self.rows[*seq].clone();
            if self.lacks_lock(*seq)
                && let Some(name) = self.lock(*seq)
            {
                let by = store::locks::holder(&mut tx, name).await?;
                plan::lock(&mut row, name, by);
                taken.push((*seq, row.clone()));
            }
            let row = &row;
            store::workflows::put(&mut tx, id, *seq, row).await?;
            let open = matches!(row.state, StepState::Asked | StepState::Confirming);
            if open && row.answer.is_none() {
                store::workflows::ask_anew(&mut tx, id, *seq).await?;
            }
        }
        for message in &self.messages {
            self.inner.outbox.promise(&mut tx, message).await?;
        }
        self.inner.store.commit(tx).await?;
        Ok(taken)
    }

    /// Waits before what the database refused is tried again.
    async fn refused(&mut self, error: &store::Error) -> Result<(), Stopped> {
        tracing::error!(%error, "a run cannot be written; trying again");
        let leave = self.cx.leave.clone();
        tokio::select! {
            () = tokio::time::sleep(REFUSED) => Ok(()),
            () = leave.cancelled() => Err(self.leave().await),
        }
    }

    fn show(&self) {
        let (flow, rows) = (Arc::clone(&self.args.flow), self.rows.clone());
        let (id, clock) = (self.cx.job.id, Arc::clone(&self.inner.clock));
        self.cx
            .output
            .show(Arc::new(move || board::live(&flow, &rows, id, clock())));
    }

    /// Who stopped the run, if somebody did.
    fn stopped_by(&self) -> Option<String> {
        match self.cx.stop_reason() {
            Some(StopReason::Cancelled(by)) => Some(by),
            Some(StopReason::Shutdown) | None => self.cx.job.cancel_by.clone(),
        }
    }

    fn last(&self, verdict: Verdict) -> Board {
        let now = self.inner.now();
        let (took, by) = (plan::took(&self.rows, now), self.stopped_by());
        let (flow, id) = (&self.args.flow, self.cx.job.id);
        board::last(flow, &self.rows, id, verdict, by.as_deref(), took, now)
    }

    fn end_told(&self, verdict: Verdict) -> Outgoing {
        let (mark, words) = self.last(verdict).outcome.unwrap_or_default();
        ask::over(&self.cx.job, mark, &words)
    }

    fn ending(&self, verdict: Verdict) -> Ending {
        let (by, last) = (self.stopped_by(), self.last(verdict));
        self.cx.output.show(Arc::new(move || last.clone()));
        match verdict {
            Verdict::Succeeded | Verdict::Warnings => Ending::Exited(0),
            Verdict::Failed(seq) => {
                let name = step(&self.args.flow, seq).map_or("", |step| step.name.as_str());
                let how = self.rows[seq].ending.as_ref().map(board::words);
                Ending::Broken(format!("at {name}: {}", how.unwrap_or_default()))
            }
            Verdict::Stopped => Ending::Cancelled(by.unwrap_or_default()),
            Verdict::Late => {
                let limit = self.args.flow.max_duration.unwrap_or_default();
                tracing::warn!(limit = human(limit), "the run took as long as it may");
                Ending::TimedOut(limit)
            }
        }
    }
}
