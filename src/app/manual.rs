//! What is made from the command line's own description: completions for shells, and man pages.

use super::cli::{Cli, Outcome};
use crate::drivers::file::{self, Worth};
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// The program's name, in file names and pages.
const NAME: &str = "opsgram";

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> Outcome {
    let mut command = Cli::command();
    clap_complete::generate(shell, &mut command, NAME, &mut std::io::stdout());
    Outcome::Done
}

/// Prints the main page, or writes all of them into a folder.
pub(super) fn pages(folder: Option<&Path>) -> Result<Outcome> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = folder else {
        page(&command, &mut std::io::stdout())?;
        return Ok(Outcome::Done);
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    write_all(&command, folder)?;
    Ok(Outcome::Done)
}

/// A page for the command, and one for each command below it, named as `git` names its pages.
fn write_all(command: &clap::Command, folder: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or(NAME);
    let path = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    page(command, &mut text)?;
    file::replace(&path, &text, 0o644, Worth::Kept)
        .with_context(|| format!("writing {}", path.display()))?;
    for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_all(below, folder)?;
    }
    Ok(())
}

fn page(command: &clap::Command, to: &mut dyn std::io::Write) -> Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .context("making the page")?;
    to.write_all(titled(&String::from_utf8_lossy(&text)).as_bytes())
        .context("writing the page")
}

/// The text after the help has no title that fits; ours begins with examples.
fn titled(page: &str) -> String {
    const EXAMPLES: &str = ".SH EXAMPLES\n";
    page.replace(".SH EXTRA\nExamples:\n", EXAMPLES)
        .replace(".SH EXTRA\nExample:\n", EXAMPLES)
}
