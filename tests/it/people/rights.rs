//! The right to one script, and roles that end.

use super::{DAN, EVE, HOUR, ONLY_ANN, cli, now, private, role};
use crate::harness::{ANN, BEN, CLEO, OPS};
use crate::on_both;
use opsgram::access::{Change, Listed};
use opsgram::base::ids::UserId;
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::store::members::Member;

on_both! {
    /// A role for a time ends exactly then, gives way to what was before, and leaves a line in the trail.
    async fn a_role_with_an_end_falls_back(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.script("payroll", "echo sum", &["role: admin"]);
        world.start().await;
        world.give(&[(BEN, "ben", Role::Viewer)]).await;
        let told = world.asks(ANN, ANN, "/grant ben operator 8h").await;
        assert!(told.text.starts_with("ben (222) is now operator until ") && told.text.ends_with(", then viewer again."), "{}", told.text);
        // Given once more, it falls back to what he is for good.
        world.asks(ANN, ANN, "/grant ben admin 2h").await;
        world.asks(ANN, ANN, "/grant cleo operator 30m").await;
        world.asks(ANN, ANN, "/grant 333 operator 30m").await;
        for person in [BEN, CLEO] {
            world.asks(person, person, "/whoami").await;
        }
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
        world.sees(BEN, "Your time as admin has ended. You are viewer again.").await;
        world.sees(CLEO, "Your time as operator has ended. I do nothing for you any more.").await;
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
        assert!(told.text.starts_with("cleo (333) may now run deploy until "), "{}", told.text);
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
        // Their own runs are theirs to look back at; others' stay out of sight.
        let mine = world.asks(BEN, BEN, "/jobs mine").await;
        assert!(mine.text.contains("deploy · #1") && !mine.text.contains("#2"), "{}", mine.text);
        let all = world.asks(BEN, BEN, "/jobs").await;
        assert!(!all.text.contains("deploy"), "{}", all.text);
        world.quiet().await;
    }
}

on_both! {
    /// Whoever has a right to a script answers its questions as well, by buttons and by text, while the right holds.
    async fn a_right_to_a_script_answers_its_questions(world) {
        let args = "args: [{name: service, choices: [api, web]}, {name: tag}]";
        world.script("deploy", r#"printf '<%s>' "$@"; echo"#, &["role: admin", args]);
        world.start().await;
        world.asks(ANN, ANN, "/grant cleo deploy").await;
        let first = world.asks(CLEO, CLEO, "/run deploy").await;
        world.presses(CLEO, &first, "api").await;
        world.sees(CLEO, "tag?").await;
        world.say(CLEO, "v1");
        world.sees(CLEO, "✅ deploy · #1").await;
        let again = world.asks(CLEO, CLEO, "/run deploy").await;
        world.asks(ANN, ANN, "/revoke cleo deploy").await;
        world.presses(CLEO, &again, "web").await;
        world.sees(CLEO, "This needs the role admin").await;
        assert_eq!(world.jobs().await, 1);
        world.polite();
    }
}

on_both! {
    /// What was left of an earlier role is gone when a new one is given, by a grant as by an invitation.
    async fn old_rights_do_not_come_back_with_a_new_role(world) {
        world.people(ONLY_ANN);
        world.all_wrote_before();
        world.start().await;
        let access = world.services().access.clone();
        let named = |users: &[(i64, &str, Role)]| Listed {
            users: users.iter().map(|(id, name, role)| Member { id: UserId(*id), name: (*name).to_owned(), role: *role }).collect(),
            ..Listed::default()
        };
        let ann = (ANN, "ann", Role::Owner);
        let all = [ann, (BEN, "ben", Role::Viewer), (CLEO, "cleo", Role::Viewer)];
        access.relist(named(&all));
        for user in [BEN, CLEO] {
            let right = Change::Script { user: UserId(user), script: "deploy".to_owned(), needs: Role::Admin, until: None };
            access.change(&cli(), right).await.unwrap();
        }
        let may = |user| access.may_run(UserId(user), private(user), "deploy", Role::Admin);
        assert!(may(BEN) && may(CLEO));
        access.relist(named(&[ann]));
        assert!(!may(BEN) && !may(CLEO), "a right alone is no role");
        access.change(&cli(), role(BEN, "ben", Role::Viewer)).await.unwrap();
        world.quiet().await;
        let (_, code) = world.invites(ANN, "/invite viewer").await;
        world.asks(CLEO, CLEO, &format!("/start {code}")).await;
        assert_eq!((world.role_of(BEN), world.role_of(CLEO)), (Some(Role::Viewer), Some(Role::Viewer)));
        assert!(!may(BEN) && !may(CLEO), "the rights ended with the role that they were given to");

        // The file's word about somebody hides the database's; whoever looks sees that it is there.
        access.change(&cli(), role(EVE, "eve", Role::Owner)).await.unwrap();
        access.relist(named(&[ann, (EVE, "eve", Role::Viewer)]));
        world.quiet().await;
        let users = world.asks(ANN, ANN, "/users").await;
        assert!(users.text.contains("owner again when the configuration no longer names them"), "{}", users.text);
        access.relist(named(&[ann]));
        assert_eq!(world.role_of(EVE), Some(Role::Owner));
        let users = world.asks(ANN, ANN, "/users").await;
        assert!(!users.text.contains("no longer names them"), "{}", users.text);
        world.quiet().await;
    }
}

on_both! {
    /// In a private chat stand the buttons that its reader may press, by role or by a right to the script; in a group all.
    async fn a_private_chat_has_the_buttons_of_its_reader(world) {
        world.script("put", "echo put", &["undo: [echo, back]", "schedule: every 5h"]);
        world.set("workflows: {flow: {notify: [], undo_for: 9m, steps: [{name: put, run: [echo, put], undo: [echo, back]}, {name: fail, run: ['false']}]}}");
        world.start().await;
        world.say(BEN, "/run put");
        world.sees(BEN, "✅ put · #1").await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "flow · #2 · failed at fail").await;
        let labels = async |person: i64, chat: i64, text: &str| -> Vec<String> {
            let shown = world.asks(person, chat, text).await;
            shown.all_buttons().map(|button| button.text.clone()).collect()
        };
        for (text, looks, acts) in [
            ("/job 1", &["Full log"][..], &["Run again", "Undo"][..]),
            ("/workflow status 2", &["Full log", "Log: put"], &["Run again", "Retry from fail", "Undo … (9 m)"]),
            ("/schedules put", &["‹ All"], &["Run now", "Pause"]),
        ] {
            for (person, chat, may) in [(CLEO, CLEO, false), (BEN, BEN, true), (CLEO, OPS, true), (ANN, ANN, true)] {
                let shown = labels(person, chat, text).await;
                let has = |label: &&str| shown.iter().any(|one| one == label);
                assert!(looks.iter().all(&has), "{text}: {shown:?}");
                assert!(acts.iter().all(|label| has(label) == may), "{text} by {person} in {chat}: {shown:?}");
            }
        }
        // A right to the script lets her run it, and not pause what runs by itself.
        world.asks(ANN, ANN, "/grant cleo put").await;
        world.sees(CLEO, "ann lets you run put").await;
        assert_eq!(labels(CLEO, CLEO, "/job 1").await, ["Run again", "Full log", "Undo"]);
        assert_eq!(labels(CLEO, CLEO, "/schedules put").await, ["Run now", "‹ All"]);
        world.polite();
    }
}
