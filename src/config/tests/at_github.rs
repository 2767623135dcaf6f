//! What a workflow may say of runs at GitHub that it follows.

use super::Home;
use crate::base::time::human;
use crate::config::{Fact, Follows};

fn flow(after: &str) -> String {
    format!(
        "workflows:\n  deploy:\n    params: [{{name: version, pattern: '[0-9a-f]+'}}]\n    after_github: {after}\n    steps: [{{name: put, run: [echo, '{{{{ params.version }}}}']}}]\n"
    )
}

#[test]
fn a_workflow_follows_runs_at_github() {
    let home = Home::new();
    let config = home
        .good(&flow(
            "{repo: ann/site, workflow: .github/workflows/ci.yml, params: {version: commit}}",
        ))
        .config;
    let [schedule] = config.schedules.as_slice() else {
        panic!("{:?}", config.schedules);
    };
    let Some(Follows::GitHub(there)) = &schedule.follows else {
        panic!("{schedule:?}");
    };
    assert_eq!(there.params["version"], Fact::Commit);
    assert_eq!(there.api, "https://api.github.com");
    assert_eq!(human(schedule.when.shortest()), "1 m");
    assert!(there.ended.is_met("success") && !there.ended.is_met("skipped"));
    assert_eq!(
        schedule.rhythm(),
        "when .github/workflows/ci.yml of ann/site succeeds"
    );
    let other = home.good(&flow(
        "{repo: ann/site, workflow: ci.yml, branch: main, conclusion: failure, params: {version: commit}}",
    )).config;
    assert_eq!(
        other.schedules[0].rhythm(),
        "when ci.yml of ann/site fails on main"
    );
    assert_ne!(other.schedules[0].timer(), schedule.timer());
}

#[test]
fn each_mistake_is_named() {
    let home = Home::new();
    let right = "repo: ann/site, workflow: ci.yml";
    for (after, words) in [
        ("{workflow: ci.yml, params: {version: commit}}", "repo"),
        (
            "{repo: site, workflow: ci.yml, params: {version: commit}}",
            "is `site`; write owner/name",
        ),
        (
            "{repo: ann/site, workflow: build, params: {version: commit}}",
            "write the name of its file, such as ci.yml",
        ),
        (
            &format!("{{{right}, params: {{version: sha}}}}"),
            "is `sha`; write run, link, commit, branch or conclusion",
        ),
        (
            &format!("{{{right}, params: {{version: comit}}}}"),
            "(did you mean `commit`?)",
        ),
        (
            &format!("{{{right}, params: {{version: conclusion}}}}"),
            "`workflows.deploy.after_github.params.version` is `conclusion`, which `version` never takes, since the conclusion is \
             `success`; change what `version` takes, or what it gets",
        ),
        (
            &format!("{{{right}, conclusion: any, params: {{version: conclusion}}}}"),
            "since the conclusion is one of success, failure, cancelled",
        ),
        (
            &format!("{{{right}, branch: main, params: {{version: branch}}}}"),
            "since the branch is `main`",
        ),
        (
            &format!("{{{right}, params: {{version: commit, versoin: run}}}}"),
            "is no parameter of deploy (did you mean `version`?)",
        ),
        (
            &format!("{{{right}}}"),
            "the parameter `version` has no value; give it a default, or name what it gets",
        ),
        (
            &format!("{{{right}, conclusion: failed, params: {{version: commit}}}}"),
            "write success, failure or any (did you mean `failure`?)",
        ),
        (
            &format!("{{{right}, conclusion: succes, params: {{version: commit}}}}"),
            "success",
        ),
        (
            &format!("{{{right}, every: 1s, params: {{version: commit}}}}"),
            "is less than 10 s",
        ),
        (
            &format!("{{{right}, api_url: github, params: {{version: commit}}}}"),
            "write an address such as https://api.github.com",
        ),
    ] {
        let found = home.bad(&flow(after));
        assert!(
            matches!(found.as_slice(), [one] if one.contains(words)),
            "{after}: {found:?}"
        );
    }
    for may_fit in ["run", "link", "branch"] {
        home.good(&flow(&format!(
            "{{{right}, params: {{version: {may_fit}}}}}"
        )));
    }
    let short = flow(&format!("{{{right}, params: {{version: commit}}}}"));
    let found = home.bad(&short.replace("[0-9a-f]+", "[0-9a-f]{7}"));
    assert!(
        found[0].contains("since a commit has 40 letters and digits"),
        "{found:?}"
    );
    let secret = "token: ghp_abcdef0123456789, params: {version: commit}";
    let found = home.bad(&flow(&format!("{{{right}, {secret}}}")));
    assert!(
        matches!(found.as_slice(), [one] if one.contains("holds a token itself") && !one.contains("ghp_")),
        "{found:?}"
    );
    let twice =
        flow("{repo: ann/site, workflow: ci.yml, params: {version: commit}}\n    every: 1h");
    let found = home.bad(&twice);
    assert!(found[0].contains("are both set; keep one"), "{found:?}");
}
