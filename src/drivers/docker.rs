//! How Docker's engine and its containers are doing, asked through its socket.

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long an engine that broke off is left alone before it is asked once more.
const AGAIN: Duration = Duration::from_millis(200);

/// How a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// `running`, `exited`, `restarting`, …
    pub state: String,
    /// `healthy`, `unhealthy` or `starting`; `None` when it has no health check.
    pub health: Option<String>,
    /// How often the engine started it again.
    pub restarts: u64,
}

/// Why the engine gives no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// Whether there is none at all: its socket does not exist.
    pub absent: bool,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub todo: &'static str,
}

impl Away {
    fn silent(why: String) -> Self {
        Self {
            absent: false,
            why,
            todo: "look at `systemctl status docker` on the server",
        }
    }

    /// Both as one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{}; {}", self.why, self.todo)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    state: State,
    #[serde(default)]
    restart_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    health: Option<Health>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
}

/// What the engine answered.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Away> {
        let unreadable = |why: String| {
            Away::silent(format!(
                "the Docker engine gives no answer that can be read: {why}"
            ))
        };
        if !self.status.is_success() {
            return Err(unreadable(self.status.to_string()));
        }
        serde_json::from_slice(&self.body).map_err(|error| unreadable(error.to_string()))
    }
}

/// The version of the engine.
///
/// # Errors
/// Why it does not answer.
pub async fn version(socket: &Path, limit: Duration) -> Result<String, Away> {
    let about: About = ask(socket, "version", limit).await?.read()?;
    Ok(about.version)
}

/// Looks at a container; `None` when there is none by this name. The address names no version of the engine's interface, so
/// that each engine answers with its own.
///
/// # Errors
/// A sentence that says why the engine does not answer, and what to do.
pub async fn container(
    socket: &Path,
    name: &str,
    limit: Duration,
) -> Result<Option<Container>, String> {
    let path = format!("containers/{name}/json");
    let answer = ask(socket, &path, limit).await;
    let answer = answer.map_err(|away| away.sentence())?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let told: Told = answer.read().map_err(|away| away.sentence())?;
    Ok(Some(Container {
        state: told.state.status,
        health: told
            .state
            .health
            .map(|health| health.status)
            .filter(|health| health != "none"),
        restarts: told.restart_count,
    }))
}

/// Asks once more when the answer is cut off: the engine ended or was started anew in that moment, and asked again it is known
/// which.
async fn ask(socket: &Path, path: &str, limit: Duration) -> Result<Answer, Away> {
    reach(socket).await?;
    let error = match get(socket, path, limit).await {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    if !error.is_timeout() {
        tokio::time::sleep(AGAIN).await;
        reach(socket).await?;
        match get(socket, path, limit).await {
            Ok(answer) => return Ok(answer),
            Err(error) if !error.is_timeout() => {
                return Err(Away::silent(format!(
                    "the Docker engine breaks off before it answers ({})",
                    socket.display()
                )));
            }
            Err(_) => {}
        }
    }
    Err(Away::silent(
        "the Docker engine does not answer in time".to_owned(),
    ))
}

/// Connects to the engine and leaves again: only so is it known why it cannot be asked.
async fn reach(socket: &Path) -> Result<(), Away> {
    let Err(error) = UnixStream::connect(socket).await else {
        return Ok(());
    };
    let shown = socket.display();
    let away = |why: String, todo| Away {
        absent: error.kind() == ErrorKind::NotFound,
        why,
        todo,
    };
    Err(match error.kind() {
        ErrorKind::NotFound => away(
            format!("there is no Docker engine here ({shown} does not exist)"),
            "install or start it, or remove the check",
        ),
        ErrorKind::ConnectionRefused => away(
            format!("the Docker engine does not run (nobody answers at {shown})"),
            "start it",
        ),
        ErrorKind::PermissionDenied => away(
            format!("the Docker engine may not be asked ({shown})"),
            "add the bot's user to the group docker and start the bot again",
        ),
        _ => Away::silent(format!(
            "the Docker engine cannot be asked ({shown}): {error}"
        )),
    })
}

async fn get(socket: &Path, path: &str, limit: Duration) -> reqwest::Result<Answer> {
    let client = Client::builder().unix_socket(socket.to_owned()).build()?;
    let asked = client.get(format!("http://docker/{path}")).timeout(limit);
    let answer = asked.send().await?;
    Ok(Answer {
        status: answer.status(),
        body: answer.bytes().await?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    const LIMIT: Duration = Duration::from_secs(40);

    /// An engine that gives one answer.
    async fn ask(status: &str, body: &str) -> Result<Option<Container>, String> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let engine = tokio::spawn(async move {
            // The first only looks whether somebody is there.
            drop(listener.accept().await.unwrap());
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let read = stream.read(&mut asked).await.unwrap();
            assert!(asked[..read].starts_with(b"GET /containers/web/json "));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let found = container(&socket, "web", LIMIT).await;
        engine.await.unwrap();
        found
    }

    #[tokio::test]
    async fn a_container_is_read_from_what_the_engine_tells() {
        let body = r#"{"Id":"1","RestartCount":3,"State":{"Status":"running","Running":true,"Health":{"Status":"unhealthy","FailingStreak":2}}}"#;
        let found = ask("200 OK", body).await.unwrap().unwrap();
        assert_eq!(
            (
                found.state.as_str(),
                found.health.as_deref(),
                found.restarts
            ),
            ("running", Some("unhealthy"), 3)
        );
        let body = r#"{"RestartCount":0,"State":{"Status":"exited"}}"#;
        let found = ask("200 OK", body).await.unwrap().unwrap();
        assert_eq!((found.state.as_str(), found.health), ("exited", None));
        assert_eq!(
            ask("404 Not Found", r#"{"message":"No such container"}"#).await,
            Ok(None)
        );
        assert!(ask("500 Internal Server Error", "").await.is_err());
        assert!(ask("200 OK", "nonsense").await.is_err());
    }

    #[tokio::test]
    async fn without_an_engine_it_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let error = container(&socket, "web", LIMIT).await.unwrap_err();
        assert!(error.contains("no Docker engine here"), "{error}");
        let absent = version(&socket, LIMIT).await;
        assert!(absent.unwrap_err().absent);
        drop(UnixListener::bind(&socket).unwrap());
        let error = container(&socket, "web", LIMIT).await.unwrap_err();
        assert!(error.contains("does not run"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_is_asked_for_once_more() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let ends = tokio::spawn(async move {
            drop(listener.accept().await.unwrap());
            let cut = listener.accept().await.unwrap();
            // The engine is gone before its connections are, as when it is killed.
            drop(listener);
            drop(cut);
        });
        let error = container(&socket, "web", LIMIT).await.unwrap_err();
        assert!(error.contains("does not run"), "{error}");
        ends.await.unwrap();

        fs::remove_file(&socket).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let starts = tokio::spawn(async move {
            for _ in 0..3 {
                drop(listener.accept().await.unwrap());
            }
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await.unwrap();
            let body = r#"{"State":{"Status":"running"}}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let found = container(&socket, "web", LIMIT).await.unwrap().unwrap();
        assert_eq!(found.state, "running");
        starts.await.unwrap();

        fs::remove_file(&socket).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let breaks = tokio::spawn(async move {
            for _ in 0..4 {
                drop(listener.accept().await.unwrap());
            }
        });
        let error = container(&socket, "web", LIMIT).await.unwrap_err();
        assert!(error.contains("breaks off before it answers"), "{error}");
        breaks.await.unwrap();
    }
}
