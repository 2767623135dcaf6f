//! What the project's own files promise: the documents are true, the scripts run, nothing private is in the repository.

use crate::source::{files, read, root, words};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files that git knows, or would take.
fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("this test needs git; on Debian: apt-get install git");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "this test needs the git repository: {told}"
    );
    let listed = String::from_utf8_lossy(&output.stdout);
    let files: Vec<_> = listed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .collect();
    assert!(files.len() > 50, "git lists only {} files", files.len());
    files
        .into_iter()
        .filter(|file| root().join(file).is_file())
        .collect()
}

/// The scripts that people and CI start.
fn scripts() -> Vec<PathBuf> {
    let mut scripts = files("scripts", ".sh");
    scripts.push(PathBuf::from(".ci/run"));
    scripts
}

#[test]
fn the_two_commands_of_the_readme_exist() {
    let readme = read("README.md");
    for command in ["scripts/sandbox.sh --say \"/run hello\"", "scripts/test.sh"] {
        assert!(
            readme.lines().any(|line| line.trim() == command),
            "README.md does not show {command}"
        );
        let script = command.split(' ').next().unwrap_or_default();
        assert!(root().join(script).is_file(), "{script} does not exist");
    }
}

#[test]
fn ci_runs_the_test_script_and_nothing_else() {
    let run = read(".ci/run");
    let does: Vec<_> = run
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .collect();
    assert!(
        matches!(does[..], ["set -euo pipefail", exec] if exec.ends_with("scripts/test.sh\"")),
        "{does:?}"
    );
}

#[test]
fn every_script_runs() {
    for script in scripts() {
        let name = script.display();
        let mode = root()
            .join(&script)
            .metadata()
            .expect("it was just listed")
            .permissions()
            .mode();
        assert!(
            mode & 0o111 == 0o111,
            "{name} is not executable; run chmod +x {name}"
        );
        let text = read(&script);
        assert!(
            text.starts_with("#!/usr/bin/env bash\n"),
            "{name} does not begin with #!/usr/bin/env bash"
        );
        assert!(
            text.lines().any(|line| line == "set -euo pipefail"),
            "{name} goes on after an error"
        );
        let checked = Command::new("bash")
            .arg("-n")
            .arg(root().join(&script))
            .output()
            .expect("bash runs");
        assert!(
            checked.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let commands = read("src/chat/commands/mod.rs");
    let readme = read("README.md");
    let words = words(&commands);
    let names: Vec<_> = words
        .windows(3)
        .filter(|w| w[0].text == "mod" && w[2].text == ";")
        .map(|w| w[1].text)
        .collect();
    assert!(
        names.len() > 8,
        "src/chat/commands/mod.rs lists only {names:?}"
    );
    for name in names {
        assert!(
            readme.contains(&format!("| `/{name}")),
            "README.md has no line for /{name} in its table of commands"
        );
    }
}

#[test]
fn documents_link_to_what_exists() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        let text = read(document);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            let local = !link.is_empty() && !link.contains("://");
            assert!(
                !local || root().join(link).exists(),
                "{document} links to {link}"
            );
        }
    }
}

#[test]
fn nothing_is_left_undone_in_the_code() {
    for path in files("src", ".rs") {
        for (at, line) in read(&path).lines().enumerate() {
            for undone in [
                "todo!(",
                "unimplemented!(",
                "#[allow(",
                "#![allow(",
                "FIXME",
            ] {
                assert!(
                    !line.contains(undone),
                    "{}:{}: {undone}",
                    path.display(),
                    at + 1
                );
            }
        }
    }
}

#[test]
fn nothing_private_is_in_the_repository() {
    let here = format!("{}/", root().display());
    for path in tracked() {
        let bytes = std::fs::read(root().join(&path)).expect("a tracked file can be read");
        for (at, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let place = format!("{}:{}", path.display(), at + 1);
            assert!(
                !has_token(line),
                "{place}: this looks like a real bot token; revoke it at BotFather"
            );
            assert!(
                !has_machine_path(line, &here),
                "{place}: a path of one machine; write it relative, or as an example"
            );
            let key = line.contains(concat!("PRIVATE", " KEY-----"));
            assert!(!key, "{place}: a private key");
        }
    }
}

/// Whether a text holds something of the shape that BotFather gives: eight to ten digits, a colon, 35 letters.
fn has_token(line: &str) -> bool {
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
    line.match_indices(':').any(|(colon, _)| {
        let (before, after) = (&line.as_bytes()[..colon], &line.as_bytes()[colon + 1..]);
        let digits = before
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let letters = after.iter().take_while(|b| is_letter(b)).count();
        let varied = after[..letters]
            .iter()
            .collect::<std::collections::HashSet<_>>()
            .len()
            > 8;
        (8..=10).contains(&digits) && letters == 35 && varied
    })
}

/// Whether a text holds a path under a person's home, or under the folder where this project is checked out.
fn has_machine_path(line: &str, here: &str) -> bool {
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
    ];
    let checkout = (Path::new(here).components().count() > 2).then_some(here);
    homes.into_iter().chain(checkout).any(|path| {
        line.match_indices(path).any(|(at, _)| {
            // `x/root/` is the rest of another path.
            !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "._-".contains(c))
        })
    })
}

#[test]
fn tokens_and_machine_paths_are_recognised() {
    let secret = "AbCdEfGhIjKlMnOpQrStUvWxYz012345678";
    assert!(has_token(&format!("token: \"{}:{secret}\"", 1_234_567_890)));
    assert!(!has_token("123:TEST and 12:30:45"));
    assert!(!has_token(&format!("{}:{}", 1_234_567_890, "x".repeat(35))));
    assert!(has_machine_path(
        concat!("cd /ho", "me/ann/opsgram"),
        "/src/opsgram/"
    ));
    assert!(has_machine_path("see /src/opsgram/x", "/src/opsgram/"));
    assert!(!has_machine_path("see /src/x, a/root/b", "/src/"));
}
