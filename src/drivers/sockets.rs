//! Whether a port takes connections, and which addresses a name has.

use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Connects to a port and hangs up; returns how long that took.
///
/// # Errors
/// A sentence that says why it cannot be reached.
pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<Duration, String> {
    let begun = Instant::now();
    match timeout(limit, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(begun.elapsed()),
        Ok(Err(error)) => Err(format!("{host}:{port} cannot be reached: {error}")),
        Err(_) => Err(format!("{host}:{port} does not answer")),
    }
}

/// The addresses of a name, each once, and how long it took to find them.
///
/// # Errors
/// A sentence that says why there are none.
pub async fn resolve(name: &str, limit: Duration) -> Result<(Vec<IpAddr>, Duration), String> {
    let begun = Instant::now();
    let mut found: Vec<IpAddr> = match timeout(limit, lookup_host((name, 0))).await {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        Ok(Err(error)) => return Err(format!("{name} has no address: {error}")),
        Err(_) => return Err(format!("no name server answers for {name}")),
    };
    found.sort_unstable();
    found.dedup();
    Ok((found, begun.elapsed()))
}
