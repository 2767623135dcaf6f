//! The sample configuration, and what `init` puts into it.

use super::owner::Owner;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The sample, as it is in the repository.
const SAMPLE: &str = include_str!("../../../config/opsgram.yaml");
/// The scripts that it names.
const SCRIPTS: [(&str, &str); 2] = [
    (
        "hello.sh",
        include_str!("../../../scripts/examples/hello.sh"),
    ),
    (
        "health-check.sh",
        include_str!("../../../scripts/examples/health-check.sh"),
    ),
];
/// The lines of the sample that an installation sets for its machine.
const PLACES: [&str; 3] = ["database: ", "data_dir: ", "  token_file: "];

/// What is put into the sample.
pub(super) struct Values<'a> {
    pub(super) owner: &'a Owner,
    pub(super) token_file: &'a Path,
    pub(super) data_dir: Option<&'a Path>,
    pub(super) proxy: Option<&'a str>,
    pub(super) api_url: Option<&'a str>,
}

/// The sample with these values.
pub(super) fn filled(values: &Values<'_>) -> Result<String> {
    let owner = format!(
        "access:\n  users:\n    - {{id: {}, name: {}, role: owner}}\n",
        values.owner.id.0,
        quoted(&shown(&values.owner.name, values.owner.id.0)),
    );
    let example = between(SAMPLE, "#access:\n", "\njobs:\n")?;
    let mut text = SAMPLE.replace(example, &owner);
    let head = between(SAMPLE, "# Opsgram's configuration.", "#\n# `opsgram check")?;
    text = text.replace(
        head,
        "# Opsgram's configuration, written by `opsgram init`.\n",
    );
    let token_file = path(values.token_file)?;
    set(&mut text, "  token_file: ", &token_file)?;
    if let Some(folder) = values.data_dir {
        let folder = std::path::absolute(folder).context("finding the data folder")?;
        set(&mut text, "data_dir: ", &path(&folder)?)?;
        let database = format!("sqlite://{}", folder.join("opsgram.db").display());
        set(&mut text, "database: ", &quoted(&database))?;
    }
    if let Some(proxy) = values.proxy {
        set(&mut text, "  proxy: ", &quoted(proxy))?;
    }
    if let Some(url) = values.api_url {
        set(&mut text, "  api_url: ", &quoted(url))?;
    }
    Ok(text)
}

/// Where the sample's scripts go when the configuration is in this folder.
pub(super) fn scripts(dir: &Path) -> impl Iterator<Item = (PathBuf, &'static str)> {
    // As the configuration finds relative paths.
    let base = match (dir.file_name(), dir.parent()) {
        (Some(name), Some(parent)) if name == "config" => parent,
        _ => dir,
    };
    let folder = base.join("scripts/examples");
    SCRIPTS
        .map(|(name, text)| (folder.join(name), text))
        .into_iter()
}

/// Whether a file is the sample as an installation leaves it, which may be replaced without asking.
pub(super) fn is_untouched(file: &Path) -> bool {
    let plain = |text: &str| -> Vec<String> {
        let lines = text.lines();
        let own = lines.filter(|line| !PLACES.iter().any(|place| line.starts_with(place)));
        own.map(str::to_owned).collect()
    };
    std::fs::read_to_string(file).is_ok_and(|text| plain(&text) == plain(SAMPLE))
}

/// A name that the configuration takes.
fn shown(name: &str, id: i64) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    match clean.trim() {
        "" => id.to_string(),
        clean => clean.to_owned(),
    }
}

/// A text as YAML: JSON's strings are a part of it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn path(path: &Path) -> Result<String> {
    let text = path.to_str();
    text.map(quoted)
        .with_context(|| format!("the folder {} has a name that is not UTF-8", path.display()))
}

/// Replaces the value of a line.
fn set(text: &mut String, key: &str, value: &str) -> Result<()> {
    let start = text
        .find(&format!("\n{key}"))
        .with_context(|| format!("the sample has no {key}"))?
        + 1
        + key.len();
    let end = text[start..].find('\n').map_or(text.len(), |n| start + n);
    text.replace_range(start..end, value);
    Ok(())
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Result<&'a str> {
    let start = text.find(from).context("the sample changed its form")?;
    let length = text[start..]
        .find(to)
        .context("the sample changed its form")?;
    Ok(&text[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::UserId;
    use crate::base::role::Role;
    use crate::config::{self, Database, Env};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn loaded(name: &str, data: Option<&Path>) -> (String, config::Loaded, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("telegram-token");
        fs::write(&token, format!("123456:{}", "a".repeat(30))).unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        for (path, script) in scripts(dir.path()) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let owner = Owner {
            id: UserId(4711),
            name: name.to_owned(),
        };
        let text = filled(&Values {
            owner: &owner,
            token_file: &token,
            data_dir: data,
            proxy: Some("socks5://127.0.0.1:9050"),
            api_url: None,
        })
        .unwrap();
        let file = dir.path().join("opsgram.yaml");
        fs::write(&file, &text).unwrap();
        let loaded = config::load(&file, &Env::default()).unwrap_or_else(|f| panic!("{f}\n{text}"));
        (text, loaded, dir)
    }

    #[test]
    fn what_is_written_loads_whatever_the_owner_is_called() {
        for name in [
            "Ann",
            "O\"Neil: {x} # y",
            "日本 🦀",
            "\u{7}",
            "",
            "- a",
            "null",
        ] {
            let (text, loaded, _dir) = loaded(name, None);
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
            let users = &loaded.config.access.users;
            assert_eq!(users.len(), 1);
            assert_eq!((users[0].id, users[0].role), (UserId(4711), Role::Owner));
            assert!(loaded.config.telegram.token.is_some());
            assert!(loaded.config.telegram.proxy.is_some());
            assert!(text.contains("# Who may use the bot"), "comments stay");
            assert!(text.starts_with("# Opsgram's configuration, written by"));
        }
    }

    #[test]
    fn state_goes_where_it_was_asked_for() {
        let (_, loaded, _dir) = loaded("Ann", Some(Path::new("/var/lib/opsgram")));
        assert_eq!(loaded.config.data_dir, Path::new("/var/lib/opsgram"));
        let Database::Sqlite { path } = loaded.config.database else {
            panic!("no file");
        };
        assert_eq!(path, Path::new("/var/lib/opsgram/opsgram.db"));
    }

    #[test]
    fn only_the_sample_itself_counts_as_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("opsgram.yaml");
        fs::write(&file, SAMPLE).unwrap();
        assert!(is_untouched(&file));
        fs::write(&file, SAMPLE.replace("data_dir: data", "data_dir: /srv")).unwrap();
        assert!(is_untouched(&file));
        fs::write(&file, SAMPLE.replace("workers: 4", "workers: 5")).unwrap();
        assert!(!is_untouched(&file));
    }
}
