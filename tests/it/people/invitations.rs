//! Invitations: one person, once, while the inviter may; whatever else is tried.

use super::{DAN, EVE, ONLY_ANN, cli, now, rows};
use crate::harness::{ANN, BEN, OPS, STRANGER};
use crate::on_both;
use opsgram::access::Change;
use opsgram::base::ids::UserId;
use opsgram::base::role::Role;
use opsgram::sandbox::{Fault, FaultKind};

on_both! {
    /// A link makes one stranger known, once; of two at the same moment one wins; the inviter and the owners hear of it.
    async fn an_invitation_lets_one_in_once(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        world.give(&[(DAN, "dan", Role::Admin)]).await;
        let (made, code) = world.invites(DAN, "/invite operator 2d").await;
        assert!(made.text.contains("https://t.me/sandbox_bot?start=inv_"), "{}", made.text);
        assert!(code.len() <= 64 && code.len() >= 30, "{code}");
        world.say(BEN, &format!("/start {code}"));
        world.say(STRANGER, &format!("/start {code}"));
        world.quiet().await;
        let known = [BEN, STRANGER].into_iter().filter(|id| world.role_of(*id) == Some(Role::Operator));
        let known: Vec<_> = known.collect();
        assert_eq!(known.len(), 1, "one of two at once");
        let (winner, loser) = (known[0], BEN + STRANGER - known[0]);
        world.sees(winner, "You are operator now.").await;
        world.sees(loser, "This invitation does not hold").await;
        for owner in [ANN, DAN] {
            world.sees(owner, "used the invitation of dan and is now operator.").await;
        }
        let page = world.asks(ANN, ANN, &format!("/grant {winner}")).await;
        assert!(page.text.contains("invited by dan "), "{}", page.text);
        assert_eq!(world.audited("invite.use", "done").await.len(), 1);
        assert!(world.asks(winner, winner, "/run hello").await.text.contains("hello · #1"));
        world.say(EVE, &format!("/start {code}"));
        world.quiet().await;
        assert_eq!(world.role_of(EVE), None, "not a second time");
        world.polite();
    }
}

on_both! {
    /// Of a code only the hash is kept: neither the table nor the trail nor the outbox holds it.
    async fn the_code_of_an_invitation_is_kept_nowhere(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        // Also when the answer does not go at once: it waits in memory, and no row holds it.
        for kind in [FaultKind::TooManyRequests(1), FaultKind::DropBefore] {
            world.sandbox.fault(Fault::once(kind).on("sendMessage").in_chat(ANN));
        }
        let (_, code) = world.invites(ANN, "/invite viewer").await;
        world.quiet().await;
        assert_eq!(world.sandbox.faults_left(), 0);
        let secret = code.strip_prefix("inv_").unwrap();
        let store = world.services().store.clone();
        assert_eq!(rows(&store, "SELECT COUNT(*) FROM outbox").await, 0, "no row was made of it");
        for (table, column) in [("invites", "hash"), ("audit", "arguments"), ("audit", "target"), ("outbox", "payload"), ("inbox", "payload"), ("intents", "payload")] {
            use sqlx::Row;
            let mut db = store.read().await.unwrap();
            let query = format!("SELECT {column} FROM {table}");
            for row in sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut *db).await.unwrap() {
                let text: String = row.get(0);
                assert!(!text.contains(secret), "{table}.{column}");
            }
        }
        assert_eq!(rows(&store, "SELECT COUNT(*) FROM invites WHERE LENGTH(hash) = 64").await, 1);
    }
}

on_both! {
    /// Forged, altered, in a group, forwarded, withdrawn, expired: none of it lets anybody in.
    async fn a_wrong_invitation_lets_nobody_in(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.sandbox.set_privacy(false);
        world.start().await;
        let (made, code) = world.invites(ANN, "/invite owner 1h").await;
        let mut altered = code.clone();
        altered.replace_range(10..11, if code[10..11] == *"A" { "B" } else { "A" });
        let hash_like = "a".repeat(64);
        for text in [
            format!("/start {altered}"), format!("/start {}", &code[..code.len() - 1]), format!("/start {code}x"),
            format!("/start {}", code.to_lowercase()), "/start inv_".to_owned(), format!("/start inv_{hash_like}"),
            "/start inv_' OR '1'='1".to_owned(), format!("/start  {} x", code), code.clone(), "/start inv_\0".to_owned(),
        ] {
            world.say(STRANGER, &text);
        }
        world.sandbox.say(STRANGER, OPS, &format!("/start {code}"));
        world.sandbox.speak(STRANGER, STRANGER).forwarded_from(ANN).text(&format!("/start {code}"));
        world.quiet().await;
        assert_eq!(world.role_of(STRANGER), None);
        let own = world.asks(ANN, OPS, &format!("/start {code}")).await;
        assert!(own.text.contains("Everybody here can read this one now"), "{}", own.text);
        let already = world.asks(ANN, ANN, &format!("/start {code}")).await;
        assert!(already.text.contains("You are owner already"), "{}", already.text);
        world.presses(ANN, &made, "Withdraw it").await;
        world.sees(ANN, "The invitation is withdrawn.").await;
        world.say(STRANGER, &format!("/start {code}"));
        world.quiet().await;
        assert_eq!(world.role_of(STRANGER), None);

        let (_, code) = world.invites(ANN, "/invite operator 1h").await;
        let store = world.services().store.clone();
        let mut tx = store.begin().await.unwrap();
        sqlx::query("UPDATE invites SET expires_at = $1 WHERE closed_at IS NULL").bind(now().0).execute(&mut *tx).await.unwrap();
        store.commit(tx).await.unwrap();
        world.say(STRANGER, &format!("/start {code}"));
        world.quiet().await;
        assert_eq!(world.role_of(STRANGER), None, "expired");
        assert_eq!(world.audited("invite.use", "refused").await.len(), 1);
        for wrong in ["/invite operator 1s", "/invite operator 31d", "/invite chef 1h", "/invite operator 1h x", "/invite operator soon"] {
            let told = world.asks(ANN, ANN, wrong).await;
            assert!(!told.text.contains("start="), "{wrong}: {}", told.text);
        }
        let in_group = world.asks(ANN, OPS, "/invite viewer 1h").await;
        assert!(in_group.text.contains("our private chat"), "{}", in_group.text);
        world.polite();
    }
}

on_both! {
    /// What an inviter may not give any more, his open invitations do not give either.
    async fn the_invitations_of_a_demoted_inviter_are_void(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        world.give(&[(DAN, "dan", Role::Admin), (EVE, "eve", Role::Owner)]).await;
        let (_, by_dan) = world.invites(DAN, "/invite operator 2d").await;
        let (_, by_eve) = world.invites(EVE, "/invite admin 2d").await;
        let (_, lower) = world.invites(EVE, "/invite viewer 2d").await;
        world.services().access.change(&cli(), Change::NoRole { user: UserId(DAN) }).await.unwrap();
        world.give(&[(EVE, "eve", Role::Admin)]).await;
        for code in [&by_dan, &by_eve] {
            world.say(STRANGER, &format!("/start {code}"));
            world.quiet().await;
            assert_eq!(world.role_of(STRANGER), None);
        }
        let why = world.audited("invite.use", "refused").await;
        assert_eq!(why.len(), 2);
        assert_eq!(why[0].reason.as_deref(), Some("the inviter may not give this role any more"));
        world.asks(STRANGER, STRANGER, &format!("/start {lower}")).await;
        assert_eq!(world.role_of(STRANGER), Some(Role::Viewer), "an admin may still make viewers");
        world.quiet().await;
        // Nobody is lowered by a link, and the file's word stays.
        let (_, viewer) = world.invites(ANN, "/invite viewer").await;
        world.give(&[(BEN, "ben", Role::Operator)]).await;
        let told = world.asks(BEN, BEN, &format!("/start {viewer}")).await;
        assert!(told.text.contains("You are operator already"), "{}", told.text);
        let raised = world.invites(ANN, "/invite admin 1h").await.1;
        world.asks(BEN, BEN, &format!("/start {raised}")).await;
        assert_eq!(world.role_of(BEN), Some(Role::Admin));
        world.quiet().await;
        let open = world.asks(ANN, ANN, "/invite").await;
        assert!(open.text.contains("Open invitations: 3"), "{}", open.text);
        world.polite();
    }
}

on_both! {
    /// The limit of persons holds for invitations, and whoever was ignored and is invited is ignored no longer.
    async fn an_invitation_keeps_the_limit_and_ends_being_ignored(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        let store = world.services().store.clone();
        world.say(STRANGER, "hello");
        world.sees(ANN, "Mallory (999)").await;
        world.forges(ANN, ANN, "ignore:999").await;
        world.sees(ANN, "You hear no more of 999.").await;
        let ignored = async || {
            let mut db = store.read().await.unwrap();
            opsgram::store::people::is_ignored(&mut db, UserId(STRANGER)).await.unwrap()
        };
        assert!(ignored().await);
        let (_, code) = world.invites(ANN, "/invite viewer").await;
        let mut tx = store.begin().await.unwrap();
        sqlx::query(
            "WITH RECURSIVE n(x) AS (SELECT 10000 UNION ALL SELECT x + 1 FROM n WHERE x < 14999)
             INSERT INTO members (user_id, name, role, added_by, added_by_name, added_at)
             SELECT x, 'somebody', 'viewer', 0, 'root', 1 FROM n",
        )
        .execute(&mut *tx)
        .await
        .unwrap();
        store.commit(tx).await.unwrap();
        world.say(STRANGER, &format!("/start {code}"));
        world.quiet().await;
        assert_eq!(world.role_of(STRANGER), None);
        let why = world.audited("invite.use", "refused").await;
        assert_eq!(why[0].reason.as_deref(), Some("5000 persons have a role, which is the limit"));
        world.services().access.change(&cli(), Change::NoRole { user: UserId(10_000) }).await.unwrap();
        world.asks(STRANGER, STRANGER, &format!("/start {code}")).await;
        assert_eq!(world.role_of(STRANGER), Some(Role::Viewer));
        assert!(!ignored().await);
        world.quiet().await;
    }
}
