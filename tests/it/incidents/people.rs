//! Who is told: subscriptions, broadcasts, the daily digest.

use super::{CRITICAL, Clock, WARNING, begin, change, record, tick, told};
use crate::harness::{ANN, BEN, CLEO, OPS};
use crate::on_both;
use opsgram::base::alert::Turn;
use opsgram::base::time::Millis;
use std::time::Duration;

on_both! {
    /// Persons subscribe for themselves, admins for groups; a second time is no news; who lost their role is told nothing.
    async fn subscriptions_say_who_is_told(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        assert!(world.asks(BEN, BEN, "/subscribe disk critical").await.text.contains("this chat is told of the topic disk that is critical"));
        assert!(world.asks(BEN, BEN, "/subscribe disk critical").await.text.contains("already"));
        assert!(world.asks(BEN, OPS, "/subscribe").await.text.contains("What is this group to be told of?"));
        assert!(world.asks(BEN, OPS, "/subscribe all").await.text.contains("needs the role admin"));
        assert!(world.asks(ANN, OPS, "/subscribe load").await.text.contains("this group is told of the topic load"));
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
    /// The day is told once, whatever asks, also late; not with the first start, and not after six hours.
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
        assert!(!incidents.digest(due.plus(day).plus(Duration::from_secs(8 * 3600))).await.unwrap(), "too late");
        world.quiet().await;
        assert_eq!(world.count(ANN, "📅"), 1);
    }
}
