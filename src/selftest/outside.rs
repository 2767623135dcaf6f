//! The parts outside: Docker's engine, the ssh program, and GitHub where a workflow uses it.

use super::{OWN_LIMIT, Part, part};
use crate::base::secret::SecretString;
use crate::base::time::Clock;
use crate::base::workflow::{Step, Work};
use crate::config::{Config, DOCKER_SOCKET, Env, Follows, Probe};
use crate::drivers::github::GitHub;
use crate::drivers::web::Web;
use crate::drivers::{docker, ssh};
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::path::Path;
use url::Url;

/// A look at each of them.
pub fn all<'a>(config: &'a Config, env: &'a Env, web: &'a Web) -> Vec<BoxFuture<'a, Part>> {
    let sockets = sockets(config);
    let is_needed = !sockets.is_empty();
    let mut looks = Vec::new();
    for socket in sockets {
        looks.push(part(
            "docker",
            "start the engine again",
            engine(socket, true),
        ));
    }
    if !is_needed {
        let socket = Path::new(DOCKER_SOCKET);
        looks.push(part(
            "docker",
            "start the engine again",
            engine(socket, false),
        ));
    }
    looks.push(part("ssh", "look at the program ssh", shell(config, env)));
    for (api, token) in hubs(config) {
        looks.push(part(
            "github",
            "see to the network, and to api_url",
            hub(api, token, env, web),
        ));
    }
    looks
}

/// The sockets of the engines that checks ask.
fn sockets(config: &Config) -> BTreeSet<&Path> {
    let mut sockets = BTreeSet::new();
    for check in config.checks.values() {
        if let Probe::Docker { socket, .. } = &check.probe {
            sockets.insert(socket.as_path());
        }
    }
    sockets
}

async fn engine(socket: &Path, is_needed: bool) -> Part {
    const PART: &str = "docker";
    let away = match docker::version(socket, OWN_LIMIT).await {
        Ok(version) => return Part::ok(PART, format!("the engine {version} answers")),
        Err(away) => away,
    };
    match (away.absent, is_needed) {
        (true, false) => Part::ok(PART, "there is no engine here, and no check asks for one"),
        (true, true) | (false, false) => Part::warn(PART, away.why, away.todo),
        (false, true) => Part::fail(PART, away.why, away.todo),
    }
}

async fn shell(config: &Config, env: &Env) -> Part {
    const PART: &str = "ssh";
    const NO_HOSTS: &str = "no hosts are configured";
    let path = env.get("PATH").unwrap_or_default().to_owned();
    let found = ssh::version(&[("PATH".to_owned(), path)], OWN_LIMIT).await;
    match found {
        Ok(Some(version)) => Part::ok(PART, format!("{version} is here; {NO_HOSTS}")),
        Ok(None) if steps(config).any(goes_by_ssh) => Part::warn(
            PART,
            "there is no program ssh, and a git step of a workflow needs it",
            "install it, for example by `sudo apt install openssh-client`",
        ),
        Ok(None) => Part::ok(PART, format!("there is no program ssh; {NO_HOSTS}")),
        Err(why) => Part::warn(PART, why, "try `ssh -V` on the server"),
    }
}

/// Whether a step fetches from an address that git reaches by ssh.
fn goes_by_ssh(step: &Step) -> bool {
    let Work::Git { url, .. } = &step.work else {
        return false;
    };
    let address = url.beginning();
    address.starts_with("ssh://") || (address.contains('@') && !address.contains("://"))
}

/// Where workflows ask GitHub, in steps and for what they follow, and the variable that holds the token.
fn hubs(config: &Config) -> BTreeSet<(&str, &str)> {
    let mut hubs = BTreeSet::new();
    for step in steps(config) {
        if let Work::Github { api, token, .. } = &step.work {
            hubs.insert((api.as_str(), token.as_str()));
        }
    }
    for schedule in &config.schedules {
        if let Some(Follows::GitHub(there)) = &schedule.follows {
            hubs.insert((there.api.as_str(), there.token.as_str()));
        }
    }
    hubs
}

async fn hub(api: &str, token: &str, env: &Env, web: &Web) -> Part {
    const PART: &str = "github";
    let Ok(url) = Url::parse(api) else {
        return Part::fail(PART, format!("{api} is no address"), "mend api_url");
    };
    let Some(secret) = env.get(token) else {
        return Part::fail(
            PART,
            format!("{token} is not in the bot's environment"),
            "set it to a token of GitHub, and start the bot again",
        );
    };
    let hub = GitHub::new(
        web.clone(),
        url,
        SecretString::from(secret.to_owned()),
        Clock::default(),
    );
    match hub.greet().await {
        Ok(()) => Part::ok(PART, format!("{api} knows the token in {token}")),
        Err(unknown) => Part::fail(
            PART,
            format!("{api}: {}", unknown.why.trim_end_matches('.')),
            format!("see to the network, to api_url, and to the token in {token}"),
        ),
    }
}

fn steps(config: &Config) -> impl Iterator<Item = &Step> {
    let flows = config
        .workflows()
        .filter_map(|script| script.steps.as_deref());
    flows.flat_map(|flow| flow.steps.iter().chain(&flow.always))
}
