//! The configuration as a whole: what loads, what does not, and what is said then.

mod arguments;
mod at_github;
mod changes;
mod checks;
mod documents;
mod faults;
mod good;
mod kinds;
mod pushes;
mod token;
mod workflows;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Env, Faults, Loaded, load};

/// A folder with a configuration and a program to name in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.program("run.sh", 0o755);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn program(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.write(name, "#!/bin/sh\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn load_with(&self, yaml: &str, env: &[(&str, &str)]) -> Result<Loaded, Faults> {
        let file = self.write("c.yaml", yaml);
        load(&file, &env.iter().copied().collect::<Env>())
    }

    fn load(&self, yaml: &str) -> Result<Loaded, Faults> {
        self.load_with(yaml, &[("PATH", "/usr/bin:/bin")])
    }

    fn good(&self, yaml: &str) -> Loaded {
        self.load(yaml).unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// The faults as `line:column message` lines, this folder written as `HOME`.
    fn bad(&self, yaml: &str) -> Vec<String> {
        let Err(faults) = self.load(yaml) else {
            panic!("this loads:\n{yaml}");
        };
        self.lines(&faults)
    }

    fn lines(&self, faults: &Faults) -> Vec<String> {
        let home = self.path().display().to_string();
        faults
            .iter()
            .map(|fault| match &fault.variable {
                Some(name) => format!("{name} {}", fault.message),
                None => format!("{}:{} {}", fault.line, fault.column, fault.message),
            })
            .map(|line| line.replace(&home, "HOME"))
            .collect()
    }
}

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
