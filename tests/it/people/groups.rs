//! Groups and topics: allowed, removed, and asked about.

use super::{DAN, ELSEWHERE, ONLY_ANN, private};
use crate::harness::{ANN, BEN, STRANGER};
use crate::on_both;
use opsgram::access::{By, Change};
use opsgram::base::ids::{ChatId, Place, ThreadId, UserId};
use opsgram::base::role::Role;
use opsgram::sandbox::Standing;

on_both! {
    /// A group is allowed from within by an owner; before, everybody is told the two ways, and nobody else may.
    async fn a_group_is_allowed_and_removed_from_the_chat(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.script("hello", "echo Hello", &[]);
        world.sandbox.add_group(ELSEWHERE, "elsewhere", false);
        for person in [ANN, BEN, DAN] {
            world.sandbox.add_member(ELSEWHERE, person, Standing::Member);
        }
        world.start().await;
        world.give(&[(BEN, "ben", Role::Operator), (DAN, "dan", Role::Admin)]).await;
        let told = world.asks(BEN, ELSEWHERE, "/run hello").await;
        assert!(told.text.contains("/chats allow viewer here") && told.text.contains("-4004"), "{}", told.text);
        let refused = world.asks(BEN, ELSEWHERE, "/chats allow operator").await;
        assert!(refused.text.contains("This needs the role admin"), "{}", refused.text);
        let above = world.asks(DAN, ELSEWHERE, "/chats allow owner").await;
        assert!(above.text.contains("Nobody gives more than he has"), "{}", above.text);
        let allowed = world.asks(DAN, ELSEWHERE, "/chats allow viewer").await;
        assert_eq!(allowed.text, "In the group -4004 nobody is more than viewer; below that, everybody keeps their own role.");
        world.sees(ANN, "dan: In the group -4004 nobody is more than viewer").await;
        assert!(world.asks(BEN, ELSEWHERE, "/run hello").await.text.contains("nobody is more than viewer"));
        world.asks(DAN, ELSEWHERE, "/chats allow operator").await;
        world.sees(ANN, "dan: In the group -4004 nobody is more than operator").await;
        assert!(world.asks(BEN, ELSEWHERE, "/run hello").await.text.contains("hello · #1"));
        let list = world.asks(ANN, ANN, "/chats").await;
        assert!(list.text.contains("elsewhere -4004\nat most operator · by dan"), "{}", list.text);
        assert!(list.text.contains("ops -1001\nat most operator · from the configuration"), "{}", list.text);
        for fixed in ["/chats allow viewer -1001", "/chats remove -1001"] {
            let told = world.asks(ANN, ANN, fixed).await;
            assert!(told.text.contains("fixed in the configuration"), "{fixed}: {}", told.text);
        }
        let asked = world.asks(DAN, ELSEWHERE, "/chats remove").await;
        assert!(asked.text.starts_with("Shall this be done?\n"), "{}", asked.text);
        world.presses(DAN, &asked, "Do it").await;
        world.sees(ELSEWHERE, "is off my list").await;
        assert!(world.asks(BEN, ELSEWHERE, "/status").await.text.contains("not on my list"));
        for wrong in ["/chats allow", "/chats allow chef", "/chats allow viewer 5", "/chats allow viewer", "/chats remove", "/chats allow viewer topic", "/chats dance", "/chats allow viewer -5 -6"] {
            let told = world.asks(ANN, ANN, wrong).await;
            assert!(!told.text.starts_with("In the group"), "{wrong}: {}", told.text);
        }
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// A topic may have a word of its own, by the file or by the chat, and it counts there alone.
    async fn a_topic_has_a_ceiling_of_its_own(world) {
        const FORUM: i64 = -1_000_000_000_042;
        const OTHER: i64 = -1_000_000_000_043;
        world.script("hello", "echo Hello", &[]);
        for (forum, title) in [(FORUM, "forum"), (OTHER, "other")] {
            world.sandbox.add_group(forum, title, true);
            world.sandbox.add_member(forum, BEN, Standing::Member);
            world.sandbox.add_member(forum, ANN, Standing::Member);
        }
        let servers = world.sandbox.add_topic(FORUM, "servers");
        let mine = world.sandbox.add_topic(OTHER, "mine");
        world.people(&format!("
access:
  users: [{{id: 111, name: ann, role: owner}}, {{id: 222, name: ben, role: operator}}]
  chats: [{{id: {FORUM}, name: forum, role: viewer, topics: [{{id: {servers}, role: operator}}]}}]
"));
        world.start().await;
        let says = async |person: i64, chat: i64, topic: i32, text: &str| {
            let sent = world.sandbox.speak(person, chat).topic(topic).text(text);
            world.after(chat, sent.message_id).await.text
        };
        assert!(says(BEN, FORUM, servers, "/run hello").await.contains("hello · #1"));
        assert!(world.asks(BEN, FORUM, "/run hello").await.text.contains("nobody is more than viewer"));
        assert!(says(ANN, OTHER, mine, "/chats allow operator topic").await.contains("Allow it first, then its topic"));
        says(ANN, OTHER, mine, "/chats allow viewer").await;
        assert!(says(BEN, OTHER, mine, "/run hello").await.contains("nobody is more than viewer"));
        assert!(says(ANN, OTHER, mine, "/chats allow operator topic").await.contains("In the topic"));
        assert!(says(BEN, OTHER, mine, "/run hello").await.contains("hello · #2"));
        assert!(world.asks(BEN, OTHER, "/run hello").await.text.contains("nobody is more than viewer"));
        let access = &world.services().access;
        let place = Place { chat: ChatId(OTHER), thread: Some(ThreadId(mine + 1)) };
        assert_eq!(access.standing(UserId(BEN), place), opsgram::access::Standing::Known(Role::Viewer));
        let list = world.asks(ANN, ANN, "/chats").await;
        assert!(list.text.contains("topic") && list.text.contains("at most viewer"), "{}", list.text);
        says(ANN, OTHER, mine, "/chats remove topic").await;
        assert!(says(BEN, OTHER, mine, "/run hello").await.contains("nobody is more than viewer"));
        world.quiet().await;
    }
}

on_both! {
    /// Put into a group, the bot asks the owners once; their press allows it or makes it leave.
    async fn owners_are_asked_about_a_new_group(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.sandbox.add_group(ELSEWHERE, "<i>elsewhere</i>", false);
        world.sandbox.add_group(-5_005, "second", false);
        world.sandbox.add_member(ELSEWHERE, ANN, Standing::Member);
        world.start().await;
        for _ in 0..3 {
            world.sandbox.set_bot_standing(ELSEWHERE, STRANGER, Standing::Left);
            world.sandbox.set_bot_standing(ELSEWHERE, STRANGER, Standing::Member);
        }
        world.quiet().await;
        assert_eq!(world.count(ANN, "added me to the group “<i>elsewhere</i>” (-4004)"), 1, "once a day");
        let notice = world.sees(ANN, "Mallory added me to the group").await;
        let data = notice.button("As operator").unwrap().data.clone().unwrap();
        world.forges(STRANGER, STRANGER, &data).await;
        assert!(!world.services().access.is_listed(ChatId(ELSEWHERE)));
        world.presses(ANN, &notice, "As operator").await;
        world.sees(ANN, "In the group -4004 nobody is more than operator").await;
        assert!(world.services().access.is_listed(ChatId(ELSEWHERE)));
        world.sandbox.set_bot_standing(-5_005, STRANGER, Standing::Left);
        world.sandbox.set_bot_standing(-5_005, STRANGER, Standing::Member);
        let notice = world.sees(ANN, "“second”").await;
        world.presses(ANN, &notice, "Leave it").await;
        world.sees(ANN, "I left the group -5005.").await;
        world.quiet().await;
        let left = world.sandbox.calls().iter().filter(|call| call.method == "leaveChat").count();
        assert_eq!(left, 1);
        let list = world.asks(ANN, ANN, "/chats").await;
        assert!(list.text.contains("second -5005\nnot on the list · I am not in it"), "{}", list.text);
        world.polite();
    }
}

on_both! {
    /// What an owner set, an admin neither raises nor removes, nor goes round by a topic; what an admin set, admins change.
    async fn what_an_owner_set_for_a_group_only_owners_change(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.sandbox.add_group(ELSEWHERE, "elsewhere", true);
        for person in [ANN, DAN] {
            world.sandbox.add_member(ELSEWHERE, person, Standing::Member);
        }
        let (topic, other) = (world.sandbox.add_topic(ELSEWHERE, "one"), world.sandbox.add_topic(ELSEWHERE, "two"));
        world.start().await;
        world.give(&[(DAN, "dan", Role::Admin)]).await;
        let access = world.services().access.clone();
        let by = |id: i64, name: &str| By::Person(opsgram::access::Actor {
            id: UserId(id),
            name: name.to_owned(),
            place: private(id),
            request_id: "r".to_owned(),
        });
        let (ann, dan) = (by(ANN, "ann"), by(DAN, "dan"));
        let place = |thread: Option<i32>| Place { chat: ChatId(ELSEWHERE), thread: thread.map(ThreadId) };
        let allow = |thread, role| Change::Chat { place: place(thread), role };
        let no = |thread| Change::NoChat { place: place(thread) };
        access.change(&ann, allow(None, Role::Operator)).await.unwrap();
        for (change, what) in [
            (allow(None, Role::Admin), "raised"),
            (allow(None, Role::Viewer), "lowered"),
            (no(None), "removed"),
            (allow(Some(topic), Role::Admin), "gone round"),
        ] {
            access.change(&dan, change).await.expect_err(what);
        }
        let told = world.asks(DAN, ELSEWHERE, "/chats allow admin").await;
        assert!(told.text.contains("An owner set what counts here"), "{}", told.text);
        access.change(&dan, allow(Some(topic), Role::Viewer)).await.unwrap();
        access.change(&dan, allow(Some(topic), Role::Operator)).await.unwrap();
        access.change(&dan, no(Some(topic))).await.unwrap();
        access.change(&ann, no(None)).await.unwrap();

        access.change(&dan, allow(None, Role::Viewer)).await.unwrap();
        access.change(&dan, allow(None, Role::Operator)).await.unwrap();
        access.change(&ann, allow(Some(other), Role::Viewer)).await.unwrap();
        access.change(&dan, no(None)).await.expect_err("with it the owner's word about a topic would go");
        access.change(&dan, no(Some(other))).await.expect_err("removed");
        assert_eq!(access.chats(), [(ChatId(ELSEWHERE), Role::Operator), (ChatId(-1001), Role::Operator)]);
        assert_eq!(world.audited("chat.allow", "refused").await.len(), 4);
        world.quiet().await;
    }
}
