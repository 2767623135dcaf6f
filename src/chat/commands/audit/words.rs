//! A line of the trail as a sentence: what a person did, or tried to do.

use crate::base::ids::UserId;
use crate::base::time::Millis;
use crate::chat::notices::moment;
use crate::store::audit::Entry;
use chrono::DateTime;

/// What is done with which words: the action, how it was done, how it is tried, and what follows; `{}` is what it is about,
/// `@` the same as a person, `+` the arguments, `%` the same as a role or a right with its end.
const DEEDS: &[(&str, &str, &str, &str)] = &[
    ("alert.ack", "takes", "take", "care of {}"),
    ("alert.list", "looked", "look", "at the alerts"),
    ("alert.show", "looked", "look", "at incident {}"),
    ("alert.silence", "silenced", "silence", "{} for +"),
    (
        "alert.silence.ask",
        "looked",
        "look",
        "for how long to silence {}",
    ),
    ("alert.silence.end", "ended", "end", "silence {}"),
    ("alert.silence.list", "looked", "look", "at the silences"),
    ("alert.snooze", "snoozed", "snooze", "{}"),
    ("alert.subscribe", "subscribed", "subscribe", "to {}"),
    (
        "alert.subscriptions",
        "looked",
        "look",
        "at the subscriptions",
    ),
    ("alert.test", "rehearsed", "rehearse", "the check {}"),
    (
        "alert.unsubscribe",
        "unsubscribed",
        "unsubscribe",
        "from {}",
    ),
    (
        "audit.export",
        "exported",
        "export",
        "the audit trail of {}",
    ),
    ("audit.show", "looked", "look", "at the audit trail"),
    (
        "broadcast.ask",
        "prepared",
        "prepare",
        "a message to everybody",
    ),
    ("broadcast.send", "sent", "send", "a message to {}: +"),
    ("chat.added", "added", "add", "me to a group"),
    ("chat.allow", "allowed", "allow", "the group {} as +"),
    ("chat.leave", "made", "make", "me leave the group {}"),
    ("chat.list", "looked", "look", "at the groups {}"),
    ("chat.remove", "removed", "remove", "the group {}"),
    ("command", "sent", "send", "{}"),
    ("command.late", "sent", "send", "{} while I was away"),
    ("config.check", "checked", "check", "the configuration"),
    ("config.reload", "read", "read", "the configuration again"),
    ("config.show", "looked", "look", "at the configuration"),
    ("file.offer", "sent", "send", "the file {}"),
    ("freeze", "froze", "freeze", "{}: +"),
    ("invite.list", "looked", "look", "at the invitations"),
    ("invite.make", "made", "make", "an invitation as %"),
    ("invite.use", "used", "use", "{} as +"),
    ("invite.withdraw", "withdrew", "withdraw", "{}"),
    ("job.cancel", "stopped", "stop", "job {}"),
    (
        "job.cancel.other",
        "stopped",
        "stop",
        "job {} of somebody else",
    ),
    ("job.list", "listed", "list", "jobs: {}"),
    ("job.output", "read", "read", "the output of {}"),
    ("job.retry", "repeated", "repeat", "job {}"),
    ("job.search", "searched", "search", "the output of jobs: {}"),
    ("job.show", "looked", "look", "at job {}"),
    ("knock", "wrote", "write", "to me as a stranger"),
    ("knock.ignore", "ignored", "ignore", "the stranger @"),
    ("member.end", "ended", "end", "the role of @: +"),
    ("member.find", "looked", "look", "for a person"),
    ("member.grant", "made", "make", "@ %"),
    ("member.list", "listed", "list", "the persons"),
    ("member.revoke", "took", "take", "the role of @"),
    ("member.show", "looked", "look", "at @"),
    ("outbox.drop", "dropped", "drop", "message {}"),
    ("outbox.retry", "sent", "send", "message {} again"),
    ("outbox.show", "looked", "look", "at the outbox {}"),
    ("owner.claim", "became", "become", "owner"),
    ("press", "pressed", "press", "a button"),
    ("press.answer", "answered", "answer", "a question of mine"),
    (
        "press.late",
        "pressed",
        "press",
        "a button while I was away",
    ),
    ("schedule.add", "scheduled", "schedule", "{} +"),
    ("schedule.ask", "prepared", "prepare", "a schedule of {} +"),
    ("schedule.list", "looked", "look", "at the schedules"),
    ("schedule.pause", "paused", "pause", "the schedule {}"),
    ("schedule.remove", "removed", "remove", "the schedule {}"),
    ("schedule.resume", "resumed", "resume", "the schedule {}"),
    ("schedule.run", "ran", "run", "by the clock: {} +"),
    ("schedule.show", "looked", "look", "at the schedule {}"),
    ("script.ask", "prepared", "prepare", "a run of {} +"),
    ("script.end", "ended", "end", "the right of @ to +"),
    ("script.grant", "let", "let", "@ run %"),
    ("script.keep", "kept", "keep", "what {} did"),
    ("script.list", "looked", "look", "at the scripts"),
    ("script.revoke", "took", "take", "the right of @ to +"),
    ("script.run", "ran", "run", "{} +"),
    ("script.undo", "took", "take", "back what {} did +"),
    ("script.undo.ask", "prepared", "prepare", "to take {} back"),
    ("selftest.run", "tried", "try", "every part of the bot"),
    ("status.chart", "looked", "look", "at the chart {}"),
    ("status.show", "looked", "look", "at the status {}"),
    ("status.top", "looked", "look", "at the processes by {}"),
    ("unfreeze", "ended", "end", "the freeze"),
    (
        "workflow.answer",
        "answered",
        "answer",
        "the question of {} +",
    ),
    ("workflow.approve", "approved", "approve", "{} +"),
    ("workflow.list", "looked", "look", "at the workflows"),
    ("workflow.log", "looked", "look", "at the log of {} +"),
    ("workflow.plan", "looked", "look", "at the plan of {} +"),
    ("workflow.refuse", "refused", "refuse", "{} +"),
    ("workflow.retry", "retried", "retry", "{}"),
    ("workflow.status", "looked", "look", "at the run {}"),
    ("workflow.stop", "stopped", "stop", "{}"),
    ("workflow.undo", "took", "take", "{} back"),
    (
        "workflow.undo.ask",
        "prepared",
        "prepare",
        "to take {} back",
    ),
];

/// What actions are about, each once: the words before their dots.
pub(super) fn areas() -> Vec<&'static str> {
    let all = DEEDS.iter().map(|(action, ..)| area(action));
    let mut areas: Vec<_> = all.collect();
    areas.dedup();
    areas
}

/// What an action is about.
pub(super) fn area(action: &str) -> &str {
    action.split('.').next().unwrap_or_default()
}

/// What was done, in plain text, without who did it; `name` knows persons by their ids.
pub(super) fn said(entry: &Entry, name: impl Fn(UserId) -> Option<String>) -> String {
    let known = DEEDS.iter().find(|(action, ..)| *action == entry.action);
    let tried = entry.result == "refused";
    let mut said = match known {
        Some((_, done, tries, rest)) => {
            let verb = match tried {
                true => format!("tried to {tries}"),
                false => (*done).to_owned(),
            };
            let rest = filled(rest, &entry.target, &entry.arguments, name);
            format!("{verb} {rest}")
        }
        // What older versions wrote stays in the trail, and is shown as it is.
        None => format!("{} {} {}", entry.action, entry.target, entry.arguments),
    };
    said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut said = said.trim_end_matches([':', ' ']).to_owned();
    if let Some(reason) = entry.reason.as_ref().filter(|reason| !reason.is_empty()) {
        said.push_str(" · ");
        said.push_str(&reason.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    said
}

/// The sentence with its places filled; what stands there is never looked through for more places.
fn filled(
    rest: &str,
    target: &str,
    arguments: &str,
    name: impl Fn(UserId) -> Option<String>,
) -> String {
    let person = || {
        let id = target.parse().ok().map(UserId);
        match id.and_then(&name) {
            Some(name) => format!("{name} ({target})"),
            None => target.to_owned(),
        }
    };
    let words = rest.split(' ').map(|word| {
        let mark = |place: &str, value: String| word.replacen(place, &value, 1);
        match word.trim_end_matches(':') {
            "{}" => mark("{}", target.to_owned()),
            "@" => mark("@", person()),
            "+" => mark("+", arguments.to_owned()),
            "%" => mark("%", dated(arguments)),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The arguments with the moment after `until` as people here read it, and without the name that stands before them already.
fn dated(arguments: &str) -> String {
    let Some((before, rest)) = arguments.split_once(" until ") else {
        return match arguments.rsplit_once(" as ") {
            Some((role, _)) => role.to_owned(),
            None => arguments.to_owned(),
        };
    };
    let written = rest.split(' ').next().unwrap_or_default();
    match DateTime::parse_from_rfc3339(written) {
        Ok(at) => format!("{before} until {}", moment(Millis(at.timestamp_millis()))),
        Err(_) => arguments.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ChatId;

    fn line(action: &str, target: &str, arguments: &str, reason: Option<&str>) -> String {
        let result = if reason.is_some() {
            "refused"
        } else {
            "allowed"
        };
        let entry = Entry {
            at: Millis(0),
            actor: UserId(111),
            actor_name: "ann".to_owned(),
            chat: ChatId(111),
            channel: "telegram".to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            arguments: arguments.to_owned(),
            result: result.to_owned(),
            reason: reason.map(str::to_owned),
            request_id: String::new(),
        };
        said(&entry, |id| (id.0 == 222).then(|| "ben".to_owned()))
    }

    #[test]
    fn a_line_reads_as_a_sentence() {
        let end = "2026-11-22T02:36:45Z";
        let local = moment(Millis(
            DateTime::parse_from_rfc3339(end)
                .unwrap()
                .timestamp_millis(),
        ));
        for (found, wanted) in [
            (
                line("script.run", "deploy", "api as {} until +", None),
                "ran deploy api as {} until +".to_owned(),
            ),
            (
                line("script.run", "deploy", "", Some("Not you.")),
                "tried to run deploy · Not you.".to_owned(),
            ),
            (
                line("status.show", "", "", None),
                "looked at the status".to_owned(),
            ),
            (
                line("member.grant", "222", "admin as ben", None),
                "made ben (222) admin".to_owned(),
            ),
            (
                line("member.revoke", "444", "", None),
                "took the role of 444".to_owned(),
            ),
            (
                line("script.grant", "222", &format!("deploy until {end}"), None),
                format!("let ben (222) run deploy until {local}"),
            ),
            (
                line(
                    "member.grant",
                    "222",
                    &format!("viewer until {end} as ben"),
                    None,
                ),
                format!("made ben (222) viewer until {local}"),
            ),
            (
                line("freeze", "everything", "", None),
                "froze everything".to_owned(),
            ),
            (
                line("freeze", "everything", "an update", None),
                "froze everything: an update".to_owned(),
            ),
            (line("of.old", "x", "y", None), "of.old x y".to_owned()),
        ] {
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn each_action_of_the_program_has_its_sentence() {
        fn walk(folder: &std::path::Path, all: &mut String) {
            for entry in std::fs::read_dir(folder).expect("the source") {
                let path = entry.expect("a file of it").path();
                match path.is_dir() {
                    true => walk(&path, all),
                    false => all.push_str(&std::fs::read_to_string(&path).unwrap_or_default()),
                }
            }
        }
        let mut source = String::new();
        walk(
            &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut source,
        );
        let asked = source.split("Asked::new(").skip(1);
        let actions =
            asked.filter_map(|after| after.trim_start().strip_prefix('"')?.split('"').next());
        let is_name = |text: &&str| text.chars().all(|c| c.is_ascii_lowercase() || c == '.');
        let mut count = 0;
        for action in actions.filter(is_name) {
            count += 1;
            let known = DEEDS.iter().any(|(known, ..)| *known == action);
            assert!(known, "{action} has no words");
        }
        assert!(count > 40, "{count}");
        assert!(
            DEEDS.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "in order"
        );
    }
}
