//! What a step waits for, looked at once.

use super::patience;
use super::sockets;
use super::web::{Question, Web};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Whether a web server answers with this status; without one, with any of 200–399. Redirects are followed.
///
/// # Errors
/// A sentence that says what there is instead.
pub async fn url(web: &Web, url: &Url, status: Option<u16>, limit: Duration) -> Result<(), String> {
    let mut question = Question::new("GET", url.clone(), limit);
    // A redirect that is waited for is an answer itself.
    question.follow = !status.is_some_and(|status| (300..400).contains(&status));
    let reply = web.ask(&question).await?;
    match status {
        Some(status) => reply.expect(&[status]),
        None if (300..400).contains(&reply.status) => Ok(()),
        None => reply.expect(&[]),
    }
}

/// Whether a port takes connections: `host:port`, with an IPv6 address in brackets.
///
/// # Errors
/// A sentence that says why not, or what is wrong with the address.
pub async fn tcp(address: &str, limit: Duration) -> Result<(), String> {
    let (host, port) = host_and_port(address)?;
    let connected = sockets::connect(host, port, limit).await;
    connected
        .map(drop)
        .map_err(|missed| format!("{}.", missed.words))
}

/// Reads `host:port`.
///
/// # Errors
/// What would be right.
pub fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    let wrong = || {
        format!(
            "`{address}` is no address of a port; write host:port, such as db:5432 or [::1]:80."
        )
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let port = port
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(wrong)?;
    if bare.is_empty() || bare.contains(|c: char| c.is_whitespace() || "/@[]".contains(c)) {
        return Err(wrong());
    }
    Ok((bare, port))
}

/// Whether a file or folder is there.
///
/// # Errors
/// A sentence that says that it is not, or why it cannot be seen.
pub async fn file(path: &Path, limit: Duration) -> Result<(), String> {
    let shown = path.display().to_string();
    let asked = path.to_owned();
    let question = move || asked.try_exists();
    match patience::ask(&format!("the file {shown}"), limit, question).await {
        Some(Ok(true)) => Ok(()),
        Some(Ok(false)) => Err(format!("{shown} is not there.")),
        Some(Err(error)) => Err(format!("{shown} cannot be looked at: {error}.")),
        None => Err(format!(
            "{shown} cannot be looked at: its disk does not answer."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::tests::{Asked, Server, Told, closed};
    use std::fs;

    const LIMIT: Duration = Duration::from_secs(40);

    #[tokio::test]
    async fn a_port_and_a_file_are_there_or_not() {
        let server = Server::start(|_: &Asked| Told::text(200, "")).await;
        let address = server.address.to_string();
        assert_eq!(tcp(&address, LIMIT).await, Ok(()));
        let (_held, address) = closed();
        let why = tcp(&address.to_string(), LIMIT).await.unwrap_err();
        assert!(why.contains("cannot be reached"), "{why}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready");
        let why = file(&path, LIMIT).await.unwrap_err();
        assert!(why.ends_with("ready is not there."), "{why}");
        fs::write(&path, "").unwrap();
        assert_eq!(file(&path, LIMIT).await, Ok(()));
        let why = file(&path.join("below"), LIMIT).await.unwrap_err();
        assert!(why.contains("ready/below"), "{why}");
    }

    #[test]
    fn an_address_of_a_port_is_read_or_refused() {
        let good = [
            ("db:5432", ("db", 5432)),
            ("127.0.0.1:80", ("127.0.0.1", 80)),
            ("[::1]:80", ("::1", 80)),
        ];
        for (text, read) in good {
            assert_eq!(host_and_port(text), Ok(read));
        }
        for bad in [
            "db",
            "db:",
            ":80",
            "db:0",
            "db:65536",
            "::1:80",
            "[::1:80",
            "a b:1",
            "http://a:1",
        ] {
            assert!(
                host_and_port(bad).unwrap_err().contains("write host:port"),
                "{bad}"
            );
        }
    }

    #[tokio::test]
    async fn a_page_answers_as_it_is_waited_for_or_not() {
        let server = Server::start(|asked: &Asked| match asked.path() {
            "/there" => Told::text(200, ""),
            "/moved" => Told::with(302, "Location", "/there"),
            "/lost" => Told::with(302, "Location", "/none"),
            "/same" => Told::text(304, ""),
            _ => Told::text(404, ""),
        })
        .await;
        let web = Web::default();
        let look = async |path: &str, status| url(&web, &server.url(path), status, LIMIT).await;
        for (path, status) in [
            ("/there", None),
            ("/there", Some(200)),
            ("/moved", None),
            ("/moved", Some(302)),
            ("/same", None),
            ("/none", Some(404)),
        ] {
            assert_eq!(look(path, status).await, Ok(()), "{path} {status:?}");
        }
        for (path, status, says) in [
            ("/none", None, "answered with 404 instead of 200–299."),
            ("/lost", None, "answered with 404"),
            ("/there", Some(503), "answered with 200 instead of 503."),
        ] {
            let why = look(path, status).await.unwrap_err();
            assert!(why.contains(says), "{path}: {why}");
        }
        let (_held, address) = closed();
        let nowhere = Url::parse(&format!("http://{address}/there")).unwrap();
        let why = url(&web, &nowhere, None, LIMIT).await.unwrap_err();
        assert!(
            why.ends_with("refuses the connection: nothing listens there."),
            "{why}"
        );
    }
}
