//! Incidents: from changes of checks to messages in chats, and what people do about them.

mod away;
mod fixes;
mod held;
mod people;
mod topics;

use crate::harness::{ANN, BEN, CLEO, OPS, PATIENCE, STRANGER, World};
use crate::on_both;
use opsgram::base::alert::{Change, Reading, Severity, Turn, Unit};
use opsgram::base::time::Millis;
use opsgram::monitors::Ledger;
use opsgram::monitors::incidents::{Fix, Rule, Rules};
use opsgram::sandbox::Message;
use std::sync::Arc;
use std::time::Duration;

pub const WARNING: Turn = Turn::Raised(Severity::Warning);
pub const CRITICAL: Turn = Turn::Raised(Severity::Critical);

/// Starts the bot, whose loops the test steps; ann wrote to it once, so that it may write to her.
pub async fn begin(world: &mut World, rules: Option<Rules>) {
    world.start_stepped(rules).await;
    world.asks(ANN, ANN, "/whoami").await;
}

/// A clock of the test's own, beginning now.
pub struct Clock(pub Millis);

impl Clock {
    pub fn new() -> Self {
        Self(Millis::now())
    }

    /// Later by so many seconds.
    pub fn on(&mut self, seconds: u64) -> Millis {
        self.0 = self.0.plus(Duration::from_secs(seconds));
        self.0
    }
}

/// A change of a check of disks, whose warning is from 90 % and critical from 95 %.
pub fn change(check: &str, turn: Turn, value: f64, at: Millis) -> Change {
    Change {
        check: check.to_owned(),
        host: "here".to_owned(),
        topic: check.split('-').next().unwrap().to_owned(),
        turn,
        reading: Ok(Reading {
            value: Some(value),
            unit: Unit::Percent,
            note: None,
            unreached: false,
        }),
        limit: Some(if value >= 95.0 { 95.0 } else { 90.0 }),
        worst: (turn != Turn::Cleared).then_some(value),
        at,
        since: at,
        flapping: false,
    }
}

/// Hands changes over as the checks do.
pub async fn record(world: &World, changes: &[Change]) {
    let services = world.services();
    let mut tx = services.store.begin_led().await.unwrap();
    services.incidents.record(&mut tx, changes).await.unwrap();
    services.store.commit(tx).await.unwrap();
    services.incidents.committed();
}

/// Does what is due at the moment, and waits until it is out.
pub async fn tick(world: &World, at: Millis) {
    world.services().incidents.tick(at).await.unwrap();
    world.quiet().await;
}

/// The messages of the bot in the chat that are about incidents, oldest first.
pub fn told(world: &World, chat: i64) -> Vec<Message> {
    let marks = ["🔴", "🟠", "✅", "⚪", "🔕", "📡"];
    let mut all = world.sandbox.from_bot(chat);
    all.retain(|message| marks.iter().any(|mark| message.text.starts_with(mark)));
    all
}

/// Waits until the newest message of the bot in the chat reads like this.
pub async fn last_reads(world: &World, chat: i64, words: &str) -> Message {
    let found = |view: &opsgram::sandbox::View<'_>| {
        let last = view.last_from_bot(chat)?;
        last.text.contains(words).then(|| last.clone())
    };
    match world.sandbox.wait(PATIENCE, words, found).await {
        Ok(message) => message,
        Err(error) => panic!("{error}"),
    }
}

on_both! {
    /// Raised with sound, edited as it changes, told anew when it becomes critical, edited to its end.
    async fn one_incident_is_one_message(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(5)).await;
        assert!(told(&world, ANN).is_empty(), "others may follow");
        tick(&world, clock.on(6)).await;
        let first = &told(&world, ANN)[0];
        assert!(first.text.starts_with("🟠 disk-root · 91 % (warning from 90 %) · since "), "{}", first.text);
        assert!(!first.silent);
        assert!(first.button("Ack").is_some() && first.button("Fix").is_none());
        assert!(told(&world, BEN).is_empty(), "an operator did not ask for it");

        record(&world, &[change("disk-root", Turn::Reads, 93.0, clock.on(60))]).await;
        world.quiet().await;
        assert!(told(&world, ANN)[0].text.contains("93 %"));
        record(&world, &[change("disk-root", Turn::Became(Severity::Critical), 97.0, clock.on(60))]).await;
        tick(&world, clock.on(0)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 2, "what is critical is told anew");
        assert!(messages[0].text.contains("Told again below"), "{}", messages[0].text);
        assert_eq!(messages[0].all_buttons().count(), 0, "the older one has no buttons any more");
        assert!(messages[1].text.starts_with("🔴 disk-root · 97 % (critical from 95 %)") && !messages[1].silent);

        let words = world.presses(ANN, &messages[1], "Ack").await;
        assert_eq!(words.as_deref(), Some("You take care of disk-root."));
        last_reads(&world, ANN, "👤 ann takes care of it").await;
        tick(&world, clock.on(5 * 3600)).await;
        assert_eq!(told(&world, ANN).len(), 2, "who is on it is not told again");
        for value in [99.0, 96.0] {
            record(&world, &[change("disk-root", Turn::Reads, value, clock.on(0))]).await;
        }
        last_reads(&world, ANN, "🔴 disk-root · 96 % (critical from 95 %)").await;
        record(&world, &[change("disk-root", Turn::Cleared, 40.0, clock.on(60))]).await;
        tick(&world, clock.on(60)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 2);
        assert!(messages[1].text.starts_with("✅ disk-root recovered after 5 h 3 m, worst 99 %"), "{}", messages[1].text);
        assert_eq!(messages[1].all_buttons().count(), 0);
        world.polite();
        assert_eq!(world.audited("alert.ack", "allowed").await.len(), 1);
    }
}

on_both! {
    /// Three that begin together are one message, whose members have their own pages.
    async fn what_begins_together_is_one_message(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        record(&world, &[change("disk-data", CRITICAL, 99.0, clock.on(4)), change("load-1", WARNING, 92.0, clock.0)]).await;
        tick(&world, clock.on(7)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 1);
        let text = &messages[0].text;
        assert!(text.starts_with("🔴 3 things are wrong\n🔴 disk-data"), "{text}");
        assert!(text.contains("disk-root") && text.contains("load-1"));
        world.presses(ANN, &messages[0], "🟠 disk-root").await;
        let page = world.sees(ANN, "here · disk · warning").await;
        world.presses(ANN, &page, "Ack").await;
        world.sees(ANN, "👤 ann takes care of it").await;
        last_of(&world, &messages[0], "disk-root · 91 % (warning from 90 %) · since").await;
        record(&world, &[change("disk-data", Turn::Cleared, 10.0, clock.on(60))]).await;
        let edited = last_of(&world, &messages[0], "✅ disk-data recovered after").await;
        assert!(edited.text.contains("· 👤 ann"), "{}", edited.text);
        assert!(edited.text.starts_with("🟠 2 things are wrong, 1 over"), "{}", edited.text);
        assert_eq!(edited.all_buttons().count(), 2);
        world.polite();
    }
}

/// Waits until this message reads like this.
async fn last_of(world: &World, message: &Message, words: &str) -> Message {
    let found = |view: &opsgram::sandbox::View<'_>| {
        let now = view.message(message.chat, message.id)?;
        now.text.contains(words).then(|| now.clone())
    };
    match world.sandbox.wait(PATIENCE, words, found).await {
        Ok(message) => message,
        Err(error) => panic!("{error}"),
    }
}

on_both! {
    /// Looking is for viewers, doing for operators, and a stranger gets nothing. In private everybody sees only the buttons that
    /// they may press; in a group, where others may, pressing decides.
    async fn rights_are_read_when_a_button_is_pressed(world) {
        world.script("free", "echo freed", &["role: admin"]);
        let fix = |check: &str| Rule {
            fix: check.starts_with("disk").then(|| Fix { script: "free".to_owned(), auto: false, per_hour: 2 }),
            ..Rule::default()
        };
        begin(&mut world, Some(Arc::new(fix))).await;
        let clock = Clock::new();
        for person in [BEN, CLEO] {
            world.asks(person, person, "/subscribe all").await;
        }
        world.asks(ANN, OPS, "/subscribe all").await;
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.0.plus(Duration::from_secs(11))).await;
        let labels = |message: &Message| -> Vec<String> { message.all_buttons().map(|button| button.text.clone()).collect() };
        let acting = ["Ack", "Snooze 1 h", "Silence…", "Chart"];
        let shown = |chat: i64| labels(&told(&world, chat).pop().unwrap());
        assert_eq!(shown(CLEO), ["Chart"]);
        assert_eq!(shown(BEN), acting);
        assert_eq!(shown(ANN), [&acting[..], &["Fix"]].concat());
        assert_eq!(shown(OPS), [&acting[..], &["Fix"]].concat());
        let message = told(&world, OPS).pop().unwrap();
        for button in ["Ack", "Snooze 1 h", "Silence…"] {
            let words = world.presses(CLEO, &message, button).await;
            assert!(words.unwrap().contains("needs the role operator"));
        }
        for person in [BEN, CLEO] {
            world.presses(person, &message, "Fix").await;
        }
        let data = message.button("Ack").unwrap().data.clone().unwrap();
        assert_eq!(world.forges(STRANGER, STRANGER, &data).await.as_deref(), Some("I do not know you."));
        // A button of yesterday's role says what it needs, too.
        assert!(world.forges(CLEO, CLEO, &data).await.unwrap().contains("needs the role operator"));
        let list = world.asks(CLEO, CLEO, "/alerts").await;
        assert!(list.text.contains("1 thing is wrong"), "{}", list.text);
        world.presses(CLEO, &list, "🟠 disk-root").await;
        let page = world.sees(CLEO, "here · disk · warning").await;
        assert_eq!(labels(&page), ["Chart", "‹ All alerts"]);
        let list = world.asks(BEN, BEN, "/alerts").await;
        world.presses(BEN, &list, "🟠 disk-root").await;
        let page = world.sees(BEN, "here · disk · warning").await;
        assert_eq!(labels(&page), [&acting[..], &["‹ All alerts"]].concat());
        world.asks(ANN, ANN, "/silence load-* 1h").await;
        let silences = world.asks(CLEO, CLEO, "/alerts").await;
        world.presses(CLEO, &silences, "Silences").await;
        let silences = world.sees(CLEO, "load-* is silent until").await;
        assert!(labels(&silences).is_empty(), "{silences:?}");
        assert!(world.asks(CLEO, CLEO, "/silence all 1h").await.text.contains("needs the role operator"));
        assert!(!told(&world, ANN)[0].text.contains("👤"));
        assert_eq!(world.jobs().await, 0);
        assert!(!world.audited("alert.ack", "refused").await.is_empty());
    }
}

on_both! {
    /// What goes on is told again after its time, and not while it is snoozed; then it is.
    async fn what_goes_on_is_told_again(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", CRITICAL, 97.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        tick(&world, clock.on(3 * 3600)).await;
        assert_eq!(told(&world, ANN).len(), 1);
        tick(&world, clock.on(3600)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 2);
        assert!(messages[1].text.contains("Told 2 times.") && !messages[1].silent, "{}", messages[1].text);
        world.presses(ANN, &messages[1], "Snooze 1 h").await;
        last_reads(&world, ANN, "Not told again until").await;
        // The press counts from the real clock; the test's is hours ahead of it.
        let real = Millis::now();
        tick(&world, real.plus(Duration::from_secs(3500))).await;
        assert_eq!(told(&world, ANN).len(), 2);
        tick(&world, real.plus(Duration::from_secs(3700))).await;
        assert_eq!(told(&world, ANN).len(), 3, "the hour is over");
    }
}

on_both! {
    /// A check that comes and goes edits one message.
    async fn what_flaps_rings_once(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        for round in 0..6 {
            let flapping = round > 1;
            for (turn, value) in [(WARNING, 91.0), (Turn::Cleared, 50.0)] {
                let one = change("disk-root", turn, value, clock.on(30));
                record(&world, &[Change { flapping, ..one }]).await;
                tick(&world, clock.on(15)).await;
            }
        }
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 3, "two before it was known to flap, and one that says so");
        assert!(messages[2].text.contains("It comes and goes."), "{}", messages[2].text);
        // What becomes critical meanwhile rings once; when it stays, it is told again like everything else.
        for (turn, value, flapping, rings) in [
            (WARNING, 91.0, true, 3),
            (Turn::Became(Severity::Critical), 98.0, true, 4),
            (Turn::Became(Severity::Warning), 91.0, true, 4),
            (Turn::Became(Severity::Critical), 98.0, true, 4),
            (Turn::Reads, 98.0, false, 4),
        ] {
            let one = change("disk-root", turn, value, clock.on(60));
            record(&world, &[Change { flapping, ..one }]).await;
            tick(&world, clock.on(15)).await;
            assert_eq!(told(&world, ANN).len(), rings, "{turn:?}");
        }
        let last = &told(&world, ANN)[3];
        assert!(!last.silent && !last.text.contains("It comes and goes."), "{}", last.text);
        tick(&world, clock.on(4 * 3600)).await;
        assert_eq!(told(&world, ANN).len(), 5);
    }
}

on_both! {
    /// A check that is removed, or whose machine leads no more, says so, and not that it is well.
    async fn what_is_watched_no_more_did_not_recover(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        let gone = |check: &str, why: &str, at: Millis| Change {
            reading: Err(why.to_owned()),
            limit: None,
            ..change(check, Turn::Cleared, 0.0, at)
        };
        record(&world, &[change("disk-root", CRITICAL, 97.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        record(&world, &[gone("disk-root", "the check was removed", clock.on(60))]).await;
        tick(&world, clock.on(60)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 1);
        let words = "⚪ disk-root: no longer watched, since the check was removed. It was at 97 %.";
        assert_eq!(messages[0].text, words);
        assert_eq!(messages[0].all_buttons().count(), 0);

        record(&world, &[change("disk-data", WARNING, 91.0, clock.on(60)), change("load-1", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        record(&world, &[
            gone("disk-data", "checks run on b now, not on a", clock.on(60)),
            change("load-1", Turn::Cleared, 10.0, clock.0),
        ]).await;
        tick(&world, clock.on(60)).await;
        let last = told(&world, ANN).pop().unwrap();
        assert!(last.text.starts_with("⚪ 2 things were wrong; 1 over, 1 no longer watched"), "{}", last.text);
        assert!(last.text.contains("since checks run on b now, not on a. It was at 91 %."), "{}", last.text);
        let history = world.asks(ANN, ANN, "/alerts history").await;
        let lines: Vec<&str> = history.text.lines().collect();
        assert!(lines[0].starts_with("✅ load-1") || lines[1].starts_with("✅ load-1"), "{}", history.text);
        assert!(lines[2].starts_with("⚪ disk-root") && lines[2].ends_with("then no longer watched"), "{}", history.text);
    }
}
