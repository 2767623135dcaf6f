//! `opsgram sandbox` as a page in the browser: the stand-in and the page here, the bot a process of its own.

use super::{STRANGER, populate, stand_in};
use crate::config::{self, Config, Env};
use crate::sandbox::web::{Page, PageOptions, Player, Program};
use anyhow::{Context, Result, anyhow, bail};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// Where the page is when nobody says otherwise.
const PORT: u16 = 8090;
/// Jobs that still run when the sandbox ends get no longer; nobody waits for them.
const GRACE: &str = "1s";
/// Calls that the page can show.
const CALLS: usize = 500;

/// Opens the page and keeps it until Ctrl-C.
///
/// # Errors
/// What could not be started.
pub(super) async fn serve(
    port: Option<u16>,
    file: PathBuf,
    key: Option<String>,
    folder: &Path,
    env: &Env,
) -> Result<()> {
    let sandbox = stand_in(0, CALLS).await?;
    let own = super::overrides(&sandbox, folder);
    let mut whole = env.clone();
    for (name, value) in &own {
        whole.set(name.clone(), value.clone());
    }
    let loaded = config::load(&file, &whole).map_err(|faults| anyhow!("{faults}"))?;
    super::tell_unused(&loaded);
    populate(&sandbox, &loaded.config);
    let port = port.unwrap_or(PORT);
    let options = PageOptions {
        port,
        players: players(&loaded.config),
        key,
        program: program(&loaded.file, own)?,
    };
    let page = match Page::start(sandbox, options).await {
        Ok(page) => page,
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {port} is taken, perhaps by another sandbox. Name another one with --port, or let the system choose with --port 0"
        ),
        Err(error) => return Err(error).context("opening the page"),
    };
    // A reader of the pipe that is gone needs no address.
    let _ = writeln!(
        std::io::stdout(),
        "Open {} in your browser; Ctrl-C ends it.",
        page.url()
    );
    stopped().await?;
    eprintln!("Stopping the bot; once more Ctrl-C does not wait for it.");
    tokio::select! {
        () = page.stop() => {}
        again = stopped() => again?,
    }
    Ok(())
}

fn program(file: &Path, mut env: Vec<(String, String)>) -> Result<Program> {
    env.push(("OPSGRAM_JOBS_GRACE".to_owned(), GRACE.to_owned()));
    Ok(Program {
        path: std::env::current_exe().context("finding this program")?,
        args: vec!["serve".into(), "--config".into(), file.into()],
        env,
    })
}

/// The people of the configuration, those who may most first, and a stranger.
fn players(config: &Config) -> Vec<Player> {
    let mut users: Vec<_> = config.access.users.iter().collect();
    users.sort_by_key(|user| std::cmp::Reverse(user.role));
    let known = users.into_iter().map(|user| Player {
        id: user.id.0,
        role: user.role.to_string(),
    });
    let stranger = Player {
        id: STRANGER,
        role: "nobody".to_owned(),
    };
    known.chain([stranger]).collect()
}

/// Waits until somebody wants this to end: Ctrl-C, SIGTERM, or the terminal is closed.
async fn stopped() -> Result<()> {
    let on = |kind| signal(kind).context("watching for signals");
    let (mut interrupt, mut term, mut hang_up) = (
        on(SignalKind::interrupt())?,
        on(SignalKind::terminate())?,
        on(SignalKind::hangup())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = term.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}
