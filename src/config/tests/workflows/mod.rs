//! Workflows: what they become, what is wrong with them, and the samples that come along.

mod calls;
mod definition;
mod folder;
mod mistakes;
mod values;

use std::sync::Arc;

use super::Home;
use crate::base::name::Name;
use crate::base::workflow::{Step, Template, Workflow};

const VPS: &str = r#"
workflows:
  vps:
    description: Clone, install, share a terminal, hold five hours, start over
    params: [{name: repo, default: "https://example.com/x.git", pattern: '^https://'}]
    concurrency: single             # a second start is refused with the running id; or queue, or replace
    every: after_end                # keep-alive: next starts when this ends (gap < 5 s); or a schedule as in scripts
    max_duration: 6h
    notify: [start, steps, end]     # who and how much
    steps:
      - {name: clone, git: {url: "{{ params.repo }}", depth: 1, dir: repo}, timeout: 10m}
      - {name: cloudflared, run: [./install-cloudflared.sh], on_failure: continue, skip_if: [cloudflared, --version]}
      - {name: install, run: [bash, install.sh], cwd: repo, timeout: 30m, retry: {times: 2, backoff: 10s, max: 2m, not_on: [2]}}
      - name: terminal
        service: [sshx, --quiet]    # keeps running for the rest of the run; its group dies with the run
        capture: {url: '^(https://\S+/s/\S+)$', within: 30s, secret: true}
      - {name: hold, hold: 5h}
    always: [{name: clean, run: [./clean.sh]}]
"#;

impl Home {
    /// The workflow of this name.
    fn flow(&self, yaml: &str, name: &str) -> Arc<Workflow> {
        let config = self.good(yaml).config;
        let script = &config.scripts[&Name::new(name).unwrap()];
        script.steps.clone().unwrap()
    }

    /// That this is the only fault.
    fn fault(&self, yaml: &str, told: &str) {
        let faults = self.bad(yaml);
        assert!(
            matches!(faults.as_slice(), [one] if one.contains(told)),
            "{yaml}\n gives {faults:#?}\n not {told}"
        );
    }
}

/// The names of the steps, each with those that it needs.
fn shape(flow: &Workflow) -> Vec<String> {
    let name = |index: &usize| flow.steps[*index].name.as_str();
    let tell = |step: &Step| {
        let needs: Vec<&str> = step.needs.iter().map(name).collect();
        format!("{} < {}", step.name, needs.join(" "))
            .trim_end()
            .to_owned()
    };
    flow.steps.iter().map(tell).collect()
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn steps(of: &str) -> String {
    format!(
        "workflows: {{w: {{params: [{{name: p, default: x}}], steps: [{{name: z, notify: '{{{{ params.p }}}}'}}, {of}]}}}}"
    )
}
