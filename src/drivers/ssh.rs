//! The ssh program of this machine.

use super::process::{self, SpawnError, Spec};
use std::path::PathBuf;
use std::time::Duration;

/// The most that is read of what it says, in bytes.
const MAX_BYTES: usize = 1024;

/// What the program calls itself, such as `OpenSSH_9.2p1`; `None` when there is none in the `PATH` of `env`.
///
/// # Errors
/// A sentence that says why it does not tell.
pub async fn version(env: &[(String, String)], limit: Duration) -> Result<Option<String>, String> {
    let spec = Spec {
        argv: vec!["ssh".to_owned(), "-V".to_owned()],
        cwd: PathBuf::from("/"),
        env: env.to_vec(),
        tty: false,
        marker: format!("ssh:{}", ulid::Ulid::generate()),
        timeout: limit,
        grace: Duration::ZERO,
    };
    let heard = match process::hear(&spec, MAX_BYTES).await {
        Err(SpawnError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(heard) => heard,
    };
    // OpenSSH says it where errors go.
    let said = [heard.complaints, heard.printed].concat();
    let said = String::from_utf8_lossy(&said);
    let first = said.split([',', '\n']).next().unwrap_or_default().trim();
    match first {
        "" => Err("The program ssh does not tell its version.".to_owned()),
        first => Ok(Some(first.chars().take(60).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const LIMIT: Duration = Duration::from_secs(40);

    #[tokio::test]
    async fn it_tells_its_version_or_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let env = vec![("PATH".to_owned(), dir.path().display().to_string())];
        assert_eq!(version(&env, LIMIT).await, Ok(None));
        let program = dir.path().join("ssh");
        let write = |body: &str| {
            fs::write(&program, format!("#!/bin/sh\n{body}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("[ \"$1\" = -V ] && echo 'OpenSSH_9.2p1 Debian-2, OpenSSL 3.0' >&2");
        let told = version(&env, LIMIT).await.unwrap();
        assert_eq!(told.as_deref(), Some("OpenSSH_9.2p1 Debian-2"));
        write("exit 3");
        assert!(version(&env, LIMIT).await.is_err());
    }
}
