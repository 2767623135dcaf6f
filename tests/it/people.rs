//! Persons, groups and rights managed from the chat: who may, what never happens, and what is told of it.

use crate::harness::{ANN, BEN, CLEO, OPS, STRANGER, World};
use crate::on_both;
use opsgram::access::{Access, By, Change, Herald, Listed, News};
use opsgram::base::ids::{ChatId, Place, ThreadId, UserId};
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::sandbox::{Message, Standing, View};
use opsgram::store::outbox::NewRow;
use opsgram::store::{self, Store, audit};
use std::sync::Arc;
use std::time::Duration;

/// An admin, another owner, somebody who only knocks, and a group that no configuration names.
const DAN: i64 = 444;
const EVE: i64 = 555;
const ELSEWHERE: i64 = -4_004;
const HOUR: Duration = Duration::from_secs(3600);

/// Ann owns the bot by the file; everybody else is the database's.
const ONLY_ANN: &str = "
access:
  users: [{id: 111, name: ann, role: owner}]
  chats: [{id: -1001, name: ops, role: operator}]
";

fn private(user: i64) -> Place {
    Place {
        chat: ChatId(user),
        thread: None,
    }
}

fn now() -> Millis {
    Millis::now()
}

fn role(user: i64, name: &str, role: Role) -> Change {
    Change::Role {
        user: UserId(user),
        name: name.to_owned(),
        role,
        until: None,
    }
}

fn cli() -> By {
    By::CommandLine("root".to_owned())
}

impl World {
    /// Gives roles as the command line does.
    async fn give(&self, persons: &[(i64, &str, Role)]) {
        for (user, name, what) in persons {
            let change = role(*user, name, *what);
            self.services().access.change(&cli(), change).await.unwrap();
        }
        self.quiet().await;
    }

    /// Each has pressed Start at some time, so that the bot may write to them.
    fn all_wrote_before(&self) {
        for person in [ANN, BEN, CLEO, DAN, EVE, STRANGER] {
            self.sandbox.open_private(person);
        }
    }

    fn role_of(&self, user: i64) -> Option<Role> {
        self.services().access.own_role(UserId(user))
    }

    /// Makes an invitation in the chat and returns what its link carries.
    async fn invites(&self, by: i64, line: &str) -> (Message, String) {
        let told = self.asks(by, by, line).await;
        let (_, code) = told
            .text
            .split_once("?start=")
            .unwrap_or_else(|| panic!("{}", told.text));
        let code = code.trim().to_owned();
        (told, code)
    }
}

/// Nobody hears of it.
struct Deaf;

impl Herald for Deaf {
    fn row(&self, to: UserId, _: &News) -> store::Result<NewRow> {
        Ok(NewRow {
            job: None,
            chat: ChatId(to.0),
            payload: "{}".to_owned(),
            slot: None,
            source: None,
        })
    }

    fn kick(&self, _: ChatId) {}
}

/// Another process on the same database.
async fn another(store: &Store, listed: Listed) -> Access {
    Access::open(store.clone(), listed, Arc::new(Deaf))
        .await
        .unwrap()
}

async fn rows(store: &Store, count: &'static str) -> i64 {
    use sqlx::Row;
    let mut db = store.read().await.unwrap();
    sqlx::query(count).fetch_one(&mut *db).await.unwrap().get(0)
}

on_both! {
    /// An owner makes a stranger operator by id, by username and as an answer; they may at once, and are told.
    async fn a_person_is_given_a_role_in_every_way_there_is(world) {
        world.script("hello", "echo Hello", &[]);
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.sandbox.add_person(EVE, "Eve", Some("Eve_Online"));
        world.sandbox.set_privacy(false);
        world.start().await;
        let told = world.asks(ANN, ANN, "/grant 222 operator").await;
        assert_eq!(told.text, "222 (222) is operator now.");
        assert!(world.asks(BEN, BEN, "/run hello").await.text.contains("hello · #1"));

        let unseen = world.asks(ANN, ANN, "/grant @eve_online viewer").await;
        assert!(unseen.text.contains("I have not seen “@eve_online” yet"), "{}", unseen.text);
        world.asks(EVE, EVE, "/whoami").await;
        let told = world.asks(ANN, ANN, "/grant @EVE_online viewer").await;
        assert_eq!(told.text, "Eve (555) is viewer now.");
        world.sees(EVE, "ann made you viewer.").await;

        let said = world.sandbox.say(STRANGER, OPS, "good morning");
        let answer = world.sandbox.speak(ANN, ANN).text("/grant operator");
        let lost = world.after(ANN, answer.message_id).await;
        assert!(lost.text.contains("I know nobody called “operator”"), "{}", lost.text);
        world.asks(ANN, ANN, "/grant EVE operator 8h").await;
        assert_eq!(world.role_of(EVE), Some(Role::Operator), "by name, whatever the case");
        world.asks(ANN, ANN, "/grant 444 admin").await;
        let sent = world.sandbox.speak(ANN, OPS).reply_to(said.message_id).text("/grant operator");
        let in_group = world.after(OPS, sent.message_id).await;
        assert!(in_group.text.contains("in this group nobody is more than operator"), "{}", in_group.text);
        world.asks(ANN, ANN, "/revoke 444").await;
        world.quiet().await;
        assert_eq!(world.role_of(STRANGER), None);
        world.polite();
    }
}

on_both! {
    /// As an answer to somebody's message, the person is left out; who is no person gets nothing.
    async fn an_answer_names_the_person(world) {
        const ROBOT: i64 = 4_242;
        world.people("
access:
  users: [{id: 111, name: ann, role: owner}]
  chats: [{id: -1001, name: ops, role: owner}]
");
        world.script("hello", "echo Hello", &["role: admin"]);
        world.sandbox.set_privacy(false);
        world.sandbox.add_bot(ROBOT, "Robot", "robot_bot");
        world.sandbox.add_member(OPS, ROBOT, Standing::Member);
        world.start().await;
        let said = world.sandbox.say(STRANGER, OPS, "good morning");
        let sent = world.sandbox.speak(ANN, OPS).reply_to(said.message_id).text("/grant operator 8h");
        let told = world.after(OPS, sent.message_id).await;
        assert!(told.text.starts_with("Mallory (999) is operator now until "), "{}", told.text);
        let sent = world.sandbox.speak(ANN, OPS).reply_to(said.message_id).text("/grant hello");
        let told = world.after(OPS, sent.message_id).await;
        assert_eq!(told.text, "Mallory (999) may run hello now.");
        let sent = world.sandbox.speak(ANN, OPS).reply_to(said.message_id).text("/revoke");
        let told = world.after(OPS, sent.message_id).await;
        assert_eq!(told.text, "Mallory (999) has no role any more and gets nothing.");

        let robot = world.sandbox.say(ROBOT, OPS, "beep");
        let own = world.asks(ANN, OPS, "/whoami").await;
        let hidden = world.sandbox.say_anonymously(OPS, "good morning");
        for (message, why) in [
            (robot.message_id, "That was written by a bot"),
            (own.id, "That was written by a bot"),
            (hidden.message_id, "hides as an anonymous admin"),
        ] {
            let sent = world.sandbox.speak(ANN, OPS).reply_to(message).text("/grant operator");
            let told = world.after(OPS, sent.message_id).await;
            assert!(told.text.contains(why), "{}", told.text);
        }
        for account in [777_000_i64, 1_087_968_824, 136_817_688] {
            let told = world.asks(ANN, ANN, &format!("/grant {account} viewer")).await;
            assert!(told.text.contains("an account of Telegram itself"), "{}", told.text);
        }
        for wrong in ["-5", "0", "9007199254740993", "-1001"] {
            let told = world.asks(ANN, ANN, &format!("/grant {wrong} viewer")).await;
            assert!(told.text.contains("is not the id of a person"), "{}", told.text);
        }
        assert_eq!(world.services().access.persons().len(), 1);
        world.polite();
    }
}

on_both! {
    /// The hierarchy, tried from below: each way up is refused, in the chat and by forged presses, and audited.
    async fn nobody_gives_more_than_he_has_or_touches_those_above(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.script("deploy", "echo deployed", &["role: owner"]);
        world.start().await;
        world.give(&[(DAN, "dan", Role::Admin), (EVE, "eve", Role::Owner), (BEN, "ben", Role::Operator), (CLEO, "cleo", Role::Viewer), (666, "fay", Role::Admin)]).await;
        for (person, line, why) in [
            (CLEO, "/grant cleo owner", "This needs the role admin"),
            (BEN, "/grant ben admin", "This needs the role admin"),
            (BEN, "/revoke cleo", "This needs the role admin"),
            (BEN, "/users", "This needs the role admin"),
            (BEN, "/invite viewer", "This needs the role admin"),
            (BEN, "/chats", "This needs the role admin"),
            (BEN, "/audit", "This needs the role admin"),
            (BEN, "/audit export", "This needs the role admin"),
            (DAN, "/grant dan owner", "Nobody gives a role to himself"),
            (DAN, "/grant dan admin", "Nobody gives a role to himself"),
            (EVE, "/grant eve owner", "Nobody gives a role to himself"),
            (DAN, "/grant dan deploy", "Nobody gives a right to himself"),
            (DAN, "/grant ben admin", "As admin you give roles below yours"),
            (DAN, "/grant ben owner", "As admin you give roles below yours"),
            (DAN, "/grant ben deploy", "deploy needs the role owner"),
            (DAN, "/grant fay viewer", "fay is admin, and you are admin here"),
            (DAN, "/revoke fay", "fay is admin, and you are admin here"),
            (DAN, "/revoke eve", "eve is owner, and you are admin here"),
            (DAN, "/invite admin 1h", "As admin you give roles below yours"),
            (DAN, "/invite owner 1h", "As admin you give roles below yours"),
            (EVE, "/grant ann viewer", "ann is fixed in the configuration; change it there."),
            (EVE, "/revoke ann", "ann is fixed in the configuration; change it there."),
            (DAN, "/revoke ann", "ann is fixed in the configuration; change it there."),
        ] {
            let told = world.asks(person, person, line).await;
            assert!(told.text.contains(why), "{person} {line}: {}", told.text);
            assert!(told.all_buttons().next().is_none(), "{line} is not even asked about");
        }
        let before = world.services().access.persons();
        for data in [
            "give:333:owner:0", "give:222:owner:0", "revoke:555", "revoke:444", "who:111", "users:0", "strangers:0",
            "gs:222:deploy:0", "rs:222:deploy", "allow:-4004:owner", "remove:-1001", "leave:-1001", "invite:owner:1",
            "withdraw:1", "ignore:999", "audit:n:a:::", "groups:0", "lend:222:owner", "rights:222:0", "inviteas:owner",
        ] {
            let shown = world.forges(BEN, BEN, data).await;
            world.quiet().await;
            let told = shown.unwrap_or_default().contains("needs the role admin") || world.count(BEN, "needs the role admin") > 0;
            assert!(told, "{data}");
        }
        for data in ["give:444:owner:0", "give:222:admin:0", "revoke:555", "revoke:666", "gs:222:deploy:0", "invite:admin:1", "allow:-4004:owner"] {
            world.forges(DAN, DAN, data).await;
            world.quiet().await;
        }
        assert_eq!(world.services().access.persons(), before, "nothing was changed");
        let tried = world.audited("member.grant", "refused").await;
        assert!(tried.len() >= 9, "{tried:#?}");
        assert!(tried.iter().all(|line| line.reason.is_some() && line.channel == "telegram"));
        assert_eq!(world.jobs().await, 0);
        world.polite();
    }
}

on_both! {
    /// What an admin may: viewers and operators, all of them.
    async fn admins_manage_what_is_below_them(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        world.give(&[(DAN, "dan", Role::Admin), (BEN, "ben", Role::Operator)]).await;
        world.asks(DAN, DAN, "/grant ben viewer").await;
        assert_eq!(world.role_of(BEN), Some(Role::Viewer));
        world.asks(DAN, DAN, "/grant 333 operator").await;
        assert_eq!(world.role_of(CLEO), Some(Role::Operator));
        world.asks(DAN, DAN, "/revoke ben").await;
        assert_eq!(world.role_of(BEN), None);
        let owners = world.sees(ANN, "dan: ben (222) has no role any more").await;
        assert!(owners.all_buttons().next().is_none());
        assert_eq!(world.count(ANN, "dan: "), 3, "owners are told of each");
        assert_eq!(world.count(DAN, "dan: "), 0);
        let refused = world.asks(BEN, BEN, "/status").await;
        assert!(refused.text.contains("I do not know you"), "{}", refused.text);
        let done = world.audited("member.revoke", "done").await;
        assert_eq!((done[0].actor.0, done[0].target.as_str()), (DAN, "222"));
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// An owner's own deeds are not told to that owner, but to the others.
    async fn owners_hear_of_others_deeds_not_of_their_own(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        world.give(&[(EVE, "eve", Role::Owner)]).await;
        world.sees(ANN, "root: eve (555) is owner now.").await;
        world.asks(EVE, EVE, "/whoami").await;
        world.asks(EVE, EVE, "/grant 222 operator").await;
        world.sees(ANN, "eve: 222 (222) is operator now.").await;
        world.asks(ANN, ANN, "/grant 333 viewer").await;
        world.sees(EVE, "ann: 333 (333) is viewer now.").await;
        world.quiet().await;
        assert_eq!(world.count(EVE, "eve: 222"), 0);
        assert_eq!(world.count(ANN, "ann: 333"), 0);
    }
}

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
    /// What is dangerous is asked first; only the asker answers, with the rights of that moment, once.
    async fn dangerous_changes_are_asked_about(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        world.give(&[(DAN, "dan", Role::Admin), (EVE, "eve", Role::Owner), (BEN, "ben", Role::Operator)]).await;
        world.quiet().await;
        let asked = world.asks(EVE, EVE, "/grant ben owner").await;
        assert_eq!(asked.text, "This will be so: ben (222) is owner now.");
        assert_eq!(world.role_of(BEN), Some(Role::Operator));
        let revoke = world.asks(EVE, EVE, "/revoke dan").await;
        let drop = world.asks(EVE, EVE, "/revoke dan").await;
        let yes = asked.button("Do it").unwrap().data.clone().unwrap();
        for person in [BEN, DAN, ANN] {
            world.forges(person, person, &yes).await;
            world.quiet().await;
            assert_eq!(world.count(person, "This button no longer stands for anything."), 1);
        }
        assert_eq!(world.role_of(BEN), Some(Role::Operator));
        world.presses(EVE, &drop, "Drop").await;
        world.sees(EVE, "Dropped.").await;
        let presses = [(); 3].map(|()| world.sandbox.press_forged(EVE, EVE, asked.id, &yes));
        for press in &presses {
            world.answer(press).await;
        }
        world.quiet().await;
        assert_eq!(world.role_of(BEN), Some(Role::Owner));
        assert_eq!(world.audited("member.grant", "done").await.iter().filter(|l| l.actor.0 == EVE).count(), 1, "once");
        // Eve is revoked between asking and pressing.
        world.asks(ANN, ANN, "/whoami").await;
        let gone = world.asks(ANN, ANN, "/revoke eve").await;
        world.presses(ANN, &gone, "Do it").await;
        world.sees(ANN, "eve (555) has no role any more").await;
        world.quiet().await;
        assert_eq!(world.role_of(EVE), None);
        let shown = world.presses(EVE, &revoke, "Do it").await;
        assert_eq!(shown.as_deref(), Some("I do not know you."));
        world.quiet().await;
        assert_eq!(world.role_of(DAN), Some(Role::Admin));
        world.polite();
    }
}

on_both! {
    /// A press counts by the rights of its moment: who was demoted after the page was shown changes nothing.
    async fn a_press_after_a_demotion_changes_nothing(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        world.give(&[(DAN, "dan", Role::Admin), (BEN, "ben", Role::Operator)]).await;
        world.quiet().await;
        let page = world.asks(DAN, DAN, "/grant ben").await;
        assert!(page.text.starts_with("ben 222\noperator · by root "), "{}", page.text);
        assert!(page.button("Owner").is_none() && page.button("Admin").is_none(), "no more than he may give");
        world.give(&[(DAN, "dan", Role::Operator)]).await;
        for label in ["Viewer", "Operator", "Scripts …", "Take the role"] {
            let shown = world.presses(DAN, &page, label).await;
            world.quiet().await;
            let told = shown.is_some_and(|words| words.contains("needs the role admin"))
                || world.count(DAN, "needs the role admin") > 0;
            assert!(told, "{label}");
        }
        assert_eq!(world.role_of(BEN), Some(Role::Operator));
        world.polite();
    }
}

on_both! {
    /// Step by step with buttons: the person, the role, the time.
    async fn a_role_is_given_by_buttons_alone(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.script("deploy", "echo deployed", &["role: admin"]);
        world.start().await;
        world.asks(BEN, BEN, "/run deploy").await;
        world.quiet().await;
        let list = world.asks(ANN, ANN, "/grant").await;
        assert!(list.text.starts_with("Whom? Press the person."), "{}", list.text);
        world.presses(ANN, &list, "Others who wrote …").await;
        let others = world.sees(ANN, "They wrote to me and have no role.").await;
        world.presses(ANN, &others, "Ben 222").await;
        let page = world.sees(ANN, "\nno role").await;
        world.presses(ANN, &page, "Operator").await;
        let times = world.sees(ANN, "For how long is Ben to be operator?").await;
        world.presses(ANN, &times, "8 hours").await;
        let done = world.sees(ANN, "Ben (222) is operator now until ").await;
        assert_eq!(done.id, list.id, "all in one message");
        let access = &world.services().access;
        let standing = |at| access.standing_at(UserId(BEN), private(BEN), at);
        assert_eq!(standing(now().plus(HOUR * 7)), opsgram::access::Standing::Known(Role::Operator));
        assert_eq!(standing(now().plus(HOUR * 9)), opsgram::access::Standing::Unknown);

        let page = world.asks(ANN, ANN, "/grant Ben").await;
        world.presses(ANN, &page, "Scripts …").await;
        let scripts = world.sees(ANN, "Press a script").await;
        world.presses(ANN, &scripts, "＋ deploy").await;
        let times = world.sees(ANN, "For how long may Ben run deploy?").await;
        world.presses(ANN, &times, "For good").await;
        world.sees(ANN, "Ben (222) may run deploy now.").await;
        world.quiet().await;
        assert!(world.asks(BEN, BEN, "/run deploy").await.text.contains("deploy · #1"));
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// A role for a time ends exactly then, gives way to what was before, and leaves a line in the trail.
    async fn a_role_with_an_end_falls_back(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.script("payroll", "echo sum", &["role: admin"]);
        world.start().await;
        world.give(&[(BEN, "ben", Role::Viewer)]).await;
        let told = world.asks(ANN, ANN, "/grant ben operator 8h").await;
        assert!(told.text.starts_with("ben (222) is operator now until ") && told.text.ends_with(", then viewer again."), "{}", told.text);
        // Given once more, it falls back to what he is for good.
        world.asks(ANN, ANN, "/grant ben admin 2h").await;
        world.asks(ANN, ANN, "/grant cleo operator 30m").await;
        world.asks(ANN, ANN, "/grant 333 operator 30m").await;
        let access = &world.services().access;
        let until = access.look_up(UserId(BEN)).await.unwrap().unwrap().until.unwrap().0;
        let standing = |user, at| access.standing_at(UserId(user), private(user), at);
        use opsgram::access::Standing::{Known, Unknown};
        assert_eq!(standing(BEN, Millis(until.0 - 1)), Known(Role::Admin));
        assert_eq!(standing(BEN, until), Known(Role::Viewer), "exactly then");
        assert_eq!(standing(CLEO, now().plus(HOUR)), Unknown);
        assert!(!access.settle(now()).await.unwrap(), "nothing has ended yet");
        assert!(access.until_next_end(now()).unwrap() <= HOUR);

        assert!(access.settle(now().plus(HOUR)).await.unwrap());
        assert_eq!(world.role_of(CLEO), None);
        assert!(access.settle(until).await.unwrap());
        assert!(!access.settle(until).await.unwrap(), "once");
        assert_eq!(world.role_of(BEN), Some(Role::Viewer));
        let ended = world.audited("member.end", "done").await;
        let ended: Vec<_> = ended.iter().map(|l| (l.target.as_str(), l.arguments.as_str(), l.channel.as_str())).collect();
        assert_eq!(ended, [("333", "operator, nobody again", "clock"), ("222", "admin, viewer again", "clock")]);
        for wrong in ["/grant ben operator 5", "/grant ben operator 1s", "/grant ben operator 900d", "/grant ben operator 8h x", "/grant ben chef"] {
            let told = world.asks(ANN, ANN, wrong).await;
            assert!(!told.text.contains("now"), "{wrong}: {}", told.text);
        }
        assert_eq!(world.role_of(BEN), Some(Role::Viewer));
    }
}

on_both! {
    /// The right to one script: that one and no other, within the group's ceiling, with its end, and one's own jobs.
    async fn a_right_to_one_script_opens_that_script_alone(world) {
        world.script("deploy", "echo begun; exec sleep 600", &["role: admin", "concurrency: 4"]);
        world.script("payroll", "echo sum", &["role: admin"]);
        world.start().await;
        assert!(world.asks(CLEO, CLEO, "/run deploy").await.text.contains("needs the role admin"));
        // Cleo stands in the file; her role is fixed there, and a right beside it is not.
        assert!(world.asks(ANN, ANN, "/grant cleo operator").await.text.contains("fixed in the configuration"));
        let told = world.asks(ANN, ANN, "/grant cleo deploy 8h").await;
        assert!(told.text.starts_with("cleo (333) may run deploy now until "), "{}", told.text);
        world.sees(CLEO, "ann lets you run deploy until ").await;
        let list = world.asks(CLEO, CLEO, "/run").await;
        assert!(list.text.contains("deploy") && !list.text.contains("payroll"), "{}", list.text);
        assert!(world.asks(CLEO, CLEO, "/run payroll").await.text.contains("needs the role admin"));
        let in_group = world.asks(CLEO, OPS, "/run deploy").await;
        assert!(in_group.text.contains("needs the role admin"), "the ceiling holds: {}", in_group.text);
        world.say(CLEO, "/run deploy");
        world.sees(CLEO, "▶️ deploy · #1").await;
        world.say(ANN, "/run deploy");
        world.sees(ANN, "▶️ deploy · #2").await;
        let others = world.asks(CLEO, CLEO, "/cancel 2").await;
        assert!(!others.text.starts_with("Stopping"), "{}", others.text);
        world.asks(CLEO, CLEO, "/cancel 1").await;
        world.sees(CLEO, "🚫 deploy · #1 · cancelled by cleo").await;
        let access = &world.services().access;
        let may = |at| access.may_run_at(UserId(CLEO), private(CLEO), "deploy", Role::Admin, at);
        assert!(may(now().plus(HOUR * 7)) && !may(now().plus(HOUR * 8)));
        assert!(access.settle(now().plus(HOUR * 9)).await.unwrap());
        assert!(world.asks(CLEO, CLEO, "/run deploy").await.text.contains("needs the role admin"));
        world.asks(ANN, ANN, "/grant cleo deploy").await;
        world.quiet_but_for_jobs().await;
        let taken = world.asks(ANN, ANN, "/revoke cleo deploy").await;
        assert!(taken.text.contains("has no right of their own to deploy any more"), "{}", taken.text);
        world.quiet_but_for_jobs().await;
        assert!(world.asks(CLEO, CLEO, "/run deploy").await.text.contains("needs the role admin"));
        let nobody = world.asks(ANN, ANN, "/grant 999 deploy").await;
        assert!(nobody.text.contains("has no role yet"), "{}", nobody.text);
        world.asks(ANN, ANN, "/cancel 2").await;
        world.sees(ANN, "🚫 deploy · #2").await;
    }
}

on_both! {
    /// The file may let persons run a script whatever their role, by name or id; the chat does not take that.
    async fn the_file_lets_persons_run_a_script(world) {
        world.script("deploy", "echo deployed", &["role: admin", "allow: [ben, 444]"]);
        world.start().await;
        assert!(world.asks(BEN, BEN, "/run deploy").await.text.contains("deploy · #1"));
        assert!(world.asks(CLEO, CLEO, "/run deploy").await.text.contains("needs the role admin"));
        assert!(world.asks(DAN, DAN, "/run deploy").await.text.contains("I do not know you"), "a right alone is no role");
        world.asks(ANN, ANN, "/grant 444 viewer").await;
        world.quiet().await;
        assert!(world.asks(DAN, DAN, "/run deploy").await.text.contains("deploy · #2"));
        let fixed = world.asks(ANN, ANN, "/revoke ben deploy").await;
        assert!(fixed.text.contains("ben's right to deploy is fixed in the configuration"), "{}", fixed.text);
        let users = world.asks(ANN, ANN, "/users").await;
        assert!(users.text.contains("may run deploy (configuration)"), "{}", users.text);
        world.quiet().await;
    }
}

on_both! {
    /// Whatever somebody calls himself: it is shown as text, on its line, and names nobody else.
    async fn a_name_is_only_a_name(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        let names = ["<b>ann</b> & co", "\u{202e}nna", "ann\0x", "ann", "  ", "a\nadmin · 111"];
        for (n, name) in names.iter().enumerate() {
            world.sandbox.add_person(700 + n as i64, name, None);
        }
        world.start().await;
        for n in 0..names.len() as i64 {
            world.say(700 + n, "/whoami");
        }
        world.quiet().await;
        let others = world.asks(ANN, ANN, "/users").await;
        world.presses(ANN, &others, "Others who wrote …").await;
        let list = world.sees(ANN, "They wrote to me").await;
        assert!(list.text.contains("<b>ann</b> & co 700"), "{}", list.text);
        assert!(list.text.contains("nna 701") && !list.text.contains('\u{202e}'), "{}", list.text);
        assert!(list.text.contains("aadmin · 111 705"), "{}", list.text);
        for n in 0..names.len() as i64 {
            let told = world.asks(ANN, ANN, &format!("/grant {} viewer", 700 + n)).await;
            assert!(told.text.contains("is viewer now"), "{}", told.text);
        }
        let twice = world.asks(ANN, ANN, "/grant ann operator").await;
        assert!(twice.text.starts_with("More than one person is called ann: 111 and 703."), "{}", twice.text);
        for line in ["/grant \0 viewer", "/grant “<i>” viewer", "/revoke \u{202e}", "/grant @ viewer", "/grant @a\0b viewer", "/audit \0"] {
            let told = world.asks(ANN, ANN, line).await;
            assert!(!told.text.contains("wrong on my side"), "{line:?}: {}", told.text);
        }
        world.polite();
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
        for page in 2..=63 {
            world.press(ANN, ANN, &format!("More › {}/63", page - 1));
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
            world.sees(owner, "used the invitation of dan and is operator now.").await;
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
        let (_, code) = world.invites(ANN, "/invite viewer").await;
        world.quiet().await;
        let secret = code.strip_prefix("inv_").unwrap();
        let store = world.services().store.clone();
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
    /// A thousand messages of a stranger: one answer, one notice, and after the hour two lines of the trail.
    async fn a_strangers_flood_is_bounded(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        for n in 0..1_000 {
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
        assert_eq!(counted, 999, "nothing is lost");
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
        world.sees(ANN, "Mallory (999) is viewer now.").await;
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
        assert!(world.asks(BEN, ELSEWHERE, "/run hello").await.text.contains("hello · #1"));
        let list = world.asks(ANN, ANN, "/chats").await;
        assert!(list.text.contains("elsewhere -4004\nat most operator · by dan"), "{}", list.text);
        assert!(list.text.contains("ops -1001\nat most operator · from the configuration"), "{}", list.text);
        for fixed in ["/chats allow viewer -1001", "/chats remove -1001"] {
            let told = world.asks(ANN, ANN, fixed).await;
            assert!(told.text.contains("fixed in the configuration"), "{fixed}: {}", told.text);
        }
        let asked = world.asks(DAN, ELSEWHERE, "/chats remove").await;
        assert!(asked.text.starts_with("This will be so: "), "{}", asked.text);
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
    /// The menu follows: who is given a role sees its commands, who loses it sees strangers'.
    async fn the_menus_follow_the_rights(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.sandbox.add_group(ELSEWHERE, "elsewhere", false);
        world.start().await;
        world.asks(BEN, BEN, "/whoami").await;
        world.asks(ANN, ANN, "/grant 222 admin").await;
        let menu = |view: &View<'_>, chat: i64, command: &str| view.commands(&format!("chat:{chat}")).iter().any(|entry| entry.command == command);
        let has = |chat: i64, command: &'static str| move |view: &View<'_>| menu(view, chat, command).then_some(());
        let lacks = |chat: i64, command: &'static str| move |view: &View<'_>| (!menu(view, chat, command)).then_some(());
        let patience = crate::harness::PATIENCE;
        world.sandbox.wait(patience, "an admin's menu", has(BEN, "grant")).await.unwrap();
        let asked = world.asks(ANN, ANN, "/grant 222 operator").await;
        world.presses(ANN, &asked, "Do it").await;
        world.sandbox.wait(patience, "an operator's menu", lacks(BEN, "grant")).await.unwrap();
        world.asks(ANN, ANN, "/revoke 222").await;
        world.sandbox.wait(patience, "a stranger's menu", lacks(BEN, "run")).await.unwrap();
        world.asks(ANN, ANN, "/chats allow viewer -4004").await;
        world.sandbox.wait(patience, "the group's menu", has(ELSEWHERE, "status")).await.unwrap();
    }
}

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
        assert!(page.text.lines().all(|line| line.contains("⛔ ben script.run hello")), "{}", page.text);
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
        assert!(by_area.text.contains("root member.grant 222"), "{}", by_area.text);
        assert!(!by_area.text.contains("script.run"), "{}", by_area.text);
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
