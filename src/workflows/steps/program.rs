//! Steps that run programs: once, for as long as the run lasts, or as a configured script says.

use super::output::Printer;
use super::{End, Event, Hand, Inner, broken, fill};
use crate::base::job::{Ending, UNDO_SOURCE};
use crate::base::workflow::Template;
use crate::config::PASSED;
use crate::drivers::process::{self, Spec};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Time between TERM and KILL.
const GRACE: Duration = Duration::from_secs(5);
/// A service that says nothing of itself counts as up when it has lived so long.
const SETTLED: Duration = Duration::from_millis(500);
/// The longest a check may take that decides whether a step is skipped.
const CHECK: Duration = Duration::from_secs(60);
/// How long a service may take to print what is looked for, unless it says.
const FOUND_WITHIN: Duration = Duration::from_secs(30);
/// A service lasts as long as its run.
const FOREVER: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Runs a program to its end.
pub(super) async fn run(inner: &Inner, hand: &Hand, argv: &[Template]) -> End {
    match spec(inner, hand, argv, hand.step.timeout) {
        Ok(spec) => drive(hand, spec, &[], false).await,
        Err(why) => broken(why),
    }
}

/// Runs a program until it is told to end.
pub(super) async fn serve(inner: &Inner, hand: &Hand, argv: &[Template]) -> End {
    match spec(inner, hand, argv, FOREVER) {
        Ok(mut spec) => {
            // Into a pipe most programs write what they say by the block: it would come when it is full, or never.
            spec.tty = !hand.step.capture.is_empty();
            drive(hand, spec, &[], true).await
        }
        Err(why) => broken(why),
    }
}

/// Runs a configured script, as it is configured now.
pub(super) async fn script(inner: &Inner, hand: &Hand, name: &str, given: &[Template]) -> End {
    let config = inner.live.current();
    let found = config
        .scripts
        .values()
        .find(|known| known.name.as_str() == name);
    let Some(script) = found else {
        return broken(format!(
            "the script {name} is no longer in the configuration"
        ));
    };
    let resolved = fill(given, &hand.values)
        .and_then(|given| script.resolve(&given).map_err(|error| error.to_string()));
    let argv = match resolved {
        Ok(resolved) => resolved.argv,
        Err(why) => return broken(why),
    };
    let mut env = script.environment(&inner.env);
    env.extend(own(hand));
    let spec = Spec {
        argv,
        cwd: script
            .cwd
            .clone()
            .unwrap_or_else(|| config.base_dir.clone()),
        env,
        tty: script.tty,
        marker: hand.marker.clone(),
        timeout: hand.step.timeout,
        grace: script.grace.unwrap_or(GRACE),
    };
    let known = script.secrets.iter().filter_map(|name| inner.env.get(name));
    drive(hand, spec, &known.collect::<Vec<_>>(), false).await
}

/// Whether a program exits with 0; what it prints is nobody's business.
pub(super) async fn succeeds(inner: &Inner, hand: &Hand, argv: &[Template]) -> bool {
    let Ok(spec) = spec(inner, hand, argv, CHECK) else {
        return false;
    };
    let ended = process::run(&spec, &hand.stop, &mut |_: &[u8]| {}).await;
    ended.is_ok_and(|finished| finished.end == process::End::Exited(0))
}

/// Runs a program and reads what it prints. A service is up when all was found that is looked for in it, or when it has
/// lived for a moment.
async fn drive(hand: &Hand, spec: Spec, secrets: &[&str], serves: bool) -> End {
    let mut printer = match Printer::new(hand, secrets) {
        Ok(printer) => printer,
        Err(why) => return broken(why),
    };
    let (whole, looks) = (printer.whole(), !hand.step.capture.is_empty());
    let stop = hand.stop.child_token();
    let late = CancellationToken::new();
    let within = hand
        .step
        .capture
        .values()
        .filter_map(|one| one.within)
        .max();
    let ready = async {
        match (looks, within.or(serves.then_some(FOUND_WITHIN))) {
            (true, Some(within)) => {
                if timeout(within, whole.cancelled()).await.is_err() {
                    late.cancel();
                    stop.cancel();
                    return;
                }
            }
            (true, None) => return,
            (false, _) => sleep(SETTLED).await,
        }
        if serves {
            // The run is over when nobody listens.
            let _ = hand.events.send(Event::Up(hand.seq));
        }
    };
    let mut sink = |bytes: &[u8]| printer.write(bytes);
    let ended = {
        let running = process::run(&spec, &stop, &mut sink);
        let ready = async {
            ready.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = running => ended,
            () = ready => return End::Stopped,
        }
    };
    printer.finish();
    let missing = printer.missing();
    let finished = match ended {
        Ok(finished) => finished,
        Err(error) => return broken(error.to_string().trim_end_matches('.')),
    };
    let ending = match finished.end {
        process::End::Cancelled if !late.is_cancelled() => return End::Stopped,
        process::End::Exited(0) if missing.is_empty() && serves => Ending::Broken(
            "it ended by itself, with exit 0, although it is to go on until the run ends"
                .to_owned(),
        ),
        process::End::Exited(0) if missing.is_empty() => Ending::Exited(0),
        process::End::Exited(0) | process::End::Cancelled => {
            Ending::Broken(format!("it did not print {}", missing.join(", ")))
        }
        process::End::Exited(code) => Ending::Exited(code),
        process::End::Signaled(signal) => Ending::Signaled(signal),
        process::End::TimedOut => Ending::TimedOut(spec.timeout),
    };
    End::Over(ending, BTreeMap::new())
}

fn spec(inner: &Inner, hand: &Hand, argv: &[Template], timeout: Duration) -> Result<Spec, String> {
    Ok(Spec {
        argv: fill(argv, &hand.values)?,
        cwd: folder(hand)?,
        env: environment(inner, hand)?,
        tty: false,
        marker: hand.marker.clone(),
        timeout,
        grace: GRACE,
    })
}

/// Where a step works. What takes a run back finds the folders of its steps again, empty: what was in them went with the run.
pub(super) fn folder(hand: &Hand) -> Result<PathBuf, String> {
    let folder = hand.step.folder(&hand.folder, &hand.values)?;
    let takes_back = hand.cx.job.new.source.starts_with(UNDO_SOURCE);
    if takes_back && folder.starts_with(&hand.folder) {
        let failed = |error| format!("its folder {} cannot be made: {error}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
    }
    Ok(folder)
}

/// What every program of a run gets: its declared environment, nothing else.
pub(super) fn environment(inner: &Inner, hand: &Hand) -> Result<Vec<(String, String)>, String> {
    let pass = |name: &str| Some((name.to_owned(), inner.env.get(name)?.to_owned()));
    let flow = &hand.flow;
    let mut env: Vec<_> = PASSED.into_iter().filter_map(pass).collect();
    env.extend(flow.env_pass.iter().filter_map(|name| pass(name)));
    env.extend(flow.secrets.iter().filter_map(|name| pass(name)));
    for (name, value) in flow.env.iter().chain(&hand.step.env) {
        env.push((name.clone(), value.fill(&hand.values)?));
    }
    env.extend(own(hand));
    Ok(env)
}

/// What tells a program which run it belongs to.
fn own(hand: &Hand) -> Vec<(String, String)> {
    let job = &hand.cx.job;
    [
        ("OPSGRAM_JOB", job.id.to_string()),
        ("OPSGRAM_REQUEST", job.new.request_id.clone()),
        ("OPSGRAM_STEP", hand.step.name.clone()),
        ("OPSGRAM_RUN_DIR", hand.folder.display().to_string()),
        ("OPSGRAM_OUT", hand.cx.files.out().display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
