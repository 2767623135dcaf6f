//! What the sandbox runs when nobody names a configuration: the sample and its scripts, inside the program.

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The sample configuration, as it is in the repository.
const CONFIG: &str = include_str!("../../../config/sandbox.yaml");

macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../scripts/examples/", $name)))),*]
    };
}

/// The sample scripts.
const SCRIPTS: &[(&str, &str)] = scripts![
    "deploy.sh",
    "fails.sh",
    "hangs.sh",
    "health-check.sh",
    "hello.sh",
    "list-services.sh",
    "long-log.sh",
    "progress.sh",
    "report.sh",
    "restart.sh",
    "stream.sh",
];

/// Writes the sample configuration and its scripts, so that the program alone is enough to try it.
pub(super) fn unpack(folder: &Path) -> Result<PathBuf> {
    let scripts = folder.join("scripts/examples");
    fs::create_dir_all(&scripts).context("making the folder of the sample scripts")?;
    for (name, text) in SCRIPTS {
        let path = scripts.join(name);
        fs::write(&path, text).context("writing a sample script")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .context("making a sample script executable")?;
    }
    let file = folder.join("config/sandbox.yaml");
    fs::create_dir_all(folder.join("config")).context("making the folder of the sample")?;
    fs::write(&file, CONFIG).context("writing the sample configuration")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_script_is_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/examples");
        let mut there: Vec<_> = fs::read_dir(folder)
            .expect("the folder of the samples")
            .map(|entry| entry.expect("a sample").file_name())
            .collect();
        there.sort();
        let known: Vec<_> = SCRIPTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(known, there);
    }
}
