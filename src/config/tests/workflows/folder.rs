//! A folder of workflows, and the samples that come along.

use std::fs;
use std::path::Path;

use super::super::super::{Env, check_program, content_hash, load};
use super::super::{Home, repository};

#[test]
fn a_folder_holds_a_workflow_in_each_file() {
    let home = Home::new();
    home.write("flows/one.yaml", "steps: [{name: a, workflow: two}]\n");
    home.write("flows/two.yaml", "steps: [{name: b, run: ./run.sh}]\n");
    home.write("flows/notes.txt", "not a workflow");
    home.write("flows/.hidden.yaml", "{");
    let file = home.write("c.yaml", "workflows_dir: flows\n");
    let env: Env = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let loaded = load(&file, &env).unwrap_or_else(|faults| panic!("{faults}"));
    let names: Vec<&str> = loaded
        .config
        .workflows()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(loaded.config.workflows_dir, Some(home.path().join("flows")));
    assert_eq!(content_hash(&file, &env), Ok(loaded.hash));

    // Its files belong to what is compared, and to where a fault is.
    home.write("flows/two.yaml", "steps:\n  - {name: b, rum: ./run.sh}\n");
    assert_ne!(content_hash(&file, &env), Ok(loaded.hash));
    let faults = load(&file, &env).err().unwrap();
    let told: Vec<String> = faults.iter().map(|fault| fault.in_short()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("two.yaml, line 2: `rum` is not a key"),
        "{told:?}"
    );
    let first = faults.iter().next().unwrap();
    assert_eq!(first.file, home.path().join("flows/two.yaml"));
    assert!(first.snippet.contains("rum"));

    for (name, content, told) in [
        ("flows/two.yml", "", "ends with .yaml; rename it"),
        (
            "flows/a b.yaml",
            "steps: [{name: a, hold: 1s}]",
            "is not a name",
        ),
        ("flows/two.yaml", "steps: [", "this is not YAML"),
        ("flows/two.yaml", "", "lacks `steps`"),
    ] {
        let written = home.write(name, content);
        let told_now = load(&file, &env).err().unwrap().to_string();
        assert!(told_now.contains(told), "{name}: {told_now}");
        fs::remove_file(written).unwrap();
    }
    home.fault(
        "workflows_dir: gone",
        "1:16 the folder HOME/gone does not exist",
    );
    home.write("flows/two.yaml", "steps: [{name: b, hold: 1s}]\n");
    home.fault(
        "workflows: {two: {steps: [{name: a, hold: 1s}]}}\nworkflows_dir: flows",
        "a workflow named `two` already stands in line 1 of the configuration itself",
    );
}

#[test]
fn every_sample_loads() {
    let folder = repository("config/workflows");
    let file = tempfile::tempdir_in(repository("target")).unwrap();
    let yaml = file.path().join("c.yaml");
    let (base, flows) = (repository(""), folder.display());
    fs::write(
        &yaml,
        format!("base_dir: {}\nworkflows_dir: {flows}\n", base.display()),
    )
    .unwrap();
    let env: Env = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let loaded = load(&yaml, &env).unwrap_or_else(|faults| panic!("{faults}"));
    let names: Vec<&str> = loaded
        .config
        .workflows()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["backup", "certificate", "rolling-deploy", "tunnel", "vps"]
    );
    for script in loaded.config.workflows() {
        let required = script.args.iter().find(|arg| arg.required());
        assert!(
            script.description.is_some() && required.is_none(),
            "{}",
            script.name
        );
        let outline = script
            .steps
            .as_ref()
            .unwrap()
            .outline(&script.params(&[]).unwrap());
        assert!(outline.len() > 2, "{outline:?}");
    }
    // What a sample names beside bare programs lies beside it.
    let beside = fs::read_dir(&folder).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|end| end == "sh")
    });
    for script in beside {
        let path = script.unwrap().path();
        check_program(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let named = |file: &Path| fs::read_to_string(file).unwrap().contains(&name);
        let mut samples = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        assert!(
            samples.any(|file| file.extension().is_some_and(|end| end == "yaml") && named(&file)),
            "{name}"
        );
    }
}
