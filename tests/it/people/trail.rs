//! The audit trail: filtered, paged, exported, never changed.

use super::{DAN, HOUR, ONLY_ANN, now};
use crate::harness::{ANN, BEN};
use crate::on_both;
use opsgram::base::role::Role;
use opsgram::store::audit;
use std::time::Duration;

on_both! {
    /// The trail is filtered and paged in one message, and comes whole as a file.
    async fn the_trail_is_filtered_paged_and_exported(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        world.give(&[(BEN, "ben", Role::Viewer), (DAN, "dan", Role::Admin)]).await;
        for _ in 0..12 {
            world.asks(BEN, BEN, "/run hello").await;
        }
        world.asks(BEN, BEN, "/status").await;
        world.quiet().await;
        let page = world.asks(DAN, DAN, "/audit ben refused 5").await;
        assert_eq!(page.text.lines().count(), 5, "{}", page.text);
        assert!(page.text.lines().all(|line| line.contains("⛔ ben tried to run hello")), "{}", page.text);
        assert!(page.button("‹ Newer").is_none());
        world.presses(DAN, &page, "Older ›").await;
        world.quiet().await;
        let older = world.sandbox.messages(DAN).into_iter().find(|m| m.id == page.id).unwrap();
        assert_eq!(older.text.lines().count(), 5);
        world.presses(DAN, &older, "Older ›").await;
        world.quiet().await;
        let oldest = world.sandbox.messages(DAN).into_iter().find(|m| m.id == page.id).unwrap();
        assert_eq!(oldest.text.lines().count(), 2, "{}", oldest.text);
        assert!(oldest.button("Older ›").is_none());
        world.presses(DAN, &oldest, "‹ Newer").await;
        world.quiet().await;
        let back = world.sandbox.messages(DAN).into_iter().find(|m| m.id == page.id).unwrap();
        assert_eq!(back.text.lines().count(), 5);
        let by_area = world.asks(DAN, DAN, "/audit member").await;
        assert!(by_area.text.contains("root made ben (222) viewer"), "{}", by_area.text);
        assert!(!by_area.text.contains("tried to run"), "{}", by_area.text);
        for area in ["alert", "schedule", "freeze", "broadcast"] {
            let none = world.asks(DAN, DAN, &format!("/audit {area}")).await;
            assert_eq!(none.text, "There is nothing of the kind.");
        }
        let nothing = world.asks(DAN, DAN, "/audit owner.claim").await;
        assert_eq!(nothing.text, "There is nothing of the kind.");
        let unknown = world.asks(DAN, DAN, "/audit nobody-of-that-name").await;
        assert!(unknown.text.contains("I know nobody called"), "{}", unknown.text);
        for wrong in ["/audit export 0", "/audit export 400", "/audit export x", "/audit export 1 2", "/audit ben dan"] {
            let told = world.asks(DAN, DAN, wrong).await;
            assert!(told.document.is_none(), "{wrong}");
        }
        let sent = world.asks(DAN, DAN, "/audit export 1").await;
        let file = sent.document.clone().unwrap_or_else(|| panic!("{}", sent.text));
        assert!(file.name.starts_with("audit-") && file.name.ends_with(".jsonl"), "{}", file.name);
        let lines: Vec<serde_json::Value> = String::from_utf8(file.bytes.to_vec())
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(lines.iter().filter(|line| line["action"] == "script.run").count() >= 12);
        assert!(lines.windows(2).all(|pair| pair[0]["at"].as_i64() <= pair[1]["at"].as_i64()), "oldest first");
        world.quiet().await;
        assert_eq!(world.audited("audit.export", "allowed").await.len(), 1, "the export is in the trail, too");
        world.polite();
    }
}

on_both! {
    /// Nobody changes or removes a line of the trail, not even with the database in hand; what is a year old goes.
    async fn the_trail_is_only_added_to(world) {
        world.start().await;
        world.asks(ANN, ANN, "/status").await;
        world.quiet().await;
        let store = world.services().store.clone();
        for wrong in ["UPDATE audit SET result = 'refused'", "DELETE FROM audit", "UPDATE audit SET actor_id = 1 WHERE id > 0"] {
            let mut tx = store.begin().await.unwrap();
            let done = sqlx::query(wrong).execute(&mut *tx).await;
            assert!(done.is_err(), "{wrong}");
        }
        let lines = world.audit().await;
        assert_eq!(lines.iter().filter(|l| l.action == "status.show").count(), 1);
        let year = Duration::from_secs(366 * 24 * 3600);
        let mut old = lines[0].clone();
        old.at = now().minus(year);
        let mut tx = store.begin().await.unwrap();
        audit::add(&mut tx, &old).await.unwrap();
        assert_eq!(audit::prune(&mut tx, now().minus(year - HOUR)).await.unwrap(), 1);
        store.commit(tx).await.unwrap();
        assert_eq!(world.audit().await.len(), lines.len());
    }
}
