//! What an approval lets happen: what will be executed after it, where, and what of it can be taken back. Pure.

use super::undo;
use crate::base::text::{escape, shorten, utf16_len};
use crate::base::time::human;
use crate::base::workflow::{Step, Values, Work, Workflow};

/// The most that is shown of one step, in UTF-16 units.
const LINE: usize = 300;
/// Room for all steps together, in UTF-16 units: a message holds 4096, and the question has its own share.
const ROOM: usize = 2200;

/// Says as HTML what waits for the approval at `gate`, on the machine `host`; empty when nothing does. `mask` hides what
/// must not be seen.
pub(super) fn words(
    flow: &Workflow,
    gate: usize,
    values: &Values,
    host: &str,
    mask: impl Fn(&str) -> String,
) -> String {
    let after = after(flow, gate, values);
    if after.is_empty() {
        return String::new();
    }
    let mut html = format!("If approved, this follows on {}:\n", escape(host));
    let mut room = ROOM;
    for (at, step) in after.iter().enumerate() {
        let line = mask(&step.tell(values));
        let line = escape(&shorten(&line, LINE));
        let net = net(step);
        let Some(left) = room.checked_sub(utf16_len(&line) + utf16_len(&net)) else {
            let (rest, name) = (after.len() - at, escape(&flow.name));
            html.push_str(&format!("… and {rest} more: /workflow plan {name}\n"));
            break;
        };
        room = left;
        html.push_str(&format!("<code>{line}</code>{net}\n"));
    }
    html.push_str(&escape(&shorten(&way_back(flow, &after), LINE)));
    html
}

/// That a step is taken back by itself, as it follows its line.
fn net(step: &Step) -> String {
    let within = step.confirm_within.map(human);
    within.map_or_else(String::new, |within| {
        format!(" · taken back unless confirmed within {within}")
    })
}

/// The steps that cannot begin before this one is done, in their order, without those of which it is known by now that they
/// are left out.
fn after<'f>(flow: &'f Workflow, gate: usize, values: &Values) -> Vec<&'f Step> {
    let mut waits = vec![false; flow.steps.len()];
    let mut left_out = vec![false; flow.steps.len()];
    let mut after = Vec::new();
    // A step needs only earlier ones.
    for (at, step) in flow.steps.iter().enumerate() {
        waits[at] = step
            .needs
            .iter()
            .any(|need| *need == gate || waits.get(*need) == Some(&true));
        left_out[at] = step.part_of.is_some_and(|call| left_out[call])
            || (step.when.as_ref()).is_some_and(|when| when.holds(values) == Ok(false));
        if waits[at] && !left_out[at] {
            after.push(step);
        }
    }
    after
}

/// What of these steps can be taken back when the run is over, in a sentence. One that cannot for want of a secret keeps all
/// others from it.
fn way_back(flow: &Workflow, after: &[&Step]) -> String {
    let acts = after.iter().filter(|step| acts(&step.work));
    let lacks = flow.steps.iter().any(|step| undo::needs_secret(flow, step));
    let (back, gone): (Vec<&Step>, Vec<&Step>) =
        acts.partition(|step| step.undo.is_some() && !lacks);
    match (back.is_empty(), gone.is_empty()) {
        (true, true) => String::new(),
        (true, false) => "None of it can be taken back with a button.".to_owned(),
        (false, true) => "All of it can be taken back afterwards.".to_owned(),
        (false, false) => {
            let names: Vec<_> = back.iter().map(|step| step.name.as_str()).collect();
            format!("Can be taken back afterwards: {}.", names.join(", "))
        }
    }
}

/// Whether a step of this kind changes something that could be taken back.
fn acts(work: &Work) -> bool {
    match work {
        Work::Run { .. }
        | Work::Service { .. }
        | Work::Script { .. }
        | Work::Git { .. }
        | Work::Http { .. }
        | Work::Github { .. } => true,
        Work::Hold { .. }
        | Work::WaitFor { .. }
        | Work::Approve { .. }
        | Work::Call { .. }
        | Work::Notify { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::workflow::{Capture, Condition, Source, Template};
    use std::time::Duration;

    #[test]
    fn what_is_left_out_is_not_listed_and_what_has_a_net_says_so() {
        let argv = |name: &str| Work::Run {
            argv: vec![Template::literal("echo"), Template::literal(name)],
        };
        let step = |name: &str, needs: &[usize]| Step {
            needs: needs.to_vec(),
            ..Step::new(name, argv(name), Duration::from_secs(60))
        };
        let when = |source: Source| {
            Some(Condition {
                left: Template::value(source),
                right: Template::literal("yes"),
                same: true,
            })
        };
        let param = Source::Param("all".to_owned());
        let found = Source::Step("swap".to_owned(), "more".to_owned());
        let flow = Workflow::new(
            "w",
            vec![
                step("gate", &[]),
                Step {
                    undo: Some(vec![Template::literal("back")]),
                    confirm_within: Some(Duration::from_secs(300)),
                    ..step("swap", &[0])
                },
                Step {
                    when: when(param.clone()),
                    ..step("rare", &[1])
                },
                Step {
                    part_of: Some(2),
                    ..step("inner", &[2])
                },
                Step {
                    when: when(found),
                    ..step("perhaps", &[3])
                },
            ],
        );
        let mut values = Values::default();
        values.set(param.clone(), "no");
        let told = words(&flow, 0, &values, "web-1", str::to_owned);
        assert_eq!(
            told,
            "If approved, this follows on web-1:\n\
             <code>swap: echo swap</code> · taken back unless confirmed within 5 m\n\
             <code>perhaps: echo perhaps</code>\n\
             Can be taken back afterwards: swap."
        );
        let mut lacking = flow.clone();
        let secret = Capture {
            pattern: "token=(.*)".to_owned(),
            within: None,
            secret: true,
        };
        lacking.steps[0].capture = [("token".to_owned(), secret)].into();
        let token = Template::value(Source::Step("gate".to_owned(), "token".to_owned()));
        lacking.steps[1].env = [("TOKEN".to_owned(), token)].into();
        let told = words(&lacking, 0, &values, "web-1", str::to_owned);
        assert!(
            told.ends_with("None of it can be taken back with a button."),
            "the token is gone by then: {told}"
        );
        values.set(param, "yes");
        let told = words(&flow, 0, &values, "web-1", str::to_owned);
        assert!(told.contains("rare: echo rare") && told.contains("inner: echo inner"));
    }
}
