//! Strangers: bounded in rows and notices, and let in by a press.

use super::{ELSEWHERE, EVE, HOUR, ONLY_ANN, now, rows};
use crate::harness::{ANN, STRANGER};
use crate::on_both;
use opsgram::base::role::Role;
use opsgram::sandbox::Standing;

on_both! {
    /// A thousand messages of a stranger: one answer, one notice, and after the hour two lines of the trail.
    async fn a_strangers_flood_is_bounded(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        for n in 0..250 {
            world.say(STRANGER, &format!("let me in {n}"));
        }
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(STRANGER).len(), 1);
        assert_eq!(world.count(ANN, "Somebody whom I do not know wrote to me: Mallory (999)"), 1);
        assert_eq!(world.sandbox.from_bot(ANN).len(), 1);
        assert_eq!(world.audited("knock", "refused").await.len(), 1);
        let access = &world.services().access;
        access.write_down(now()).await.unwrap();
        assert!(world.audited("knock", "refused").await.len() <= 2);
        access.write_down(now().plus(HOUR)).await.unwrap();
        access.write_down(now().plus(HOUR)).await.unwrap();
        let lines = world.audited("knock", "refused").await;
        let counted: i64 = lines.iter().filter_map(|l| l.arguments.strip_prefix('×')?.parse::<i64>().ok()).sum();
        assert_eq!(counted, 249, "nothing is lost");
        assert!(lines.len() <= 3, "two, or three when the hour struck meanwhile: {}", lines.len());
        let store = world.services().store.clone();
        assert_eq!(rows(&store, "SELECT COUNT(*) FROM knocks").await, 0);
    }
}

on_both! {
    /// Many strangers: ten notices an hour, then a number.
    async fn many_strangers_do_not_flood_the_owners(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        for n in 0..40 {
            world.say(20_000 + n, "hello");
        }
        world.quiet().await;
        assert_eq!(world.count(ANN, "Somebody whom I do not know wrote to me"), 10);
        world.services().access.write_down(now().plus(HOUR)).await.unwrap();
        world.sees(ANN, "wrote to me 30 more times within an hour").await;
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(ANN).len(), 11);
        world.polite();
    }
}

on_both! {
    /// The buttons of a notice: let in, or hear no more; by nobody who may not.
    async fn a_stranger_is_let_in_from_the_notice(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        world.say(STRANGER, "hello");
        let notice = world.sees(ANN, "Mallory (999)").await;
        let data = notice.button("Let in as viewer").unwrap().data.clone().unwrap();
        let forged = world.forges(STRANGER, STRANGER, &data).await;
        assert_eq!(forged.as_deref(), Some("I do not know you."));
        assert_eq!(world.role_of(STRANGER), None);
        world.presses(ANN, &notice, "Let in as viewer").await;
        world.sees(ANN, "Mallory (999) is now viewer.").await;
        world.sees(STRANGER, "ann made you viewer. /help shows what you may do.").await;
        assert_eq!(world.role_of(STRANGER), Some(Role::Viewer));
        world.say(EVE, "hello");
        let notice = world.sees(ANN, "(555)").await;
        world.presses(ANN, &notice, "Ignore").await;
        world.sees(ANN, "You hear no more of 555.").await;
        assert_eq!(world.audited("knock.ignore", "allowed").await.len(), 1);
        world.polite();
    }
}

on_both! {
    /// Nor do those flood the trail who are nobody's person: anonymous admins, a bot put in and out, a void invitation.
    async fn nobodys_messages_do_not_flood_the_trail(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.sandbox.add_group(ELSEWHERE, "elsewhere", false);
        world.start().await;
        let (_, code) = world.invites(ANN, "/invite viewer").await;
        let store = world.services().store.clone();
        let mut tx = store.begin().await.unwrap();
        sqlx::query("UPDATE invites SET expires_at = 1").execute(&mut *tx).await.unwrap();
        store.commit(tx).await.unwrap();
        for _ in 0..20 {
            world.sandbox.say_anonymously(ELSEWHERE, "/run hello");
            world.say(STRANGER, &format!("/start {code}"));
            world.sandbox.set_bot_standing(ELSEWHERE, STRANGER, Standing::Left);
            world.sandbox.set_bot_standing(ELSEWHERE, STRANGER, Standing::Member);
        }
        world.quiet().await;
        assert_eq!(world.audited("command", "refused").await.len(), 1);
        assert_eq!(world.audited("invite.use", "refused").await.len(), 1);
        assert_eq!(world.audited("chat.added", "done").await.len(), 1);
        let access = &world.services().access;
        access.write_down(now().plus(HOUR)).await.unwrap();
        let lines = world.audited("knock", "refused").await;
        let counted = |who: i64| -> i64 {
            let own = lines.iter().filter(|line| line.actor.0 == who);
            own.filter_map(|l| l.arguments.strip_prefix('×')?.parse::<i64>().ok()).sum()
        };
        assert_eq!((counted(ELSEWHERE), counted(STRANGER)), (38, 19), "nothing is lost");
        world.quiet().await;
    }
}
