//! What is held back, and the one message that tells it when that is over.

use super::{CRITICAL, Clock, WARNING, begin, change, record, tick, told};
use crate::harness::{ANN, CLEO, UNWATCHED};
use crate::on_both;
use opsgram::base::alert::{Change, Reading, Turn, Unit};
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
    /// The lists of what is wrong say what is silenced or snoozed, and until when, as the page of an incident does.
    async fn lists_say_until_when_something_is_not_told(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        record(&world, &[
            change("disk-root", CRITICAL, 97.0, clock.0),
            change("load-1", WARNING, 91.0, clock.0),
            change("swap-1", WARNING, 91.0, clock.0),
        ]).await;
        tick(&world, clock.on(11)).await;
        world.asks(ANN, ANN, "/silence topic:disk 1h").await;
        let made = world.asks(ANN, ANN, "/silence disk-* 2h").await.text;
        let until = made.split("silent until ").nth(1).and_then(|rest| rest.split(" · ").next()).unwrap();
        let list = world.asks(ANN, ANN, "/alerts").await;
        world.presses(ANN, &list, "🟠 load-1").await;
        let page = world.sees(ANN, "here · load · warning").await;
        world.presses(ANN, &page, "Snooze 1 h").await;
        let list = world.asks(ANN, ANN, "/alerts").await;
        let status = world.asks(ANN, ANN, "/status").await;
        for shown in [&list.text, &status.text] {
            let line = |check: &str| shown.lines().find(|line| line.contains(check)).unwrap();
            assert!(line("disk-root").ends_with(&format!(" · 🔕 silenced until {until}")), "{shown}");
            assert!(line("load-1").contains(" · 😴 snoozed until "), "{shown}");
            assert!(!line("swap-1").contains("until"), "{shown}");
        }
        world.presses(ANN, &list, "🔴 disk-root").await;
        let page = world.sees(ANN, "here · disk · critical").await;
        assert!(page.text.contains(&format!("🔕 Silenced until {until} (ann)")), "{}", page.text);
        world.polite();
    }
}

on_both! {
    /// What there is not is refused with what was probably meant; a silence of one machine holds nothing else back.
    async fn a_silence_is_about_what_there_is(world) {
        world.set(&format!("checks:\n{UNWATCHED}  shop: {{kind: load, warn: 10000, topic: web}}\n"));
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        for (asked, words) in [
            ("/silence shpo 2h", "There is no check “shpo”. Did you mean shop? topic:disk is a whole topic"),
            ("/silence web 2h", "There is no check “web”. But there is a topic of this name: /silence topic:web 2h."),
            ("/silence topic:wbe 2h", "No check has the topic “wbe”. Did you mean topic:web?"),
            ("/silence shop host:heer 2h", "I know no machine “heer”. Did you mean host:here?"),
            ("/silence host: 2h", "Which machine?"),
            ("/silence host:here host:here 2h", "A silence is for one machine or for all."),
            ("/silence shop", "For how long?"),
            ("/silence host:here", "For how long?"),
            ("/silence shop soon", "“soon” is not a time"),
            ("/silence 2h", "What is to be silent for 2h?"),
            ("/silence 2h shpo", "There is no check “shpo”. Did you mean shop?"),
            ("/alerts shpo", "There is no check “shpo”. Did you mean shop?"),
            ("/alerts web", "“web” is a topic. Its checks are shop."),
            ("/alerts here", "“here” is a machine, not a check."),
            ("/silence shop 1s", "A silence lasts 1m to 30d"),
        ] {
            let told = world.asks(ANN, ANN, asked).await;
            assert!(told.text.contains(words), "{asked}: {}", told.text);
        }
        let refused = world.asks(CLEO, CLEO, "/silence shpo 2h").await;
        assert!(refused.text.contains("needs the role operator"), "{}", refused.text);
        assert!(world.asks(ANN, ANN, "/silence").await.text.contains("Nothing is silenced"));

        let swapped = world.asks(ANN, ANN, "/silence 2h shop new version").await;
        assert!(swapped.text.contains("shop is silent until") && swapped.text.contains(" · new version"), "{}", swapped.text);
        let all = world.asks(ANN, ANN, "/silence topic:web 2h").await;
        assert!(all.text.contains("topic:web is silent") && all.text.contains("Now that is 1 check: shop."), "{}", all.text);
        let none = world.asks(ANN, ANN, "/silence backup-* 2h").await;
        assert!(none.text.contains("No check is like that now; one that comes is held back."), "{}", none.text);
        let made = world.asks(ANN, ANN, "/silence disk-* host:HERE 2h new cable").await;
        assert!(made.text.contains("disk-* host:here is silent until") && made.text.contains("new cable"), "{}", made.text);
        assert!(made.text.contains("Now that is 1 check: disk-root."), "{}", made.text);
        let before = told(&world, ANN).len();
        let there = |check: &str| Change { host: "there".to_owned(), ..change(check, CRITICAL, 97.0, clock.0) };
        record(&world, &[there("disk-data"), change("disk-home", CRITICAL, 97.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), before + 1, "{messages:#?}");
        assert!(messages[before].text.starts_with("🔴 disk-data"), "{}", messages[before].text);
        let list = world.asks(ANN, ANN, "/silence").await;
        world.presses(ANN, &list, "End disk-* host:here").await;
        world.sees(ANN, "The silence has ended").await;
        tick(&world, clock.on(11)).await;
        let summary = told(&world, ANN).pop().unwrap();
        assert!(summary.text.contains("disk-root") && summary.text.contains("disk-home"), "{}", summary.text);
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
    /// What was snoozed until the night is told again in the morning.
    async fn a_snooze_that_ends_at_night_is_not_forgotten(world) {
        begin(&mut world, None).await;
        let now = Millis::now();
        let hour = |at: Millis| at.utc().format("%H:%M").to_string();
        let end = now.plus(Duration::from_secs(2 * 3600));
        let asked = format!("/subscribe quiet {}-{} UTC", hour(now.minus(Duration::from_secs(60))), hour(end));
        assert!(world.asks(ANN, ANN, &asked).await.text.contains("only what is critical"));
        record(&world, &[change("disk-root", CRITICAL, 97.0, now)]).await;
        tick(&world, now.plus(Duration::from_secs(11))).await;
        let told_first = told(&world, ANN).remove(0);
        world.presses(ANN, &told_first, "Snooze 1 h").await;
        let eased = Turn::Became(opsgram::base::alert::Severity::Warning);
        record(&world, &[change("disk-root", eased, 91.0, now.plus(Duration::from_secs(60)))]).await;
        for (seconds, messages) in [(3700, 1), (2 * 3600 - 70, 1), (2 * 3600 + 61, 2), (3 * 3600, 2)] {
            tick(&world, now.plus(Duration::from_secs(seconds))).await;
            assert_eq!(told(&world, ANN).len(), messages, "{seconds}");
        }
        let last = told(&world, ANN).remove(1);
        assert!(!last.text.contains("Not told again until"), "{}", last.text);
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

on_both! {
    /// Pages, ports and names that cannot be reached at about the same time are one message about the way there, which
    /// names them, whatever topics they have; what is not reached much later is told by itself, and what is only refused.
    async fn a_dead_network_is_one_message(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        let missed = |check: &str, unreached: bool, at: Millis| {
            let reading = Reading {
                value: None,
                unit: Unit::Seconds,
                note: Some(format!("{check}: there is no answer in time")),
                unreached,
            };
            Change { reading: Ok(reading), limit: None, ..change(check, CRITICAL, 0.0, at) }
        };
        record(&world, &[missed("shop", true, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        record(&world, &[missed("mail", true, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        record(&world, &[missed("names", true, clock.on(60)), missed("refuses", false, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 2, "{messages:?}");
        let text = &messages[0].text;
        assert!(text.contains("2 more cannot be reached from here either: mail, names. It may be its network"), "{text}");
        assert!(messages[1].text.starts_with("🔴 refuses"), "{}", messages[1].text);
        record(&world, &[missed("later", true, clock.on(600))]).await;
        tick(&world, clock.on(11)).await;
        assert!(told(&world, ANN).pop().unwrap().text.starts_with("🔴 later"));
        // Silenced, it is told to nobody, and so hides nothing.
        world.asks(ANN, ANN, "/silence shop 1h").await;
        tick(&world, clock.on(11)).await;
        tick(&world, clock.on(130)).await;
        let last = told(&world, ANN).pop().unwrap();
        assert!(last.text.contains("mail") || last.text.contains("names"), "{}", last.text);
    }
}
