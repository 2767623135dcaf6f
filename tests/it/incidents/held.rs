//! What is held back, and the one message that tells it when that is over.

use super::{CRITICAL, Clock, WARNING, begin, change, record, tick, told};
use crate::harness::ANN;
use crate::on_both;
use opsgram::base::alert::Turn;
use opsgram::base::time::Millis;
use std::time::Duration;

on_both! {
    /// A silence holds back what begins; when it ends, one message says what there was and what is still wrong.
    async fn a_silence_ends_with_one_summary(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        let made = world.asks(ANN, ANN, "/silence disk-* 2h cleaning up").await;
        assert!(made.text.contains("disk-* is silent until") && made.text.contains("cleaning up"), "{}", made.text);
        record(&world, &[
            change("disk-root", CRITICAL, 97.0, clock.on(60)),
            change("disk-data", WARNING, 91.0, clock.0),
            change("load-1", WARNING, 91.0, clock.0),
        ]).await;
        tick(&world, clock.on(11)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 2, "the silence itself, and what it is not about");
        assert!(messages[1].text.starts_with("🟠 load-1"));
        record(&world, &[change("disk-data", Turn::Cleared, 10.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        assert_eq!(told(&world, ANN).len(), 2);
        let list = world.asks(ANN, ANN, "/silence").await;
        assert!(list.text.contains("disk-*"), "{}", list.text);
        world.presses(ANN, &list, "End disk-*").await;
        world.sees(ANN, "The silence has ended").await;
        tick(&world, clock.on(11)).await;
        let summary = told(&world, ANN).pop().unwrap();
        assert!(summary.text.starts_with("🔕 Not told until now: 1 still wrong, 1 over"), "{}", summary.text);
        assert!(summary.text.contains("🔴 disk-root · 97 %") && summary.text.contains("✅ disk-data recovered after"));
        assert!(summary.button("🔴 disk-root").is_some());
        let before = told(&world, ANN).len();
        tick(&world, clock.on(11)).await;
        assert_eq!(told(&world, ANN).len(), before, "once");
        record(&world, &[change("disk-root", Turn::Cleared, 10.0, clock.on(60))]).await;
        world.quiet().await;
        assert!(told(&world, ANN).pop().unwrap().text.contains("all of it is over"));
    }
}

on_both! {
    /// At night only what is critical passes; in the morning one message tells the rest.
    async fn quiet_hours_hold_back_all_but_what_is_critical(world) {
        begin(&mut world, None).await;
        // A night that lasts for the next hour, by the clock of UTC.
        let now = Millis::now();
        let hour = |at: Millis| at.utc().format("%H:%M").to_string();
        let end = now.plus(Duration::from_secs(3600));
        let asked = format!("/subscribe quiet {}-{} UTC", hour(now.minus(Duration::from_secs(60))), hour(end));
        assert!(world.asks(ANN, ANN, &asked).await.text.contains("only what is critical"));
        let mut clock = Clock(now);
        record(&world, &[
            change("disk-root", CRITICAL, 97.0, clock.on(60)),
            change("disk-data", WARNING, 91.0, clock.0),
            change("load-1", WARNING, 91.0, clock.0),
        ]).await;
        tick(&world, clock.on(11)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].text.starts_with("🔴 disk-root"), "{}", messages[0].text);
        record(&world, &[change("load-1", Turn::Cleared, 10.0, clock.on(60))]).await;
        // It gets worse at night: that passes, too.
        record(&world, &[change("disk-data", Turn::Became(opsgram::base::alert::Severity::Critical), 98.0, clock.on(60))]).await;
        tick(&world, clock.on(1)).await;
        assert_eq!(told(&world, ANN).len(), 2);
        tick(&world, end.plus(Duration::from_secs(61))).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 3);
        assert!(messages[2].text.contains("load-1 recovered after") && messages[2].silent, "{}", messages[2].text);
    }
}

on_both! {
    /// What follows from another incident is not told; the cause says how many there are.
    async fn a_cause_hides_what_follows_from_it(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        record(&world, &[
            change("url-shop", WARNING, 91.0, clock.0),
            change("network-up", CRITICAL, 97.0, clock.on(2)),
            change("tcp-db", WARNING, 91.0, clock.0),
        ]).await;
        tick(&world, clock.on(11)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].text.contains("2 more follow from it"), "{}", messages[0].text);
        record(&world, &[change("network-up", Turn::Cleared, 10.0, clock.on(60))]).await;
        record(&world, &[change("url-shop", Turn::Cleared, 10.0, clock.on(60))]).await;
        tick(&world, clock.on(10)).await;
        assert_eq!(told(&world, ANN).len(), 1, "they have time to get well");
        tick(&world, clock.on(130)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 2);
        assert!(messages[1].text.starts_with("🟠 tcp-db"), "{}", messages[1].text);
    }
}
