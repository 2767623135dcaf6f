//! Who is told: subscriptions, broadcasts, the daily digest.

use super::{CRITICAL, Clock, WARNING, begin, change, record, tick, told};
use crate::harness::{ANN, BEN, CLEO, OPS};
use crate::on_both;
use opsgram::access::{By, Change};
use opsgram::base::alert::Turn;
use opsgram::base::ids::UserId;
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::store::silences::{self, About, Silence};
use opsgram::store::{checks, samples};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Tomorrow at 07:00 UTC.
fn tomorrow() -> Millis {
    let day = Millis::now().plus(24 * HOUR).utc().date_naive();
    let at = day.and_hms_opt(7, 0, 0).unwrap().and_utc();
    Millis(at.timestamp_millis())
}

on_both! {
    /// Persons subscribe for themselves, admins for groups; a second time is no news; who lost their role is told nothing.
    async fn subscriptions_say_who_is_told(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        assert!(world.asks(BEN, BEN, "/subscribe disk critical").await.text.contains("this chat is told of what is critical about disk"));
        assert!(world.asks(BEN, BEN, "/subscribe disk critical").await.text.contains("already"));
        assert!(world.asks(BEN, OPS, "/subscribe").await.text.contains("What is this group to be told of?"));
        assert!(world.asks(BEN, OPS, "/subscribe all").await.text.contains("needs the role admin"));
        assert!(world.asks(ANN, OPS, "/subscribe load").await.text.contains("this group is told of everything about load"));
        assert!(world.asks(BEN, BEN, "/subscribe Mars Venus").await.text.contains("I do not understand “venus”"));
        record(&world, &[
            change("disk-root", WARNING, 91.0, clock.0),
            change("disk-data", CRITICAL, 98.0, clock.0),
            change("load-1", WARNING, 91.0, clock.0),
        ]).await;
        tick(&world, clock.on(11)).await;
        assert!(told(&world, ANN)[0].text.contains("3 things are wrong"));
        assert!(told(&world, BEN)[0].text.starts_with("🔴 disk-data"));
        assert!(told(&world, OPS)[0].text.starts_with("🟠 load-1"));
        assert!(world.asks(ANN, ANN, "/subscriptions").await.text.contains("as every owner is"));
        let narrowed = world.asks(ANN, ANN, "/subscribe disk").await.text;
        assert!(narrowed.contains("Until now you were told of everything"), "{narrowed}");
        assert!(!world.asks(ANN, ANN, "/subscribe all").await.text.contains("Until now"));
        assert!(world.asks(ANN, ANN, "/unsubscribe all").await.text.contains("is told of nothing"));
        assert!(world.asks(ANN, ANN, "/unsubscribe all").await.text.contains("already"));
        record(&world, &[change("disk-home", CRITICAL, 91.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        assert_eq!((told(&world, ANN).len(), told(&world, BEN).len()), (2, 2), "ann sees her own 🔕 alone");
        // Another life, in which ben is nobody.
        world.stop().await;
        world.people("access:\n  users:\n    - {id: 111, name: ann, role: owner}\n");
        begin(&mut world, None).await;
        record(&world, &[
            change("disk-var", CRITICAL, 99.0, clock.on(60)),
            change("disk-home", Turn::Cleared, 9.0, clock.0),
        ]).await;
        tick(&world, clock.on(11)).await;
        assert!(told(&world, BEN)[1].text.starts_with("🔴 disk-home"), "not even an edit");
        assert_eq!(told(&world, BEN).len(), 2);
    }
}

on_both! {
    /// Whoever ends a subscription is not told again of what goes on, and sees its end; whoever begins one is told with the
    /// others.
    async fn subscriptions_hold_for_what_goes_on(world) {
        begin(&mut world, None).await;
        assert!(world.asks(BEN, BEN, "/subscribe all").await.text.contains("is told of everything"));
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", CRITICAL, 98.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        let counts = || [ANN, BEN, CLEO].map(|chat| told(&world, chat).len());
        assert_eq!(counts(), [1, 1, 0]);
        assert!(world.asks(BEN, BEN, "/unsubscribe all").await.text.contains("is told of nothing"));
        assert!(world.asks(CLEO, CLEO, "/subscribe disk").await.text.contains("is told of everything about disk"));
        let again = [2, told(&world, BEN).len(), told(&world, CLEO).len()];
        tick(&world, clock.on(4 * 3600)).await;
        tick(&world, clock.on(11)).await;
        assert_eq!(counts(), [again[0], again[1], again[2] + 1]);
        record(&world, &[change("disk-root", Turn::Cleared, 9.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        let texts: Vec<String> = told(&world, BEN).into_iter().map(|message| message.text).collect();
        assert!(texts.iter().any(|text| text.contains("disk-root recovered")), "{texts:?}");
    }
}

on_both! {
    /// A check that names whom to tell leaves out the owners who chose nothing, and they can see so.
    async fn an_owner_sees_which_checks_others_are_told_of(world) {
        world.set("checks:\n  mine: {kind: cpu, warn: 99, notify: [ann]}\n  site: {kind: cpu, warn: 99, notify: [ben]}");
        world.start().await;
        let list = world.asks(ANN, ANN, "/subscriptions").await;
        assert!(list.text.starts_with("🔔 You are told of everything, as every owner is"), "{}", list.text);
        assert!(list.text.contains("But not of site: these"), "{}", list.text);
        world.asks(ANN, ANN, "/subscribe all").await;
        let list = world.asks(ANN, ANN, "/subscriptions").await;
        assert_eq!(list.text, "This chat is told of:\n🔔 everything");
    }
}

on_both! {
    /// Quiet hours of a chat that is told nothing hold nothing back, and say so instead of promising what is critical.
    async fn quiet_hours_alone_promise_nothing(world) {
        begin(&mut world, None).await;
        let made = world.asks(BEN, BEN, "/subscribe quiet 22:00-07:00 UTC").await;
        assert!(made.text.ends_with("Yet this chat is told of nothing. /subscribe changes that."), "{}", made.text);
        let list = world.asks(BEN, BEN, "/subscriptions").await;
        assert_eq!(
            list.text,
            "This chat is told of nothing. /subscribe changes that.\n\
             🌙 Its quiet hours, 22:00–07:00 (UTC), wait until it is told of something."
        );
        world.asks(BEN, BEN, "/subscribe disk").await;
        let list = world.asks(BEN, BEN, "/subscriptions").await;
        assert_eq!(
            list.text,
            "This chat is told of:\n🔔 everything about disk\n🌙 22:00–07:00 (UTC): only what is critical"
        );
        let made = world.asks(ANN, ANN, "/subscribe quiet 22:00-07:00 UTC").await;
        assert!(!made.text.contains("nothing"), "{}", made.text);
        let list = world.asks(ANN, ANN, "/subscriptions").await;
        assert!(list.text.contains("as every owner is") && list.text.contains("only what is critical"), "{}", list.text);
    }
}

on_both! {
    /// A broadcast asks with the number of chats, keeps its lines, and counts who has it.
    async fn a_broadcast_is_counted_truly(world) {
        begin(&mut world, None).await;
        let clock = Clock::new();
        world.asks(ANN, OPS, "/subscribe all").await;
        assert!(world.asks(BEN, BEN, "/broadcast hello").await.text.contains("needs the role admin"));
        assert!(world.asks(ANN, ANN, "/broadcast").await.text.contains("What is to be said?"));
        let fault = opsgram::sandbox::Fault::always(opsgram::sandbox::FaultKind::Forbidden(opsgram::sandbox::Forbidden::Blocked));
        world.sandbox.fault(fault.on("sendMessage").in_chat(CLEO));
        let question = world.asks(ANN, ANN, "/broadcast Restart at <22:00>\n\nSave your work").await;
        assert!(question.text.starts_with("Send this to 4 chats?"), "{}", question.text);
        world.presses(ANN, &question, "Send").await;
        world.sees(BEN, "📣 Restart at <22:00>\n\nSave your work\n— ann").await;
        world.sees(OPS, "📣 Restart").await;
        world.quiet().await;
        tick(&world, clock.0).await;
        let count = world.sees(ANN, "3 of 4 delivered").await;
        assert!(count.text.contains("1 failed. 1 cannot be reached any more"), "{}", count.text);
        assert_eq!(count.id, question.id, "the question became the count");
        world.sandbox.clear_faults();
        assert!(world.asks(ANN, ANN, "/broadcast again").await.text.starts_with("Send this to 3 chats?"));
        world.asks(CLEO, CLEO, "/whoami").await;
        assert!(world.asks(ANN, ANN, "/broadcast again").await.text.starts_with("Send this to 4 chats?"));
        assert_eq!(world.count(BEN, "📣 Restart"), 1);
        assert_eq!(world.audited("broadcast.send", "allowed").await.len(), 1);
    }
}

on_both! {
    /// The day is told once, whatever asks, also late, and then it says so; not with the first start. A clock that was wrong
    /// for a while holds no other day up, and tells none twice.
    async fn the_day_is_told_once(world) {
        world.script("fails", "exit 3", &[]);
        world.set("alerts: {digest: {at: \"08:00\", zone: Europe/Berlin}}");
        begin(&mut world, None).await;
        let day = Duration::from_secs(24 * 3600);
        let at = |text: &str| Millis(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis());
        world.asks(ANN, ANN, "/run fails").await;
        world.sees(ANN, "exit 3").await;
        let tomorrow = Millis::now().plus(day).utc().format("%Y-%m-%d").to_string();
        // In no season is it before 06:00 or after 07:00 UTC.
        let due = at(&format!("{tomorrow}T07:00:00Z"));
        record(&world, &[change("disk-root", CRITICAL, 97.0, due.minus(Duration::from_secs(7200)))]).await;
        let incidents = world.services().incidents.clone();
        assert!(!incidents.digest(due.minus(day)).await.unwrap(), "not with the first start");
        assert!(incidents.digest(due.plus(Duration::from_secs(3600))).await.unwrap());
        assert!(!incidents.digest(due.plus(Duration::from_secs(3660))).await.unwrap());
        world.quiet().await;
        let told = world.sees(ANN, "📅 The day until").await;
        assert!(told.text.contains("1 failed\n❌ fails × 1") || told.text.contains("Jobs: none"), "{}", told.text);
        assert!(told.text.contains("Incidents: 1") && told.text.contains("🔴 disk-root"), "{}", told.text);
        assert!(told.silent);
        let second = due.plus(day).utc().format("%Y-%m-%d").to_string();
        assert!(incidents.digest(due.plus(day).plus(Duration::from_secs(14 * 3600))).await.unwrap());
        assert!(!incidents.digest(due.plus(day).plus(Duration::from_secs(15 * 3600))).await.unwrap());
        let late = world.sees(ANN, &format!("📅 The day until {second}, told late: ")).await;
        assert!(late.silent);
        world.quiet().await;
        assert_eq!(world.count(ANN, "📅"), 2);

        incidents.digest(due.plus(400 * day)).await.unwrap();
        incidents.digest(due.plus(day).plus(Duration::from_secs(16 * 3600))).await.unwrap();
        world.quiet().await;
        assert_eq!(world.count(ANN, &format!("📅 The day until {second}")), 1, "no day is told twice");
        assert!(incidents.digest(due.plus(2 * day).plus(Duration::from_secs(60))).await.unwrap());
        let third = due.plus(2 * day).utc().format("%Y-%m-%d").to_string();
        world.sees(ANN, &format!("📅 The day until {third}")).await;
    }
}

on_both! {
    /// The day tells where disks go and what the next one brings: persons to admins alone, what only admins run as well.
    async fn the_day_tells_what_is_to_come(world) {
        let due = tomorrow();
        let day = due.utc().format("%-d %-m").to_string();
        world.script("backup", "true", &[&format!("schedule: {{when: '30 9 {day} *', zone: UTC}}"), "role: viewer"]);
        world.script("rotate", "true", &[&format!("schedule: {{when: '*/20 10 {day} *', zone: UTC}}"), "role: admin"]);
        world.set("alerts: {digest: {at: \"07:00\", zone: UTC}}\nmonitored_devices: [{name: root, path: /}]");
        begin(&mut world, None).await;
        world.asks(BEN, BEN, "/subscribe all").await;
        let services = world.services().clone();
        services.schedules.step(Millis::now()).await.unwrap();
        let eve = Change::Role {
            user: UserId(777),
            name: "eve".to_owned(),
            role: Role::Operator,
            until: Some(due.plus(5 * HOUR)),
        };
        services.access.change(&By::CommandLine("root".to_owned()), eve).await.unwrap();
        let incidents = &services.incidents;
        assert!(!incidents.digest(due.minus(24 * HOUR)).await.unwrap(), "not with the first start");

        let mut tx = services.store.begin().await.unwrap();
        for hours in (0..=7 * 24).rev() {
            // The disk of 100 GB gets 3 GB a day; the other one stays as it is, and the third is of a machine that is gone.
            let free = 9e9 + f64::from(hours) * 3e9 / 24.0;
            let values = |free: f64| [
                ("disk:/".to_owned(), 100.0 - free / 1e9),
                ("free:/".to_owned(), free),
                ("disk:/calm".to_owned(), 40.0),
                ("free:/calm".to_owned(), 60e9),
            ];
            samples::add(&mut tx, "web", "boot", due.minus(HOUR * hours), &values(free)).await.unwrap();
            if hours > 24 {
                samples::add(&mut tx, "gone", "boot", due.minus(HOUR * hours), &values(1e9)).await.unwrap();
            }
        }
        samples::roll(&mut tx, "web", due).await.unwrap();
        let silence = |id: i64, until: Millis| Silence {
            id,
            about: About::Topic("disk".to_owned()),
            host: Some("web".to_owned()),
            until,
            reason: None,
            by: (UserId(ANN), "ann".to_owned()),
        };
        silences::put(&mut tx, &silence(1001, due.plus(3 * HOUR)), due).await.unwrap();
        silences::put(&mut tx, &silence(1002, due.plus(48 * HOUR)), due).await.unwrap();
        for (name, days) in [("shop", 12), ("far", 90)] {
            let ends = due.plus(24 * HOUR * days).plus(HOUR);
            let row = checks::Row {
                host: "web".to_owned(),
                name: name.to_owned(),
                topic: "web".to_owned(),
                version: 1,
                state: "{}".to_owned(),
                memory: format!("{{\"of\":\"\",\"memory\":{{\"certificate_ends\":{}}}}}", ends.0),
                reading: "null".to_owned(),
                since: None,
                due,
            };
            checks::put(&mut tx, &row, due).await.unwrap();
        }
        services.store.commit(tx).await.unwrap();

        assert!(incidents.digest(due.plus(Duration::from_secs(60))).await.unwrap());
        world.quiet().await;
        let shared = [
            "\nDisks\n💽 root · 91 % · 3 GB more in a day · full in about 3 days\n\nThe next 24 hours\n⏰ 09:30 backup\n",
            "🔒 The certificate of shop ends in about 12 days\n🔕 topic:disk host:web is silent until 10:00",
        ].map(str::to_owned);
        let theirs = ["⏰ 10:00 rotate × 3\n", "👤 eve is operator until 12:00"];
        let (ann, ben) = (world.sees(ANN, "📅 The day until").await, world.sees(BEN, "📅 The day until").await);
        for part in &shared {
            assert!(ann.text.contains(part), "{part} in {}", ann.text);
            assert!(ben.text.contains(part), "{part} in {}", ben.text);
        }
        for part in theirs {
            assert!(ann.text.contains(part), "{part} in {}", ann.text);
            assert!(!ben.text.contains(part), "{part} in {}", ben.text);
        }
        assert!(!ann.text.contains("calm") && !ann.text.contains("far"), "{}", ann.text);

        // The next day: the samples are old, what was due is over, and everything is frozen.
        world.asks(ANN, ANN, "/freeze moving house").await;
        assert!(incidents.digest(due.plus(24 * HOUR)).await.unwrap());
        world.quiet().await;
        let next = due.plus(24 * HOUR).utc().format("📅 The day until %Y-%m-%d").to_string();
        let ann = world.sees(ANN, &next).await;
        assert!(!ann.text.contains("Disks") && !ann.text.contains("👤"), "{}", ann.text);
        assert!(ann.text.contains("🧊 Everything is frozen, so nothing runs by itself: /unfreeze\n🔒"), "{}", ann.text);
    }
}
