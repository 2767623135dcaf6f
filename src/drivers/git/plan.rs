//! What git is told, as values: which addresses and names are good, and the arguments of each call.

use std::path::{Path, PathBuf};
use url::{Host, Url};

/// Where the helper finds the token.
pub(super) const TOKEN_VARIABLE: &str = "OPSGRAM_GIT_TOKEN";
/// Answers git's question for name and password. A constant: nothing is put into it.
const HELPER: &str = "!f() { test \"$1\" = get || exit 0; echo username=x-access-token; printf 'password=%s\\n' \"$OPSGRAM_GIT_TOKEN\"; }; f";
/// What git calls a history without an end.
const ALL: u32 = i32::MAX as u32;
/// The longest address and the longest name of a branch, in bytes.
const LONGEST: (usize, usize) = (2000, 200);
/// Set for every call, against what the repository's own configuration may say.
const ALWAYS: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
];
/// Variables of git that the caller may set.
const CERTIFICATES: [&str; 2] = ["GIT_SSL_CAINFO", "GIT_SSL_CAPATH"];

/// What a folder is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The repository: `https://`, `ssh://`, `git://`, or `user@host:path`.
    pub url: String,
    /// The branch, else the tag of this name; the repository's own choice when there is none.
    pub branch: Option<String>,
    /// How many commits are fetched; all when there is none.
    pub depth: Option<u32>,
    /// The folder, absolute.
    pub dir: PathBuf,
    /// Whether an absolute path, `file://`, and `http://` to this machine are good, too.
    pub local: bool,
}

/// What is known of a good address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Whether a token can be given.
    pub(super) takes_token: bool,
    /// The server that gets the token, as git compares it: no other gets it, wherever this one points to.
    server: String,
    /// The ways that git may go, as `GIT_ALLOW_PROTOCOL` has them.
    protocols: &'static str,
}

/// Looks at what is wanted before anything runs.
///
/// # Errors
/// A sentence that names what is wrong, and what would be right.
pub fn check(wanted: &Wanted) -> Result<Remote, String> {
    if wanted.depth == Some(0) {
        return Err("A depth of 0 fetches nothing; write 1 or more, or leave it out.".to_owned());
    }
    if let Some(branch) = &wanted.branch {
        check_name(branch)?;
    }
    remote(&wanted.url, wanted.local)
}

fn remote(url: &str, local: bool) -> Result<Remote, String> {
    let wrong = || {
        format!(
            "`{}` is no address of a repository; write https://host/path, ssh://user@host/path, git://host/path, or user@host:path.",
            shown(url)
        )
    };
    // Git and the reader of addresses take a backslash for different things.
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if url.is_empty() || url.starts_with('-') || url.len() > LONGEST.0 || url.contains(odd) {
        return Err(wrong());
    }
    let protocols = if local {
        "https:ssh:git:file:http"
    } else {
        "https:ssh:git"
    };
    let known = |takes_token: bool, server: String| Remote {
        takes_token,
        server,
        protocols,
    };
    if local && url.starts_with('/') {
        return Ok(known(false, String::new()));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        // A colon twice names a helper program, such as `ext::`.
        let parts = url
            .split_once(':')
            .filter(|(_, path)| !path.starts_with([':', '-']));
        let (place, path) = parts.ok_or_else(wrong)?;
        let (user, host) = place.split_once('@').ok_or_else(wrong)?;
        let is_good = is_word(user) && is_word(host) && !path.is_empty();
        return if is_good {
            Ok(known(false, String::new()))
        } else {
            Err(wrong())
        };
    };
    let parsed = Url::parse(url).map_err(|_| wrong())?;
    if parsed.password().is_some() {
        return Err(format!(
            "`{}` holds a password; leave it out, and name the variable that holds it as `token`.",
            shown(url)
        ));
    }
    let here = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let host = parsed.host_str().unwrap_or_default();
    let names_server =
        !rest.starts_with('/') && !host.is_empty() && !host.starts_with('-') && !host.contains('%');
    let user_is_good = parsed.username().is_empty() || is_word(parsed.username());
    let server = match parsed.port() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    match scheme {
        "https" if names_server && user_is_good => Ok(known(true, server)),
        "http" if local && here && names_server && user_is_good => Ok(known(true, server)),
        "ssh" | "git" if names_server && user_is_good => Ok(known(false, server)),
        "file" if local => Ok(known(false, String::new())),
        _ => Err(wrong()),
    }
}

/// An address as it may be shown: without name and password.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let server = rest.split('/').next().unwrap_or_default();
    match server.rsplit_once('@') {
        Some((secret, _)) => format!("{scheme}://…{}", &rest[secret.len()..]),
        None => url.to_owned(),
    }
}

/// Letters, digits, `.`, `_` and `-`, the first no `-`.
fn is_word(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_letter)
}

/// By the rules of `git check-ref-format`.
fn check_name(name: &str) -> Result<(), String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
    let parts_are_good = name.split('/').all(|part| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with(".lock")
            && !part.ends_with('.')
    });
    let is_good = parts_are_good
        && !name.starts_with('-')
        && !name.contains(odd)
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && name.len() <= LONGEST.1;
    match is_good {
        true => Ok(()),
        false => Err(format!(
            "`{name}` is no name of a branch or tag; write it as git shows it, such as main or v1.2."
        )),
    }
}

/// A folder and its repository.
pub(super) struct Place {
    dir: PathBuf,
    /// Given to every call, so that no repository around it is taken instead.
    pub(super) git_dir: PathBuf,
}

impl Place {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            git_dir: dir.join(".git"),
        }
    }
}

/// A call of git: its arguments after those that every call has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task(Vec<String>);

impl Task {
    fn of(place: &Place, words: &[&str]) -> Self {
        let mut all = vec![
            format!("--git-dir={}", place.git_dir.display()),
            format!("--work-tree={}", place.dir.display()),
        ];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        Self(all)
    }

    /// Program and arguments.
    pub(super) fn argv(&self, remote: &Remote, with_token: bool) -> Vec<String> {
        let mut argv = vec!["git".to_owned()];
        let mut set = |setting: String| argv.extend(["-c".to_owned(), setting]);
        for setting in ALWAYS {
            set(setting.to_owned());
        }
        if with_token {
            set(format!("credential.{}.helper={HELPER}", remote.server));
        }
        argv.extend(self.0.iter().cloned());
        argv
    }
}

/// The caller's variables, and those that keep git from asking, from surprises of the machine, and on its ways.
pub(super) fn environment(given: &[(String, String)], remote: &Remote) -> Vec<(String, String)> {
    let passes = |name: &str| !name.starts_with("GIT_") || CERTIFICATES.contains(&name);
    let given = given.iter().filter(|(name, _)| passes(name)).cloned();
    let ours = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", ""),
        ("SSH_ASKPASS_REQUIRE", "never"),
        ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        ("GIT_ALLOW_PROTOCOL", remote.protocols),
        ("LC_ALL", "C"),
    ];
    given
        .chain(ours.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect()
}

/// Makes an empty repository that knows the address.
pub(super) fn beginning(place: &Place, url: &str) -> [Task; 2] {
    let dir = place.dir.display().to_string();
    [
        Task(
            ["init", "--quiet", "--template=", "--", &dir]
                .map(str::to_owned)
                .to_vec(),
        ),
        Task::of(place, &["remote", "add", "--", "origin", url]),
    ]
}

/// Asks a folder whose repository it is.
pub(super) fn whose(place: &Place) -> Task {
    Task::of(place, &["config", "--local", "--get", "remote.origin.url"])
}

/// Asks the server what there is by that name.
pub(super) fn look(place: &Place, wanted: &Wanted) -> Task {
    let mut words = vec!["ls-remote", "--symref", "--", &wanted.url, "HEAD"];
    let names = wanted.branch.as_ref().map(|name| [branch(name), tag(name)]);
    words.extend(names.iter().flatten().map(String::as_str));
    Task::of(place, &words)
}

fn branch(name: &str) -> String {
    format!("refs/heads/{name}")
}

fn tag(name: &str) -> String {
    format!("refs/tags/{name}")
}

/// What the server has by the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Branch(String),
    Tag(String),
    /// Its head is a commit of no branch.
    Head,
}

impl Target {
    /// Reads what [`look`] was answered.
    pub(super) fn read(listed: &str, wanted: &Wanted) -> Result<Self, String> {
        let lines: Vec<(&str, &str)> = listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .collect();
        let has = |name: &str| lines.iter().any(|(_, listed)| *listed == name);
        let url = shown(&wanted.url);
        if let Some(name) = &wanted.branch {
            return if has(&branch(name)) {
                Ok(Target::Branch(name.clone()))
            } else if has(&tag(name)) {
                Ok(Target::Tag(name.clone()))
            } else {
                Err(format!("{url} has no branch or tag `{name}`."))
            };
        }
        let head = lines.iter().find(|(_, listed)| *listed == "HEAD");
        let Some((first, _)) = head else {
            return Err(format!(
                "{url} has no commits to take; name a branch, or push one."
            ));
        };
        match first.strip_prefix("ref: refs/heads/") {
            Some(name) => {
                check_name(name)?;
                Ok(Target::Branch(name.to_owned()))
            }
            None => Ok(Target::Head),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Target::Branch(name) | Target::Tag(name) => Some(name),
            Target::Head => None,
        }
    }
}

/// Fetches the target and puts it into the folder. `shallow` says whether that has a part of the history only.
pub(super) fn taking(place: &Place, wanted: &Wanted, target: &Target, shallow: bool) -> [Task; 3] {
    let (from, to) = match target {
        Target::Branch(name) => (branch(name), format!("refs/remotes/origin/{name}")),
        Target::Tag(name) => (tag(name), tag(name)),
        Target::Head => ("HEAD".to_owned(), "refs/opsgram/head".to_owned()),
    };
    // Without a depth, a folder that once was fetched with one gets the rest.
    let depth = wanted.depth.or(shallow.then_some(ALL));
    let depth = depth.map(|depth| format!("--depth={depth}"));
    let refs = format!("+{from}:{to}");
    let mut fetch = vec!["fetch", "--progress", "--force", "--no-recurse-submodules"];
    fetch.extend(depth.as_deref());
    fetch.extend(["--", "origin", &refs]);
    let mut checkout = vec!["checkout", "--quiet", "--force", "--no-recurse-submodules"];
    match target {
        Target::Branch(name) => checkout.extend(["--track", "-B", name, &to]),
        Target::Tag(_) | Target::Head => checkout.extend(["--detach", &to]),
    }
    [
        Task::of(place, &fetch),
        Task::of(place, &checkout),
        Task::of(
            place,
            &[
                "reset",
                "--quiet",
                "--hard",
                "--no-recurse-submodules",
                "HEAD",
            ],
        ),
    ]
}

/// Asks which commit the folder is at.
pub(super) fn commit(place: &Place) -> Task {
    Task::of(place, &["rev-parse", "HEAD"])
}

#[cfg(test)]
mod tests;
