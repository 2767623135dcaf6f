//! Whether a port takes connections, and which addresses a name has.

use super::missed::Missed;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Connects to a port and hangs up; returns how long that took.
///
/// # Errors
/// Why it cannot be reached.
pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<Duration, Missed> {
    let begun = Instant::now();
    match timeout(limit, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(begun.elapsed()),
        Ok(Err(error)) => {
            let words = format!("{host}:{port} cannot be reached: {error}");
            Err(Missed::of(&error, words))
        }
        Err(_) => Err(Missed::on_the_way(format!("{host}:{port} does not answer"))),
    }
}

/// The addresses of a name, each once, and how long it took to find them.
///
/// # Errors
/// Why there are none.
pub async fn resolve(name: &str, limit: Duration) -> Result<(Vec<IpAddr>, Duration), Missed> {
    let begun = Instant::now();
    let mut found: Vec<IpAddr> = match timeout(limit, lookup_host((name, 0))).await {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        // A name that does not exist and a name server that is away sound the same here.
        Ok(Err(error)) => {
            return Err(Missed::on_the_way(format!(
                "{name} has no address: {error}"
            )));
        }
        Err(_) => {
            return Err(Missed::on_the_way(format!(
                "no name server answers for {name}"
            )));
        }
    };
    found.sort_unstable();
    found.dedup();
    Ok((found, begun.elapsed()))
}
