//! From a real cause to a message, and back: checks, incidents, `/status` and charts as one.

use crate::harness::tools::until;
use crate::harness::{ANN, CLEO, UNWATCHED, World};
use crate::on_both;
use opsgram::sandbox::Message;
use std::fs;
use std::path::PathBuf;

/// Watches a shop once a second, and tells at once; it is as the file says: 0 well, 1 a warning, 2 critical.
fn watch_a_shop(world: &mut World) -> PathBuf {
    let state = world.path().join("state");
    fs::write(&state, "0").unwrap();
    let run = format!(
        "[/bin/sh, -c, 'echo shop says no; exit $(cat {})']",
        state.display()
    );
    let check = format!("{{kind: script, run: {run}, every: 1s, for: 0s, topic: disk, fix: mend}}");
    world.set(&format!(
        "alerts: {{group_wait: 0s}}\nchecks:\n  shop: {check}\n{UNWATCHED}"
    ));
    world.script("mend", &format!("echo 0 > {}", state.display()), &[]);
    for person in [ANN, CLEO] {
        world.sandbox.open_private(person);
    }
    state
}

on_both! {
    /// What fails is one message, which worsens, is taken care of, and recovers in place.
    async fn one_message_from_the_failure_to_the_end(world) {
        let state = watch_a_shop(&mut world);
        world.start().await;
        fs::write(&state, "1").unwrap();
        let told = world.sees(ANN, "shop says no").await;
        assert!(told.text.contains("shop") && !told.silent, "{}", told.text);
        let status = world.asks(CLEO, CLEO, "/status").await;
        assert!(status.text.contains("shop says no"), "{}", status.text);
        let alerts = world.asks(CLEO, CLEO, "/alerts").await;
        assert!(alerts.text.starts_with("1 thing is wrong"), "{}", alerts.text);
        world.presses(ANN, &told, "Ack").await;
        world.sees(ANN, "ann takes care of it").await;
        fs::write(&state, "2").unwrap();
        // Critical is a message of its own, with a sound.
        let rings = |message: &Message| message.text.contains("🔴 shop") && message.id != told.id && !message.silent;
        until("the message that rings", || world.sandbox.messages(ANN).iter().any(rings)).await;
        fs::write(&state, "0").unwrap();
        world.sees(ANN, "recovered after").await;
        let calm = world.asks(CLEO, CLEO, "/alerts").await;
        assert!(calm.text.contains("Nothing is wrong"), "{}", calm.text);
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// The button under an alert mends what is wrong, by a job like any other. There is a chart only of what is measured,
    /// whatever the topic.
    async fn the_buttons_of_an_alert_do_what_they_say(world) {
        let state = watch_a_shop(&mut world);
        world.start().await;
        fs::write(&state, "2").unwrap();
        let told = world.sees(ANN, "shop says no").await;
        assert!(told.button("Chart").is_none(), "{told:?}");
        world.presses(ANN, &told, "Fix").await;
        let asked = world.sees(ANN, "mend").await;
        world.presses(ANN, &asked, "Run").await;
        world.sees(ANN, "✅ mend").await;
        world.sees(ANN, "recovered after").await;
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// The chart of an alert shows what its check looks at, by whatever topic it is told.
    async fn the_chart_of_an_alert_is_that_of_its_check(world) {
        let now = "every: 1s, for: 0s, warn: 0";
        world.set(&format!(
            "alerts: {{group_wait: 0s}}\nchecks:\n  full: {{kind: disk, path: /, topic: storage, {now}}}\n{UNWATCHED}  busy: {{kind: load, topic: cpu, {now}}}\n"
        ));
        world.sandbox.open_private(ANN);
        world.start().await;
        let host = opsgram::drivers::host::name();
        for check in ["full", "busy"] {
            until(check, || world.sandbox.messages(ANN).iter().any(|message| message.text.contains(check))).await;
        }
        for number in [1, 2] {
            let page = world.asks(ANN, ANN, &format!("/alerts {number}")).await;
            let title = if page.text.contains("full") { "Disks" } else { "Load" };
            world.presses(ANN, &page, "Chart").await;
            world.sees(ANN, &format!("{title} of {host}, last 1 h")).await;
        }
        for title in ["Disks", "Load"] {
            assert_eq!(world.count(ANN, &format!("{title} of {host}")), 1, "{title}");
        }
        let alerts = world.asks(ANN, ANN, "/status").await;
        assert!(alerts.text.contains("🟠 / ") && alerts.text.contains("🟠 Load"), "{}", alerts.text);
    }
}

on_both! {
    /// An alert that was raised and not delivered when the bot was killed is told once by the next start.
    async fn a_restart_in_an_incident_tells_it_once(world) {
        let state = watch_a_shop(&mut world);
        world.start().await;
        fs::write(&state, "2").unwrap();
        world.sees(ANN, "shop says no").await;
        world.stop().await;
        world.start().await;
        fs::write(&state, "0").unwrap();
        world.sees(ANN, "recovered after").await;
        world.quiet().await;
        let told = world.sandbox.messages(ANN).into_iter();
        let told = told.filter(|message| message.text.contains("shop says no") || message.text.contains("recovered"));
        assert_eq!(told.count(), 1, "one incident is one message");
        world.polite();
    }
}

on_both! {
    /// A slip in a name is neither a silence nor a subscription: who made it would think that all is well.
    async fn a_slip_in_a_name_subscribes_nothing(world) {
        watch_a_shop(&mut world);
        world.start().await;
        for (text, answer) in [
            ("/subscribe dsik", "There is no topic “dsik”. Did you mean disk?"),
            ("/subscribe shop", "shop is a check; its topic is disk. Write /subscribe disk."),
            ("/subscribe critcal", "There is no topic “critcal”. Did you mean critical?"),
            ("/subscribe disk quiet 22:00-07:00 Berlin", "/subscribe quiet 22:00-07:00 Europe/Berlin"),
            ("/unsubscribe disk", "This chat had no subscription to the topic disk. /subscriptions shows what it is told."),
        ] {
            let told = world.asks(ANN, ANN, text).await;
            assert!(told.text.contains(answer), "{text}: {}", told.text);
        }
        // What is not there yet may come; it is said.
        let made = world.asks(ANN, ANN, "/subscribe planned").await;
        assert!(made.text.contains("No check has the topic “planned” now."), "{}", made.text);
    }
}
