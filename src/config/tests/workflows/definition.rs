//! What a definition becomes: the steps, their order, what is shown of them and who is told.

use std::time::Duration;

use super::super::Home;
use super::{VPS, shape};
use crate::base::job::OnBusy;
use crate::base::name::Name;
use crate::base::schedule::Retries;
use crate::base::workflow::{
    Concurrency, OnCrash, OnFailure, Source, Template, Values, Work, Workflow,
};

#[test]
fn the_five_steps_load_as_they_are_written() {
    let home = Home::new();
    home.program("install-cloudflared.sh", 0o755);
    home.program("clean.sh", 0o755);
    let loaded = home.good(VPS);
    let script = &loaded.config.scripts[&Name::new("vps").unwrap()];
    assert!(script.run.is_empty());
    assert_eq!((script.concurrency, script.on_busy), (1, OnBusy::Refuse));
    assert_eq!(script.usage(), "vps [repo, else https://example.com/x.git]");
    let [schedule] = loaded.config.schedules.as_slice() else {
        panic!("{:?}", loaded.config.schedules);
    };
    assert!(schedule.after_end() && schedule.script == script.name);

    let flow = script.steps.clone().unwrap();
    assert_eq!(
        shape(&flow),
        [
            "clone <",
            "cloudflared < clone",
            "install < cloudflared",
            "terminal < install",
            "hold < terminal"
        ]
    );
    assert_eq!((flow.concurrency, flow.parallel), (Concurrency::Single, 4));
    assert_eq!(flow.max_duration, Some(Duration::from_secs(6 * 3600)));
    assert!(flow.notify.start && flow.notify.steps && flow.notify.end);
    assert_eq!(flow.undo_for, Duration::ZERO);
    let [clone, cloudflared, install, terminal, hold] = flow.steps.as_slice() else {
        panic!("{:?}", flow.steps);
    };
    let Work::Git {
        url,
        depth: Some(1),
        dir,
        ..
    } = &clone.work
    else {
        panic!("{:?}", clone.work);
    };
    assert_eq!(url, &Template::value(Source::Param("repo".into())));
    assert_eq!(dir, &Template::literal("repo"));
    let path = home
        .path()
        .join("install-cloudflared.sh")
        .display()
        .to_string();
    assert_eq!(
        cloudflared.work,
        Work::Run {
            argv: vec![Template::literal(path)]
        }
    );
    assert_eq!(cloudflared.on_failure, OnFailure::Continue);
    let version = ["cloudflared", "--version"].map(Template::literal).to_vec();
    assert_eq!(cloudflared.skip_if, Some(version));
    assert_eq!(
        install.work,
        Work::Run {
            argv: ["bash", "install.sh"].map(Template::literal).to_vec()
        }
    );
    assert_eq!(
        install.retry,
        Some(Retries {
            attempts: 3,
            backoff: Duration::from_secs(10),
            factor: 2.0,
            max: Duration::from_secs(120),
            jitter: Duration::ZERO,
            not_on: vec![2],
        })
    );
    let capture = &terminal.capture["url"];
    assert!(capture.secret && capture.within == Some(Duration::from_secs(30)));
    assert_eq!(terminal.on_crash, OnCrash::Retry);
    assert_eq!(
        (hold.timeout, hold.on_crash),
        (Duration::from_secs(5 * 3600), OnCrash::Retry)
    );
    assert_eq!(flow.always[0].name, "clean");

    // What may be installed on the way is no fault.
    let told: Vec<String> = loaded
        .warnings
        .iter()
        .map(|one| one.message.clone())
        .collect();
    assert!(
        matches!(told.as_slice(), [one] if one.contains("`sshx` is not found in PATH")),
        "{told:?}"
    );
    let stored = serde_json::to_string(&*flow).unwrap();
    assert_eq!(serde_json::from_str::<Workflow>(&stored).unwrap(), *flow);
}

#[test]
fn needs_make_a_graph_in_an_order_that_works() {
    let home = Home::new();
    let flow = home.flow(
        "workflows: {w: {steps: [{name: last, needs: [a, b], notify: x}, {name: a, notify: x}, {name: b, needs: a, notify: x}, {name: c, notify: x}]}}",
        "w",
    );
    assert_eq!(shape(&flow), ["a <", "b < a", "last < a b", "c <"]);
}

#[test]
fn an_outline_names_each_step_with_what_was_given() {
    let home = Home::new();
    home.program("install-cloudflared.sh", 0o755);
    home.program("clean.sh", 0o755);
    let config = home.good(VPS).config;
    let script = &config.scripts[&Name::new("vps").unwrap()];
    // With `^` alone, the pattern means the beginning.
    assert!(script.params(&["https://example.com/y".to_owned()]).is_ok());
    let wrong = script.params(&["http://example.com/y".to_owned()]);
    assert!(wrong.unwrap_err().to_string().contains("expected form"));
    let told = script.steps.as_ref().unwrap().outline(&Values::default());
    assert_eq!(told[0], "clone: git {{ params.repo }} into repo");
    assert_eq!(told[4], "hold: hold 5 h");
    assert!(told[5].starts_with("at the end, clean: "));
    let wrong = script
        .params(&["https://a".to_owned(), "b".to_owned()])
        .unwrap_err();
    assert!(wrong.to_string().contains("/workflow run vps"), "{wrong}");
}

#[test]
fn who_else_is_told() {
    let home = Home::new();
    let with = |notify: &str| {
        format!(
            "access: {{users: [{{id: 111, name: ann, role: owner}}]}}
workflows: {{w: {{notify: {notify}, steps: [{{name: a, hold: 1s}}]}}}}"
        )
    };
    let told = home
        .flow(&with("{at: [start], to: [ann, -100123/42]}"), "w")
        .notify
        .clone();
    assert!(told.start && !told.end);
    let to: Vec<_> = told
        .to
        .iter()
        .map(|place| (place.chat.0, place.thread.map(|thread| thread.0)))
        .collect();
    assert_eq!(to, [(111, None), (-100_123, Some(42))]);
    assert!(home.flow(&with("{to: ann}"), "w").notify.end);
    home.fault(&with("{to: [bob]}"), "holds `bob`; write the id of a chat");
    home.fault(
        &with("{at: [begin]}"),
        "holds `begin`; write start, steps or end",
    );
}
