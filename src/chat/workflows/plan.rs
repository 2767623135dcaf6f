//! The dry run: what a workflow would do with these values, and nothing is done.

use super::known;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{MESSAGE_UNITS, escape, shorten, utf16_len};
use crate::base::time::human;
use crate::base::upload::Uploads;
use crate::base::workflow::{
    OnCrash, OnFailure, RunArgs, Source, Step, Values, Work, Workflow, command_line,
};
use crate::chat::commands::run;
use crate::chat::dialog;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::{ArgError, Script};
use crate::workflows::look;
use std::sync::Arc;

/// Room kept for what is said beside the steps, in UTF-16 units.
const MARGIN: usize = 200;
/// The most that is shown of one line, in UTF-16 units.
const LINE: usize = 500;

/// Shows what would be done.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn plan(request: &Request, name: &str, given: &[String]) -> Result<Reply> {
    let seen = Asked::new("workflow.list", "", Role::Viewer);
    request.allow_first(seen).await?;
    let config = request.services.live.current();
    let script = known(request, &config, name)?;
    let asked = Asked {
        action: "workflow.plan",
        target: script.name.to_string(),
        arguments: run::masked_words(request, script, given),
        need: script.role,
    };
    request.allow_script(asked, script.name.as_str()).await?;
    let scripts = &request.services.scripts;
    scripts.refuse_secrets(script, given)?;
    let usage = || format!("/workflow plan {}", script.usage());
    let own = |wrong: ArgError| wrong.with_usage(usage());
    script.given(given).map_err(own)?;
    // What is missing stays as it is written, and what was given is checked.
    let missing = dialog::is_needed(script, given, &Uploads::new())?;
    let (flow, mut values) = match (&script.steps, missing) {
        (Some(flow), true) => (Arc::clone(flow), so_far(script, given)?),
        _ => {
            run::check_choices(request, script, given).await?;
            let job = scripts.job(script, given, &Uploads::new(), None, None)?;
            let args: RunArgs = serde_json::from_str(&job.payload).map_err(anyhow::Error::new)?;
            (Arc::clone(&args.flow), look::given(&args))
        }
    };
    if flow.steps.is_empty() {
        return Err(Error::refused(format!("{} has no steps.", script.name)));
    }
    values.set(Source::Run("by".to_owned()), &request.actor.name);
    let lines = words(&flow, &values);
    let lines: Vec<_> = lines
        .iter()
        .map(|line| scripts.mask(script, line))
        .collect();
    Ok(Reply::html(format!(
        "<b>{}</b> would do this. Nothing was run.\n\n{}",
        escape(script.name.as_str()),
        fitting(&lines)
    )))
}

/// The values that are known without those that are missing.
fn so_far(script: &Script, given: &[String]) -> Result<Values> {
    let mut values = Values::default();
    for (arg, value) in script.args.iter().zip(script.given(given)?) {
        if let Some(value) = value.or_else(|| arg.default.clone()) {
            values.set(Source::Param(arg.name.to_string()), value);
        }
    }
    Ok(values)
}

/// As many steps as fit a message, as HTML.
fn fitting(steps: &[String]) -> String {
    let mut html = String::new();
    let mut room = MESSAGE_UNITS - MARGIN;
    for (at, step) in steps.iter().enumerate() {
        let step = escape(step);
        let Some(left) = room.checked_sub(utf16_len(&step) + 1) else {
            html.push_str(&format!("… and {} more steps.", steps.len() - at));
            break;
        };
        room = left;
        html.push_str(&step);
        html.push('\n');
    }
    html.trim_end().to_owned()
}

/// A text for each step: what it does, after what, how long, and what becomes of the rest; plain.
fn words(flow: &Workflow, values: &Values) -> Vec<String> {
    let main = flow.steps.iter().enumerate();
    let always = flow.always.iter().enumerate();
    let main = main.map(|(at, step)| tell(flow, at + 1, step, values, false));
    let count = flow.steps.len();
    let always = always.map(|(at, step)| tell(flow, count + at + 1, step, values, true));
    main.chain(always).collect()
}

fn tell(flow: &Workflow, number: usize, step: &Step, values: &Values, last: bool) -> String {
    let mut lines = vec![format!("{number}. {}", step.tell(values))];
    let mut notes = Vec::new();
    let needs: Vec<&str> = step
        .needs
        .iter()
        .filter_map(|need| flow.steps.get(*need))
        .map(|need| need.name.as_str())
        .collect();
    match (last, needs.is_empty()) {
        (true, _) => notes.push("at the end, however the rest went".to_owned()),
        (false, true) => notes.push("at once".to_owned()),
        (false, false) => notes.push(format!("after {}", needs.join(", "))),
    }
    match &step.work {
        Work::Hold { .. } | Work::Service { .. } | Work::Notify { .. } | Work::Call { .. } => {}
        _ => notes.push(format!("at most {}", human(step.timeout))),
    }
    if let Some(retry) = &step.retry {
        notes.push(format!("tried up to {} times", retry.attempts));
    }
    match step.on_failure {
        OnFailure::Abort => {}
        OnFailure::Continue => notes.push("may fail".to_owned()),
        OnFailure::SkipRest => notes.push("if it fails, what needs it is left out".to_owned()),
        OnFailure::FailLater => {
            notes.push("if it fails, the rest goes on and the run fails".to_owned())
        }
    }
    match (step.on_crash, is_program(&step.work)) {
        (OnCrash::Ask, _) | (_, false) => {}
        (OnCrash::Retry, true) => notes.push("run again after a crash".to_owned()),
        (OnCrash::Fail, true) => notes.push("failed after a crash".to_owned()),
    }
    lines.push(format!("   {}", notes.join(" · ")));
    if let Some(when) = &step.when {
        let sign = if when.same { "==" } else { "!=" };
        let (left, right) = (when.left.show(values), when.right.show(values));
        lines.push(format!("   only if {left} {sign} {right}"));
    }
    if let Some(check) = &step.skip_if {
        let check = command_line(check, values);
        lines.push(format!("   skipped if this exits with 0: {check}"));
    }
    if let Some(within) = step.confirm_within {
        lines.push(format!(
            "   taken back unless confirmed within {}",
            human(within)
        ));
    }
    if let Some(undo) = &step.undo {
        lines.push(format!("   undo: {}", command_line(undo, values)));
    }
    let lines: Vec<_> = lines.iter().map(|line| shorten(line, LINE)).collect();
    lines.join("\n")
}

/// Whether a step does something that a crash can leave half done.
fn is_program(work: &Work) -> bool {
    match work {
        Work::Run { .. }
        | Work::Script { .. }
        | Work::Git { .. }
        | Work::Http { .. }
        | Work::Github { .. } => true,
        Work::Service { .. }
        | Work::Hold { .. }
        | Work::WaitFor { .. }
        | Work::Approve { .. }
        | Work::Call { .. }
        | Work::Notify { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::workflow::Template;
    use std::time::Duration;

    fn step(name: &str, argv: &[&str], needs: Vec<usize>) -> Step {
        let argv = argv.iter().map(|text| Template::parse(text).unwrap());
        let work = Work::Run {
            argv: argv.collect(),
        };
        Step {
            needs,
            ..Step::new(name, work, Duration::from_secs(600))
        }
    }

    fn flow(steps: Vec<Step>, always: Vec<Step>) -> Workflow {
        Workflow {
            parallel: 4,
            always,
            ..Workflow::new("deploy", steps)
        }
    }

    #[test]
    fn each_step_says_what_it_does_and_after_what() {
        let mut put = step(
            "put",
            &["./put", "{{ params.tag }}", "{{ steps.build.id }}"],
            vec![0],
        );
        put.on_failure = OnFailure::Continue;
        put.undo = Some(vec![Template::literal("./back")]);
        let flow = flow(
            vec![step("build", &["make", "all of it"], vec![]), put],
            vec![step("clean", &["./clean"], vec![])],
        );
        let mut values = Values::default();
        values.set(Source::Param("tag".to_owned()), "v1");
        assert_eq!(
            words(&flow, &values),
            [
                "1. build: make \"all of it\"\n   at once · at most 10 m",
                "2. put: ./put v1 \"{{ steps.build.id }}\"\n   after build · at most 10 m · may fail\n   undo: ./back",
                "3. clean: ./clean\n   at the end, however the rest went · at most 10 m",
            ]
        );
    }

    #[test]
    fn a_thousand_steps_fit_a_message() {
        let steps = (0..1000)
            .map(|n| step(&format!("<s{n}>"), &["x"], vec![]))
            .collect();
        let shown = fitting(&words(&flow(steps, vec![]), &Values::default()));
        assert!(utf16_len(&shown) < MESSAGE_UNITS, "{}", utf16_len(&shown));
        assert!(shown.ends_with(" more steps.") && shown.starts_with("1. &lt;s0&gt;: x"));
    }
}
