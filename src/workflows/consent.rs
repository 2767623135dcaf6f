//! What an approval lets happen: what will be executed after it, where, and what of it can be taken back. Pure.

use crate::base::text::{escape, shorten, utf16_len};
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
    let after = after(flow, gate);
    if after.is_empty() {
        return String::new();
    }
    let mut html = format!("If approved, this follows on {}:\n", escape(host));
    let mut room = ROOM;
    for (at, step) in after.iter().enumerate() {
        let line = mask(&step.tell(values));
        let line = escape(&shorten(&line, LINE));
        let Some(left) = room.checked_sub(utf16_len(&line)) else {
            let (rest, name) = (after.len() - at, escape(&flow.name));
            html.push_str(&format!("… and {rest} more: /workflow plan {name}\n"));
            break;
        };
        room = left;
        html.push_str(&format!("<code>{line}</code>\n"));
    }
    html.push_str(&escape(&shorten(&way_back(&after), LINE)));
    html
}

/// The steps that cannot begin before this one is done, in their order.
fn after(flow: &Workflow, gate: usize) -> Vec<&Step> {
    let mut waits = vec![false; flow.steps.len()];
    let mut after = Vec::new();
    // A step needs only earlier ones.
    for (at, step) in flow.steps.iter().enumerate() {
        waits[at] = step
            .needs
            .iter()
            .any(|need| *need == gate || waits.get(*need) == Some(&true));
        if waits[at] {
            after.push(step);
        }
    }
    after
}

/// What of these steps has an undo, in a sentence.
fn way_back(after: &[&Step]) -> String {
    let acts = after.iter().filter(|step| acts(&step.work));
    let (back, gone): (Vec<&Step>, Vec<&Step>) = acts.partition(|step| step.undo.is_some());
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
