//! One run from its start, or from where it was, to its end. What follows is decided by [`plan`]; here it is done.
//!
//! A step is written as running before it begins, and as over before anything that needs it begins.

mod answers;
mod asked;
mod clock;
mod confided;
mod news;
mod show;
mod write;

use super::confide::Confided;
use super::plan::{self, Halt, Plan, Verdict, step};
use super::secrets::Secrets;
use super::steps::{self, End, Event, Hand};
use super::{Inner, ask, lacks, look, whom};
use crate::base::job::Ending;
use crate::base::time::Millis;
use crate::base::workflow::{RunArgs, Source, Step, StepRow, StepState, Values, Work};
use crate::config;
use crate::delivery::Outgoing;
use crate::jobs::action::{ActionCx, Stopped};
use crate::jobs::output::steps_printed;
use crate::store;
use asked::Asked;
use confided::take_back;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

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
    /// The clocks, as they were when the times of the steps were right by them.
    read: clock::Reading,
    /// What stands above the steps on its card.
    begun: Arc<[String]>,
    /// Steps that changed since they were written.
    dirty: BTreeSet<usize>,
    /// What is promised with them.
    messages: Vec<Outgoing>,
    hands: FuturesUnordered<BoxFuture<'static, (usize, End)>>,
    stops: HashMap<usize, CancellationToken>,
    secrets: Secrets,
    /// What is told in private.
    confided: Vec<Confided>,
    speaker: steps::Speaker,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    /// How far the question about a step came with each who is asked in private, as far as is known.
    asked: HashMap<usize, Asked>,
    /// Changes when that may be otherwise.
    reach: watch::Receiver<()>,
    /// Whether what an earlier start left is judged and goes on.
    is_loaded: bool,
    /// Whether a step has just begun to wait for its lock: others may begin in its stead.
    gave_way: bool,
    /// What nobody answered in time, as far as known here, and since when it is waited for that whoever leads heard people.
    unheard: HashMap<usize, Millis>,
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
        take_back(&inner, &cx, &[]).await?;
        return Ok(Ending::Broken(why));
    }
    let mut reach = inner.outbox.reach();
    // What it was before this start is not known.
    reach.mark_changed();
    let mut run = Run {
        halt: cx.job.cancel_by.as_ref().map(|_| Halt::Stop),
        values: Values::default(),
        rows: Vec::new(),
        begun: look::begun(&cx.job, &args).into(),
        dirty: BTreeSet::new(),
        messages: Vec::new(),
        hands: FuturesUnordered::new(),
        stops: HashMap::new(),
        secrets: Secrets::new(inner.secrets(&args.flow)),
        confided: Vec::new(),
        read: clock::Reading::take(&inner),
        speaker: Arc::new(Mutex::new(steps::Voices::new(steps_printed(
            &cx.log_dir,
            cx.job.id,
        )))),
        events: mpsc::unbounded_channel(),
        asked: HashMap::new(),
        reach,
        is_loaded: false,
        gave_way: false,
        unheard: HashMap::new(),
        written: Vec::new(),
        inner,
        args,
        cx,
        folder,
    };
    run.load().await?;
    run.is_loaded = true;
    loop {
        let now = run.now();
        run.look_late(now);
        let mut plan = plan::next(&run.args.flow, &run.rows, run.halt, now);
        if run.hear_last_words(&plan).await? {
            plan = plan::next(&run.args.flow, &run.rows, run.halt, now);
        }
        run.want_locks();
        let mut again = run.apply(&plan, now);
        run.card_before_questions().await;
        run.write().await?;
        again |= std::mem::take(&mut run.gave_way);
        run.launch();
        run.show();
        if let Some(verdict) = plan.over {
            let good = matches!(verdict, Verdict::Succeeded | Verdict::Warnings);
            let long = plan::took(&run.rows, now) >= OUT_OF_SIGHT;
            if run.args.flow.notify.end && (good || !run.is_doubtful()) {
                let told = run.end_told(verdict);
                run.tell_elsewhere(&told);
                run.messages.extend(long.then_some(told));
                run.write().await?;
            }
            take_back(&run.inner, &run.cx, &[]).await?;
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
                let begun = ask::begun(&self.cx.job);
                self.tell_elsewhere(&begun);
                self.messages.push(begun);
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
        let now = self.now();
        for seq in 0..count {
            self.adopt(seq);
            let Some(step) = step(&self.args.flow, seq).cloned() else {
                continue;
            };
            let before = self.rows[seq].clone();
            plan::bound(&step, &mut self.rows[seq], now);
            let is_asked = plan::interrupted(&step, &mut self.rows[seq], now);
            let row = &self.rows[seq];
            if is_asked || (plan::is_prolonged(row) && row.until > Some(now)) {
                self.ask_what_now(&step, seq, now);
            }
            if before.state == StepState::Reverting && self.rows[seq].state.is_over() {
                self.tell_reverted(seq);
            }
            if self.rows[seq] != before {
                self.dirty.insert(seq);
            }
        }
        self.miss_secrets(now);
        self.write().await?;
        if self.halt.is_none() && self.is_closing() && plan::was_late(&self.args.flow, &self.rows) {
            self.halt = Some(Halt::Late);
        }
        // Somebody may have answered a moment before the bot died.
        self.take_answers().await?;
        // What went with the bot's last life is worth nothing any more; what a step left behind that is done, is.
        let done = |seq: &usize| self.rows[*seq].state == StepState::Done;
        let done: Vec<usize> = (0..count).filter(done).collect();
        take_back(&self.inner, &self.cx, &done).await?;
        // Timers, and what is taken back: they go on.
        self.launch();
        Ok(())
    }

    /// What a step found and was not written down went with the bot's last life: where another step needs it, it is to be found
    /// anew.
    fn miss_secrets(&mut self, now: Millis) {
        if self.halt.is_some() {
            return;
        }
        for (seq, by) in plan::missed(&self.args.flow, &self.rows) {
            let Some(step) = step(&self.args.flow, seq) else {
                continue;
            };
            let row = &mut self.rows[seq];
            if plan::miss(step, row, &by, now) {
                let (job, values) = (&self.cx.job, &self.values);
                self.messages
                    .push(ask::message(job, step, seq, row, values, now));
            }
            self.dirty.insert(seq);
        }
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

    /// Says of the values that this step wants and that are not there why that is so.
    fn explain(&mut self, step: &Step) {
        for (source, why) in lacks::of(&self.args.flow, &self.rows, step, &self.values) {
            self.values.lack(source, why);
        }
    }

    /// Asks in the run's chat about what a step came to. It is answered no later than the run may last, and says so.
    fn ask_what_now(&mut self, step: &Step, seq: usize, now: Millis) {
        if let Some(ends) = plan::deadline(&self.args.flow, &self.rows) {
            plan::cap(&mut self.rows[seq], ends);
        }
        let (job, row) = (&self.cx.job, &self.rows[seq]);
        self.messages
            .push(ask::message(job, step, seq, row, &self.values, now));
    }

    fn look_late(&mut self, now: Millis) {
        let Some(ends) = plan::deadline(&self.args.flow, &self.rows) else {
            return;
        };
        for seq in 0..self.rows.len() {
            if plan::cap(&mut self.rows[seq], ends) {
                self.dirty.insert(seq);
            }
        }
        // What is taken back unless somebody answers is as late as the run; first it is certain that nobody did.
        let open = self.rows.iter().any(plan::is_net);
        if ends <= now && !open && self.halt.is_none() && !self.is_closing() {
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
            let last = *seq >= self.args.flow.steps.len();
            let halted = self.halt.is_some();
            plan::withdraw(step, &mut self.rows[*seq], last, halted, now);
            let (job, row) = (&self.cx.job, &self.rows[*seq]);
            let told = match row.state {
                StepState::Reverting => ask::reverting(job, step, *seq, row),
                _ if row.left_over => ask::reverted(job, step, *seq, row, &self.args.flow),
                _ => {
                    let why = match self.halt {
                        Some(Halt::Stop) => "The run was stopped.",
                        Some(Halt::Late) => "The run took as long as it may.",
                        None if last => "The run took as long as it may, so this counts as failed.",
                        None => "The run has failed meanwhile.",
                    };
                    ask::withdrawn(job, step, *seq, &self.values, why)
                }
            };
            let copies = ask::for_asked(&told, &self.reached(*seq));
            self.messages.extend(copies);
            self.messages.push(told);
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
        self.explain(&step);
        let row = &mut self.rows[seq];
        let holds = step.when.as_ref().map(|when| when.holds(&self.values));
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
                let whom = whom::of(&self.inner, &self.cx.job, step);
                row.asked = whom.others.iter().map(|person| person.id).collect();
                let asked = asked::first(&self.inner, &row.asked);
                self.asked.insert(seq, asked);
                self.ask(step, seq, whom.here, self.reached(seq), now);
                true
            }
            Work::Notify { text } => {
                match text.fill(&self.values) {
                    Ok(text) => {
                        let text = self.secrets.mask(&text);
                        let notice = ask::notice(&self.cx.job, seq, &text);
                        let to = &self.args.flow.notify.to;
                        self.messages.extend(ask::copies(&notice, to));
                        self.messages.push(notice);
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
        self.explain(&step);
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
}
