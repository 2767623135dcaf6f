//! The section `http`: the port that pushes come to. Without it the bot listens nowhere.

use std::net::SocketAddr;

use super::fault::Report;
use super::map::Map;

/// What is open to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Where connections are taken; `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

pub(super) fn read(root: &mut Map<'_>, report: &mut Report) -> Http {
    if root.optional("http").is_none() {
        return Http::default();
    }
    let Some(mut map) = root.section("http", report) else {
        return Http::default();
    };
    let node = map.optional("listen");
    let listen = node.and_then(|node| {
        let written = super::read::text(node, "http.listen", report)?;
        let address = written.parse().ok();
        let address = address.filter(|address: &SocketAddr| address.port() != 0);
        match address {
            None => report.fault(
                &node.at,
                format!(
                    "`http.listen` is `{written}`; write an address of this machine and a port, such as 127.0.0.1:8790"
                ),
            ),
            Some(address) if address.ip().is_unspecified() => report.warn(
                &node.at,
                "`http.listen` is open to every network of this machine, without TLS; write 127.0.0.1 behind a reverse proxy, or the address of a VPN",
            ),
            Some(_) => {}
        }
        address
    });
    map.finish(report);
    Http { listen }
}
