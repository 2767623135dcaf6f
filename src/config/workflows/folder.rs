//! The files of `workflows_dir`: each the body of one workflow, named like the file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::fault::{At, Report};
use super::super::map::Map;
use super::super::read::{absolute, text};
use super::super::tree::{self, Node, Value};
use super::super::{decode, read_file};

/// The most files that are read; more is surely the wrong folder.
const MOST_FILES: usize = 1000;

/// A file as it was found: its path, and its content or why there is none.
pub(in super::super) struct Gathered {
    pub(in super::super) path: PathBuf,
    pub(in super::super) content: Result<Vec<u8>, String>,
}

/// The workflow of one file.
pub(in super::super) struct Beside {
    /// The name of the file without its ending.
    pub(super) name: String,
    pub(super) node: Node,
}

/// The folder that the file names, absolute, and where it says so.
pub(in super::super) fn folder(
    root: &mut Map<'_>,
    base: &Path,
    report: &mut Report,
) -> Option<(PathBuf, At)> {
    let node = root.optional("workflows_dir")?;
    let written = text(node, "workflows_dir", report)?;
    Some((absolute(base, written), node.at.clone()))
}

/// What the folder holds, in the order of the names.
///
/// # Errors
/// Why the folder cannot be read.
pub(in super::super) fn gather(folder: &Path) -> Result<Vec<Gathered>, String> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            format!("the folder {shown} does not exist; create it, or leave `workflows_dir` out")
        }
        _ => format!("the folder {shown} cannot be read ({error}); name another"),
    })?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let hidden = path
                .file_name()
                .is_none_or(|name| name.to_string_lossy().starts_with('.'));
            let yaml = path
                .extension()
                .is_some_and(|end| end == "yaml" || end == "yml");
            yaml && !hidden
        })
        .collect();
    if paths.len() > MOST_FILES {
        return Err(format!(
            "the folder {shown} holds more than {MOST_FILES} files; name one that holds workflows alone"
        ));
    }
    paths.sort();
    let read = |path: PathBuf| {
        let content = read_file(&path);
        Gathered { path, content }
    };
    Ok(paths.into_iter().map(read).collect())
}

/// The workflows of the files; what is no YAML is told.
pub(in super::super) fn parse(files: Vec<Gathered>, report: &mut Report) -> Vec<Beside> {
    let mut found = Vec::new();
    for file in files {
        let mut own = Report::default();
        let (node, content) = match file.content {
            Ok(bytes) => {
                let content = decode(bytes, &mut own);
                (tree::parse(&content, &mut own), content)
            }
            Err(wrong) => {
                own.fault(&At::File, wrong);
                (None, String::new())
            }
        };
        if file.path.extension().is_some_and(|end| end == "yml") {
            own.fault(&At::File, "a workflow's file ends with .yaml; rename it");
        }
        let number = report.file(&file.path, &content);
        report.absorb(own, number);
        let name = file.path.file_stem().unwrap_or_default();
        if let Some(mut node) = node {
            relocate(&mut node, number);
            let name = name.to_string_lossy().into_owned();
            found.push(Beside { name, node });
        }
    }
    found
}

/// Says of every place that it is in the file of this number.
fn relocate(node: &mut Node, file: usize) {
    node.at = node.at.beside(file);
    match &mut node.value {
        Value::Null | Value::Scalar { .. } => {}
        Value::Seq(items) => items.iter_mut().for_each(|item| relocate(item, file)),
        Value::Map(entries) => {
            for entry in entries {
                entry.at = entry.at.beside(file);
                relocate(&mut entry.node, file);
            }
        }
    }
}
