//! Persons, groups and rights managed from the chat: who may, what never happens, and what is told of it.

mod groups;
mod invitations;
mod races;
mod rights;
mod strangers;
mod trail;

use crate::harness::{ANN, BEN, CLEO, OPS, STRANGER, World};
use crate::on_both;
use opsgram::access::{Access, By, Change, Herald, Listed, News};
use opsgram::base::ids::{ChatId, Place, UserId};
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::sandbox::{Message, Standing, View};
use opsgram::store::outbox::NewRow;
use opsgram::store::{self, Store};
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
            sealed: None,
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
        assert_eq!(told.text, "222 (222) is now operator.");
        assert!(world.asks(BEN, BEN, "/run hello").await.text.contains("hello · #1"));

        let unseen = world.asks(ANN, ANN, "/grant @eve_online viewer").await;
        assert!(unseen.text.contains("I have not seen “@eve_online” yet"), "{}", unseen.text);
        world.asks(EVE, EVE, "/whoami").await;
        let told = world.asks(ANN, ANN, "/grant @EVE_online viewer").await;
        assert_eq!(told.text, "Eve (555) is now viewer.");
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
        assert!(told.text.starts_with("Mallory (999) is now operator until "), "{}", told.text);
        let sent = world.sandbox.speak(ANN, OPS).reply_to(said.message_id).text("/grant hello");
        let told = world.after(OPS, sent.message_id).await;
        assert_eq!(told.text, "Mallory (999) may now run hello.");
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
        world.sees(ANN, "root: eve (555) is now owner.").await;
        world.asks(EVE, EVE, "/whoami").await;
        world.asks(EVE, EVE, "/grant 222 operator").await;
        world.sees(ANN, "eve: 222 (222) is now operator.").await;
        world.asks(ANN, ANN, "/grant 333 viewer").await;
        world.sees(EVE, "ann: 333 (333) is now viewer.").await;
        world.quiet().await;
        assert_eq!(world.count(EVE, "eve: 222"), 0);
        assert_eq!(world.count(ANN, "ann: 333"), 0);
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
        assert_eq!(asked.text, "Shall this be done?\nben (222) is now owner.");
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
        let done = world.sees(ANN, "Ben (222) is now operator until ").await;
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
        world.sees(ANN, "Ben (222) may now run deploy.").await;
        world.quiet().await;
        assert!(world.asks(BEN, BEN, "/run deploy").await.text.contains("deploy · #1"));
        world.quiet().await;
        world.polite();
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
            assert!(told.text.contains("is now viewer"), "{}", told.text);
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
