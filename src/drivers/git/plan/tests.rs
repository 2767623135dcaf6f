//! Which addresses and names are good, and that nothing of them becomes an option.

use super::*;
use proptest::prelude::{prop_assert, proptest};

fn wanted(url: &str, branch: Option<&str>) -> Wanted {
    Wanted {
        url: url.to_owned(),
        branch: branch.map(str::to_owned),
        depth: None,
        dir: PathBuf::from("/work/repo"),
        local: false,
    }
}

#[test]
fn addresses_are_of_a_short_list() {
    for (url, takes_token) in [
        ("https://example.org/a/b.git", true),
        ("https://ann@example.org:8443/b", true),
        ("ssh://git@example.org:22/~ann/b", false),
        ("git://example.org/b", false),
        ("git@example.org:a/b.git", false),
    ] {
        let remote = check(&wanted(url, None)).unwrap();
        assert_eq!(remote.takes_token, takes_token, "{url}");
    }
    for url in [
        "",
        "--upload-pack=touch /tmp/x",
        "-u",
        "http://example.org/b",
        "file:///srv/b",
        "/srv/b",
        "../b",
        "b",
        "example.org:b",
        "ext::sh -c x",
        "git@ext::x",
        "ext::sh",
        "git@-oProxyCommand=x:b",
        "-oProxyCommand=x@host:b",
        "git@host:-b",
        "git@host:",
        "ssh://-oProxyCommand=x/b",
        "ssh://-o@host/b",
        "ssh://%2doProxyCommand=x/b",
        "https:///b",
        "https://example.org\\@example.net/b",
        "ftp://example.org/b",
        "https://example.org/a b",
        "https://example.org/a\nb",
    ] {
        let why = check(&wanted(url, None)).unwrap_err();
        assert!(
            why.contains("is no address of a repository; write https://"),
            "{url}: {why}"
        );
    }
    let why = check(&wanted("https://ann:hunter2@example.org/b", None)).unwrap_err();
    assert!(
        why.contains("https://…@example.org/b") && why.contains("`token`"),
        "{why}"
    );
    assert!(!why.contains("hunter2"), "{why}");
    for (url, good) in [
        ("/srv/b", true),
        ("file:///srv/b", true),
        ("http://127.0.0.1:80/b", true),
        ("http://[::1]/b", true),
        ("http://localhost/b", true),
        ("http://example.org/b", false),
        ("ext::sh", false),
        ("b", false),
    ] {
        let local = Wanted {
            local: true,
            ..wanted(url, None)
        };
        assert_eq!(check(&local).is_ok(), good, "{url}");
    }
}

#[test]
fn names_are_those_of_branches() {
    for name in ["main", "feature/x-1", "v1.2", "ünï", "a@b", "#7"] {
        assert!(check(&wanted("git@h:b", Some(name))).is_ok(), "{name}");
    }
    for name in [
        "",
        "-b",
        "--upload-pack=x",
        "a b",
        "a..b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.",
        "@",
        "a@{1}",
        "a\nb",
    ] {
        let why = check(&wanted("git@h:b", Some(name))).unwrap_err();
        assert!(
            why.contains("is no name of a branch or tag"),
            "{name}: {why}"
        );
    }
    let zero = Wanted {
        depth: Some(0),
        ..wanted("git@h:b", None)
    };
    assert!(check(&zero).unwrap_err().contains("A depth of 0"));
}

#[test]
fn the_calls_are_these() {
    let place = Place::new(Path::new("/work/repo"));
    let words = |task: &Task| task.0[2..].join(" ");
    let mut wanted = wanted("https://example.org/b", Some("v1"));
    let [init, add] = beginning(&place, &wanted.url);
    assert_eq!(init.0.join(" "), "init --quiet --template= -- /work/repo");
    assert_eq!(words(&add), "remote add -- origin https://example.org/b");
    let told = look(&place, &wanted);
    assert_eq!(
        told.0[..2],
        ["--git-dir=/work/repo/.git", "--work-tree=/work/repo"]
    );
    assert_eq!(
        words(&told),
        "ls-remote --symref -- https://example.org/b HEAD refs/heads/v1 refs/tags/v1"
    );
    let listed = "a\tHEAD\nb\trefs/tags/v1\nc\trefs/tags/v1^{}\nd\trefs/heads/x/refs/heads/v1\n";
    let target = Target::read(listed, &wanted).unwrap();
    assert_eq!(target, Target::Tag("v1".to_owned()));
    let calls = |wanted: &Wanted, target: &Target, shallow| {
        taking(&place, wanted, target, shallow).map(|task| words(&task))
    };
    let with = "--quiet --force --no-recurse-submodules";
    let fetch = "fetch --progress --force --no-recurse-submodules";
    let reset = "reset --quiet --hard --no-recurse-submodules HEAD".to_owned();
    assert_eq!(
        calls(&wanted, &target, true),
        [
            format!("{fetch} --depth=2147483647 -- origin +refs/tags/v1:refs/tags/v1"),
            format!("checkout {with} --detach refs/tags/v1"),
            reset.clone(),
        ]
    );
    wanted.branch = None;
    wanted.depth = Some(3);
    let target = Target::read("ref: refs/heads/main\tHEAD\na\tHEAD\n", &wanted).unwrap();
    assert_eq!(
        calls(&wanted, &target, false),
        [
            format!("{fetch} --depth=3 -- origin +refs/heads/main:refs/remotes/origin/main"),
            format!("checkout {with} --track -B main refs/remotes/origin/main"),
            reset,
        ]
    );
    // A server may answer anything.
    assert!(Target::read("ref: refs/heads/--x\tHEAD\n", &wanted).is_err());
    assert!(Target::read("", &wanted).is_err());
}

#[test]
fn the_token_goes_by_a_helper_for_its_server() {
    let remote = check(&wanted("https://ann@Example.org:8443/b", None)).unwrap();
    let task = commit(&Place::new(Path::new("/work/repo")));
    let argv = task.argv(&remote, true).join(" ");
    assert!(argv.contains("-c credential.helper= "), "{argv}");
    assert!(
        argv.contains("-c credential.https://example.org:8443.helper=!f() { "),
        "{argv}"
    );
    assert!(
        argv.ends_with("--work-tree=/work/repo rev-parse HEAD"),
        "{argv}"
    );
    assert!(!task.argv(&remote, false).join(" ").contains("https:"));
    let given = [
        ("GIT_SSL_CAINFO", "/ca"),
        ("GIT_SSH_COMMAND", "sh"),
        ("HOME", "/h"),
    ];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = environment(&given, &remote);
    let value = |wanted: &str| {
        let mut named = env.iter().filter(|(name, _)| name == wanted);
        let value = named.next().unwrap().1.clone();
        assert!(named.next().is_none(), "{wanted} is there twice");
        value
    };
    assert_eq!(value("GIT_SSL_CAINFO"), "/ca");
    assert_eq!(value("GIT_SSH_COMMAND"), "ssh -o BatchMode=yes");
    assert_eq!(value("GIT_ALLOW_PROTOCOL"), "https:ssh:git");
    assert_eq!(value("GIT_TERMINAL_PROMPT"), "0");
    assert_eq!(value("HOME"), "/h");
}

proptest! {
    #[test]
    fn nothing_that_is_taken_becomes_an_option(url in "[-a-z@:/.%= ]{0,20}", name in "[-a-z/.@{ ]{0,8}") {
        for local in [false, true] {
            let wanted = Wanted { local, ..wanted(&url, Some(&name)) };
            // A path is no option, whatever is in it.
            if check(&wanted).is_ok() && !url.starts_with('/') && !url.starts_with("file:") {
                prop_assert!(!url.starts_with('-') && !url.contains(' '));
                prop_assert!(!url.contains("://-") && !url.starts_with("ext:"));
                prop_assert!(!name.starts_with('-') && !name.is_empty());
            }
        }
    }
}
