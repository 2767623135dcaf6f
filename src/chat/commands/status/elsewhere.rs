//! Other machines: each instance writes down how its own is doing.

use super::{Subject, charts, words};
use crate::base::error::{Error, Result};
use crate::base::suggest;
use crate::base::text::{CALLBACK_BYTES, escape, shorten};
use crate::base::time::Millis;
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::delivery::Buttons;
use crate::drivers::host;
use crate::monitors::levels::{Levels, Machine};
use crate::store::samples::{self, Newest, Step};
use std::path::PathBuf;

/// The most machines that a refusal names, and the longest of their names, in UTF-16 units.
const NAMED: usize = 10;
const NAME_UNITS: usize = 60;
/// So many processors are written down one by one; from there on, nobody knows how many there are.
const CORES: usize = 32;
/// What may be asked for of this machine alone.
const PARTS: [&str; 5] = ["cpu", "mem", "du", "net", "jobs"];

/// The machines that were looked at, this one first.
async fn machines(request: &Request) -> Result<Vec<String>> {
    let mut db = request.services.store.read().await?;
    let mut all = samples::hosts(&mut db).await?;
    let here = host::name();
    all.retain(|machine| *machine != here);
    all.insert(0, here);
    Ok(all)
}

/// The machine of this name, in whatever letters.
///
/// # Errors
/// What can be asked for, when there is none; or a failure of ours.
pub async fn named(request: &Request, word: &str) -> Result<String> {
    let all = machines(request).await?;
    let found = all.iter().find(|name| name.eq_ignore_ascii_case(word));
    if let Some(found) = found {
        return Ok(found.clone());
    }
    let other: String = word.chars().take(40).collect();
    let mut refusal = format!(
        "There is no status of “{other}”. Write /status for all, or /status cpu, mem, du, net or jobs for a part."
    );
    let near = suggest::nearest(word, PARTS);
    if !near.is_empty() {
        refusal.push_str(&format!(" Did you mean {}?", near.join(" or ")));
    }
    if all.len() > 1 {
        let names = all.iter().take(NAMED);
        let mut names: Vec<_> = names.map(|name| shorten(name, NAME_UNITS)).collect();
        if all.len() > NAMED {
            names.push("…".into());
        }
        refusal.push_str(&format!(
            " For a machine, write its name: {}.",
            names.join(", ")
        ));
    }
    Err(Error::refused(refusal))
}

/// This name, if it is that of a machine that was looked at.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn known(request: &Request, machine: String) -> Result<String> {
    match machine == host::name() || machines(request).await?.contains(&machine) {
        true => Ok(machine),
        false => Err(Error::refused("Nothing is kept of that machine any more.")),
    }
}

/// How another machine was when it was looked at last.
///
/// # Errors
/// A failure of ours.
pub async fn show(request: &Request, machine: &str) -> Result<Reply> {
    let now = Millis::now();
    let newest = {
        let mut db = request.services.store.read().await?;
        samples::newest(&mut db, machine, now).await?
    };
    let html = match &newest {
        Some(newest) => told(request, machine, newest, now).await,
        None => format!(
            "🖥 <b>{}</b> was not looked at in the last {} hours.",
            escape(machine),
            Step::Look.keep().as_secs() / 3600
        ),
    };
    Ok(Reply::html(html).buttons(buttons(machine)))
}

async fn told(request: &Request, machine: &str, newest: &Newest, now: Millis) -> String {
    let config = request.services.live.current();
    let names = newest.values.iter().map(|(name, _)| name);
    let disks = names.clone().filter_map(|name| name.strip_prefix("disk:"));
    let disks: Vec<PathBuf> = disks.map(PathBuf::from).collect();
    let cores = names.filter(|name| name.starts_with("cpu.core.")).count();
    let cores = Some(cores).filter(|cores| (1..CORES).contains(cores));
    let about = Machine {
        cores,
        disks: &disks,
        is_here: false,
    };
    let levels = Levels::of(&config, about).await;
    let by = (&levels, config.monitored_devices.as_slice());
    words::elsewhere((machine, cores), newest, by, now).join("\n")
}

fn buttons(machine: &str) -> Buttons {
    let refresh = Press::Status(machine.to_owned());
    let refresh = Some(refresh).filter(|press| press.data().len() <= CALLBACK_BYTES);
    let refresh = refresh.map(|press| press.button("Refresh"));
    let mut rows = vec![charts(Subject::All, machine), refresh.into_iter().collect()];
    rows.retain(|row| !row.is_empty());
    rows
}
