//! Two at once, another process, and what is kept of all this.

use super::{EVE, HOUR, ONLY_ANN, another, cli, now, private, role, rows};
use crate::harness::{ANN, BEN, CLEO, OPS, STRANGER};
use crate::on_both;
use opsgram::access::{Access, By, Change, Listed};
use opsgram::base::ids::{ChatId, UserId};
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::store;

on_both! {
    /// Of two owners who revoke each other at the same moment one remains, however often it is tried.
    async fn two_owners_cannot_revoke_each_other(world) {
        world.people("access: {users: [{id: 333, name: cleo, role: viewer}]}\n");
        world.start().await;
        world.give(&[(ANN, "ann", Role::Owner), (EVE, "eve", Role::Owner)]).await;
        let store = world.services().store.clone();
        // Two processes, each with a memory of its own.
        let (one, other) = (another(&store, Listed::default()).await, another(&store, Listed::default()).await);
        for round in 0..10 {
            let by = |id: i64, name: &str| By::Person(opsgram::access::Actor {
                id: UserId(id),
                name: name.to_owned(),
                place: private(id),
                request_id: format!("r{round}"),
            });
            let (ann, eve) = (by(ANN, "ann"), by(EVE, "eve"));
            let (no_eve, no_ann) = (Change::NoRole { user: UserId(EVE) }, Change::NoRole { user: UserId(ANN) });
            let (a, b) = tokio::join!(one.change(&ann, no_eve), other.change(&eve, no_ann));
            assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
            let mut db = store.read().await.unwrap();
            let left = store::members::all(&mut db).await.unwrap();
            drop(db);
            assert_eq!(left.len(), 1, "{left:?}");
            let last = By::Person(match left[0].member.id {
                UserId(ANN) => opsgram::access::Actor { id: UserId(ANN), name: "ann".to_owned(), place: private(ANN), request_id: "r".to_owned() },
                _ => opsgram::access::Actor { id: UserId(EVE), name: "eve".to_owned(), place: private(EVE), request_id: "r".to_owned() },
            });
            for change in [Change::NoRole { user: left[0].member.id }, role(left[0].member.id.0, "x", Role::Viewer)] {
                let refused = one.change(&last, change.clone()).await.unwrap_err();
                assert!(refused.to_string().contains("the last owner"), "{refused}");
                let refused = one.change(&cli(), change).await.unwrap_err();
                assert!(refused.to_string().contains("the last owner"), "{refused}");
            }
            let mut ends = role(left[0].member.id.0, "x", Role::Owner);
            if let Change::Role { until, .. } = &mut ends {
                *until = Some(now().plus(HOUR));
            }
            assert!(one.change(&cli(), ends).await.is_err(), "an owner for an hour is no lasting owner");
            one.change(&cli(), role(ANN, "ann", Role::Owner)).await.unwrap();
            one.change(&cli(), role(EVE, "eve", Role::Owner)).await.unwrap();
        }
    }
}

on_both! {
    /// What another process changes counts here after a refresh, and what the file says after a relist.
    async fn changes_by_another_process_count_after_a_refresh(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        let store = world.services().store.clone();
        let ours = another(&store, Listed::default()).await;
        let theirs = another(&store, Listed::default()).await;
        theirs.change(&cli(), role(BEN, "ben", Role::Operator)).await.unwrap();
        assert_eq!(ours.own_role(UserId(BEN)), None);
        assert!(ours.refresh().await.unwrap());
        assert_eq!(ours.own_role(UserId(BEN)), Some(Role::Operator));
        assert!(!ours.refresh().await.unwrap());
        let listed = Listed {
            users: vec![store::members::Member { id: UserId(BEN), name: "ben".to_owned(), role: Role::Viewer }],
            ..Listed::default()
        };
        ours.relist(listed);
        assert_eq!(ours.own_role(UserId(BEN)), Some(Role::Viewer), "the file's word counts");
        assert_eq!(ours.directory().await.unwrap().len(), 1);
        let line = world.audited("member.grant", "done").await;
        assert_eq!((line[0].channel.as_str(), line[0].actor_name.as_str()), ("cli", "root"));
        let wanted = ours.find("BEN").await.unwrap();
        assert_eq!((wanted.id, wanted.role), (UserId(BEN), Some(Role::Viewer)));
    }
}

on_both! {
    /// A claim code is void as soon as somebody has a role by another way.
    async fn a_claim_code_is_void_once_somebody_is_known(world) {
        world.people("");
        world.start().await;
        let code = world.services().access.open_claim().unwrap();
        let store = world.services().store.clone();
        let theirs = another(&store, Listed::default()).await;
        theirs.change(&cli(), role(BEN, "ben", Role::Owner)).await.unwrap();
        // Not refreshed yet: the database itself refuses.
        let told = world.asks(STRANGER, STRANGER, &format!("/start {code}")).await;
        assert!(!told.text.contains("You are the owner"), "{}", told.text);
        world.services().access.refresh().await.unwrap();
        assert!(!world.services().access.is_unclaimed());
        assert_eq!(world.role_of(STRANGER), None);
        assert_eq!(world.role_of(BEN), Some(Role::Owner));
    }
}

on_both! {
    /// Five hundred persons are shown page by page, each page one message, back and forth.
    async fn five_hundred_persons_are_paged(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        let store = world.services().store.clone();
        let mut tx = store.begin().await.unwrap();
        store::members::hold(&mut tx).await.unwrap();
        for n in 0..500 {
            let member = store::members::Membership {
                member: store::members::Member { id: UserId(10_000 + n), name: format!("person {n:03} {}", "x".repeat(50)), role: Role::Viewer },
                source: store::members::Source::Granted,
                given: store::members::Given { by: UserId(ANN), by_name: "ann".to_owned(), at: now() },
                until: None,
                fallback: None,
            };
            store::members::put(&mut tx, &member).await.unwrap();
        }
        store.commit(tx).await.unwrap();
        let access = &world.services().access;
        // The loop of the bot may have been there first.
        access.refresh().await.unwrap();
        assert_eq!(access.persons().len(), 501);
        assert!(!access.refresh().await.unwrap(), "read once");
        let first = world.asks(ANN, ANN, "/users").await;
        assert!(first.text.starts_with("501 persons may use me."), "{}", first.text);
        let mut shown = first;
        // The first pages and the last, each by its button; in between, a button of a page that is not shown.
        for page in (2..=4).chain(60..=63) {
            match page {
                60 => drop(world.forges(ANN, ANN, "users:59").await),
                _ => drop(world.press(ANN, ANN, &format!("More › {}/63", page - 1))),
            }
            let expected = format!("person {:03}", (page - 1) * 8 - 1);
            shown = world.sees(ANN, &expected).await;
        }
        assert!(shown.button("More › 63/63").is_none() && shown.text.contains("person 499"), "{}", shown.text);
        world.presses(ANN, &shown, "‹ Back").await;
        world.sees(ANN, "person 490").await;
        world.forges(ANN, ANN, "users:18446744073709551615").await;
        world.sees(ANN, "person 499").await;
        world.polite();
    }
}

on_both! {
    /// Noting who was seen costs a command no transaction: it is kept in memory until the loop writes it.
    async fn who_was_seen_is_written_later(world) {
        world.start().await;
        let access = &world.services().access;
        access.write_down(now()).await.unwrap();
        let store = world.services().store.clone();
        for n in 0..3_000 {
            access.saw(UserId(30_000 + n), "crowd", None, ChatId(30_000 + n));
        }
        access.saw(UserId(BEN), "Ben", Some("BenOps"), ChatId(OPS));
        access.saw(UserId(CLEO), "Cleo", Some("benops"), ChatId(CLEO));
        access.write_down(now()).await.unwrap();
        let crowd = rows(&store, "SELECT COUNT(*) FROM people WHERE user_id >= 30000").await;
        assert!((1..=2_000).contains(&crowd), "bounded: {crowd}");
        let found = access.find("@BENOPS").await.unwrap();
        assert_eq!(found.id, UserId(CLEO), "a username is whose it was last");
        let mut db = store.read().await.unwrap();
        let ben = store::people::find(&mut db, UserId(BEN)).await.unwrap().unwrap();
        drop(db);
        assert!(!ben.private && ben.username.is_none(), "a group is no private chat");
        let mut tx = store.begin().await.unwrap();
        store::people::prune(&mut tx, Millis(0), 100).await.unwrap();
        store::ceilings::prune(&mut tx, Millis(0), 100).await.unwrap();
        store.commit(tx).await.unwrap();
    }
}

on_both! {
    /// The answer to a question and the change that follows from it are one transaction: both are there, once, or neither.
    async fn a_question_is_taken_with_its_change(world) {
        world.people(ONLY_ANN);
        world.start().await;
        let store = world.services().store.clone();
        let access = world.services().access.clone();
        let intent = store::intents::Intent {
            id: "question".to_owned(),
            payload: "{}".to_owned(),
            chat: ChatId(ANN),
            asker: UserId(ANN),
            expires_at: now().plus(HOUR),
        };
        let mut tx = store.begin().await.unwrap();
        store::intents::add(&mut tx, &intent, now()).await.unwrap();
        store.commit(tx).await.unwrap();
        let found = async || {
            let mut db = store.read().await.unwrap();
            store::intents::find(&mut db, "question").await.unwrap()
        };
        let ask = async |change| access.change_once(&cli(), change, Some("question")).await;
        ask(Change::NoRole { user: UserId(ANN) }).await.unwrap_err();
        assert_eq!(found().await, Some(store::intents::Found::Open(intent.clone())), "nothing was changed");
        ask(role(BEN, "ben", Role::Operator)).await.unwrap();
        assert_eq!(found().await, Some(store::intents::Found::Used(intent.clone())));
        let (a, b) = tokio::join!(ask(role(CLEO, "cleo", Role::Viewer)), ask(role(CLEO, "cleo", Role::Viewer)));
        assert!(a.is_err() && b.is_err(), "{a:?} {b:?}");
        assert_eq!((world.role_of(BEN), world.role_of(CLEO)), (Some(Role::Operator), None));
        assert_eq!(world.audited("member.grant", "done").await.len(), 1);
    }
}

on_both! {
    /// What the command line promised to somebody who is no owner leaves as soon as the bot reads the new rights.
    async fn whoever_is_concerned_hears_of_the_command_line_at_once(world) {
        world.people(ONLY_ANN);
        world.start().await;
        world.asks(BEN, BEN, "/whoami").await;
        let store = world.services().store.clone();
        world.services().access.write_down(now()).await.unwrap();
        let herald = std::sync::Arc::new(opsgram::chat::Notices::written_down());
        let server = Access::open(store, Listed::default(), herald).await.unwrap();
        server.change(&cli(), role(BEN, "ben", Role::Operator)).await.unwrap();
        world.services().access.refresh().await.unwrap();
        world.sees(BEN, "root made you operator").await;
        world.quiet().await;
    }
}
