//! The units of systemd, by what `systemctl` prints.

use super::process::{self, End, Spec};
use std::path::PathBuf;
use std::time::Duration;

/// The most that is read of what it prints, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// What systemd says of a unit that has ended and is soon started again.
const AUTO_RESTART: &str = "auto-restart";

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its full name.
    pub name: String,
    /// `active`, `failed`, `inactive`, …; `not-found` when there is no such unit, `auto-restart` when it has ended and is soon
    /// started again.
    pub state: String,
}

/// The units that have failed.
///
/// # Errors
/// A sentence that says why systemd cannot be asked.
pub async fn failed(env: &[(String, String)], limit: Duration) -> Result<Vec<Unit>, String> {
    let asked = [
        "list-units",
        "--state=failed",
        "--all",
        "--plain",
        "--no-legend",
        "--no-pager",
    ];
    let printed = ask(asked.map(str::to_owned).to_vec(), env, limit).await?;
    let names = printed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let unit = |name: &str| Unit {
        name: name.to_owned(),
        state: "failed".to_owned(),
    };
    Ok(names.map(unit).collect())
}

/// These units.
///
/// # Errors
/// A sentence that says why systemd cannot be asked.
pub async fn named(
    units: &[String],
    env: &[(String, String)],
    limit: Duration,
) -> Result<Vec<Unit>, String> {
    let mut asked: Vec<String> = vec![
        "show".to_owned(),
        "--property=LoadState,ActiveState,SubState".to_owned(),
        "--".to_owned(),
    ];
    asked.extend(units.iter().cloned());
    let printed = ask(asked, env, limit).await?;
    let found: Vec<Unit> = units
        .iter()
        .zip(printed.split("\n\n"))
        .map(|(name, block)| {
            let of = |key: &str| block.lines().find_map(|line| line.strip_prefix(key));
            let state = match of("LoadState=") {
                Some("not-found") => "not-found",
                // It has ended, and is started again after a while.
                Some(_) | None if of("SubState=") == Some(AUTO_RESTART) => AUTO_RESTART,
                Some(_) | None => of("ActiveState=").unwrap_or("unknown"),
            };
            Unit {
                name: name.clone(),
                state: state.to_owned(),
            }
        })
        .collect();
    match found.len() == units.len() {
        true => Ok(found),
        false => Err("systemctl tells less than was asked".to_owned()),
    }
}

async fn ask(
    args: Vec<String>,
    env: &[(String, String)],
    limit: Duration,
) -> Result<String, String> {
    let mut argv = vec!["systemctl".to_owned()];
    argv.extend(args);
    let spec = Spec {
        argv,
        cwd: PathBuf::from("/"),
        env: env.to_vec(),
        tty: false,
        marker: format!("systemctl:{}", ulid::Ulid::generate()),
        timeout: limit,
        grace: Duration::ZERO,
    };
    let heard = process::hear(&spec, MAX_BYTES).await;
    let heard = heard.map_err(|error| format!("systemd cannot be asked: {error}"))?;
    match heard.end {
        End::Exited(0) => Ok(String::from_utf8_lossy(&heard.printed).into_owned()),
        End::TimedOut => Err("systemctl does not answer in time".to_owned()),
        End::Exited(_) | End::Signaled(_) | End::Cancelled => {
            let said = String::from_utf8_lossy(&heard.complaints);
            let first = said.lines().next().unwrap_or("it says nothing");
            Err(format!("systemctl does not answer: {first}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const LIMIT: Duration = Duration::from_secs(40);

    /// A `systemctl` that prints this.
    fn with(script: &str) -> (tempfile::TempDir, Vec<(String, String)>) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("systemctl");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        (dir, vec![("PATH".to_owned(), path)])
    }

    #[tokio::test]
    async fn failed_units_are_listed() {
        let (_dir, env) = with(
            "printf 'nginx.service loaded failed failed A web server\\nx.mount loaded failed failed X\\n'",
        );
        let found = failed(&env, LIMIT).await.unwrap();
        let names: Vec<_> = found.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, ["nginx.service", "x.mount"]);
        let (_dir, env) = with("exit 0");
        assert_eq!(failed(&env, LIMIT).await, Ok(Vec::new()));
        let (_dir, env) = with("echo 'System has not been booted with systemd' >&2; exit 1");
        let error = failed(&env, LIMIT).await.unwrap_err();
        assert!(error.contains("not been booted"), "{error}");
    }

    #[tokio::test]
    async fn named_units_have_their_state() {
        let script = "printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\n\\nLoadState=not-found\\nActiveState=inactive\\n\\nLoadState=loaded\\nActiveState=activating\\nSubState=auto-restart\\n'";
        let (_dir, env) = with(script);
        let asked = ["a.service", "b.service", "c.service"].map(str::to_owned);
        let found = named(&asked, &env, LIMIT).await.unwrap();
        let states: Vec<_> = found.iter().map(|unit| unit.state.as_str()).collect();
        assert_eq!(states, ["active", "not-found", "auto-restart"]);
        let four = [&asked[..], &["d".to_owned()]].concat();
        assert!(named(&four, &env, LIMIT).await.is_err());
    }
}
