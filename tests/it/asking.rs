//! Missing arguments are asked for one by one: whose dialog it is, what counts as an answer, what it survives.

use crate::harness::{ANN, BEN, CLEO, OPS, Outside, World};
use crate::on_both;
use opsgram::base::ids::{ChatId, UpdateId, UserId};
use opsgram::base::time::Millis;
use opsgram::chat::dialog;
use opsgram::sandbox::{Message, What};
use opsgram::store::dialogs;
use std::time::Duration;

/// One argument of each kind.
const ARGS: &str = "args: [{name: service, description: What is deployed, choices: [api, web]}, \
                    {name: tag, pattern: 'v[0-9.]+', hint: a version such as v1.2}, \
                    {name: count, type: integer, min: 1, max: 3, default: 2}, \
                    {name: force, type: boolean, default: no}, \
                    {name: note, optional: true}]";

const BODY: &str = r#"printf '<%s>' "$@"; echo"#;

fn asking(world: &mut World) {
    world.script("deploy", BODY, &[ARGS]);
}

fn labels(message: &Message) -> Vec<&str> {
    message
        .all_buttons()
        .map(|button| button.text.as_str())
        .collect()
}

/// Presses the button of the newest form of the message and waits until it, or another one, says this.
async fn press(world: &World, person: i64, chat: i64, label: &str, then: &str) -> Message {
    let pressed = world.press(person, chat, label);
    world.answer(&pressed).await;
    world.sees(chat, then).await
}

/// The newest message that wants a reply.
async fn prompt(world: &World, chat: i64) -> Message {
    let found = |view: &opsgram::sandbox::View<'_>| {
        view.from_bot(chat)
            .filter(|message| message.force_reply)
            .last()
            .cloned()
    };
    let found = world
        .sandbox
        .wait(crate::harness::PATIENCE, "a prompt", found)
        .await;
    found.unwrap()
}

on_both! {
    /// From the bare command to the program: buttons, a typed value, numbers, yes and no, something left out.
    async fn what_is_missing_is_asked_for_step_by_step(world) {
        asking(&mut world);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        assert_eq!(first.text, "deploy\n\nservice: What is deployed");
        assert_eq!(labels(&first), ["api", "web", "Cancel"]);
        let second = press(&world, BEN, BEN, "api", "tag?").await;
        assert_eq!(second.id, first.id, "one message, changed from step to step");
        assert_eq!(second.text, "deploy\nservice: api\n\ntag?\nExpected: a version such as v1.2.");
        assert_eq!(labels(&second), ["‹ Back", "Cancel"]);
        let wants = prompt(&world, BEN).await;
        assert_eq!(wants.placeholder.as_deref(), Some("a version such as v1.2"));
        world.say(BEN, "v1.2");
        let third = world.sees(BEN, "count?").await;
        assert_eq!(labels(&third), ["1", "2 (default)", "3", "Defaults for the rest", "‹ Back", "Cancel"]);
        press(&world, BEN, BEN, "3", "force?").await;
        let last = press(&world, BEN, BEN, "yes", "note?").await;
        assert!(last.text.contains("count: 3\nforce: yes\n"), "{}", last.text);
        assert_eq!(labels(&last), ["Skip", "‹ Back", "Cancel"]);
        let card = press(&world, BEN, BEN, "Skip", "✅ deploy · #1").await;
        assert_eq!(card.id, first.id, "the card takes the place of the questions");
        assert!(card.text.ends_with("<api><v1.2><3><true>"), "{}", card.text);
        world.quiet().await;
        assert_eq!(world.jobs().await, 1);
        assert_eq!(world.audited("script.run", "allowed").await.len(), 1);
        assert!(world.audited("script.ask", "allowed").await.len() >= 5);
        world.polite();
    }
}

on_both! {
    /// What was given with the command is not asked for; the last answer may be typed; a script that asks first still does.
    async fn what_was_given_is_kept_and_what_is_confirmed_is_confirmed(world) {
        world.script("deploy", BODY, &["confirm: true", "args: [{name: service}, {name: tag}]"]);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy tag=“v1 & <b>”").await;
        assert_eq!(first.text, "deploy\ntag: v1 & <b>\n\nservice?");
        prompt(&world, BEN).await;
        let typed = world.say(BEN, "a=b; $(id)").message_id;
        let question = world.after(BEN, typed).await;
        assert!(question.text.starts_with("Run deploy?"), "{}", question.text);
        assert!(question.text.ends_with("'a=b; $(id)' 'v1 & <b>'"), "{}", question.text);
        let before = world.sees(BEN, "service: a=b; $(id)").await;
        assert_eq!((before.id, labels(&before)), (first.id, vec![]));
        world.presses(BEN, &question, "Run").await;
        let card = world.sees(BEN, "✅ deploy · #1").await;
        assert!(card.text.contains("<a=b; $(id)><v1 & <b>>"), "{}", card.text);
    }
}

on_both! {
    /// The buttons of the list of scripts, and /stream, ask as well.
    async fn buttons_and_stream_ask_too(world) {
        world.script("deploy", BODY, &["args: [{name: service, choices: [api, web]}]"]);
        world.start().await;
        world.asks(BEN, BEN, "/run").await;
        press(&world, BEN, BEN, "deploy", "service?").await;
        press(&world, BEN, BEN, "web", "✅ deploy · #1").await;
        world.asks(BEN, BEN, "/stream deploy").await;
        let pressed = world.press(BEN, BEN, "api");
        world.answer(&pressed).await;
        world.sees(BEN, "✅ deploy · #2").await;
        assert!(world.sees(BEN, "<api>").await.text.contains("<api>"));
    }
}

on_both! {
    /// Wrong replies are told what would be right, and the question stays.
    async fn a_value_that_does_not_fit_is_asked_for_again(world) {
        world.variable("API_KEY", "hunter22");
        world.script("deploy", BODY, &[
            "args: [{name: tag, pattern: 'v[0-9.]+', hint: a version such as v1.2}, {name: n, type: integer, min: 0, max: 99}]",
            "secrets: [API_KEY]",
        ]);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        let wants = prompt(&world, BEN).await;
        for (wrong, told) in [
            ("one", "“one” does not fit tag. Expected: a version such as v1.2."),
            ("v1\nv2", "The value of tag holds a line break"),
            ("hunter22", "An argument holds the value of API_KEY."),
            ("-v1", "starts with a dash"),
        ] {
            let said = world.say(BEN, wrong);
            let again = world.after(BEN, said.message_id).await;
            assert!(again.text.contains(told) && again.force_reply, "{}", again.text);
            assert_eq!(again.reply_to, Some(said.message_id));
        }
        let same = world.sandbox.from_bot(BEN).into_iter().find(|m| m.id == first.id).unwrap();
        assert_eq!(same.text, first.text);
        // The first prompt still belongs to the open question.
        world.sandbox.speak(BEN, BEN).reply_to(wants.id).text("v2");
        world.sees(BEN, "A whole number from 0 to 99.").await;
        world.sees(BEN, "Reply to this message with the value of n.").await;
        let old = world.sandbox.speak(BEN, BEN).reply_to(wants.id).text("7");
        let told = world.after(BEN, old.message_id).await;
        assert_eq!(told.text, "That question was answered already. Asked for now: n.");
        world.say(BEN, "100");
        world.sees(BEN, "“100” does not fit n. Write a whole number from 0 to 99.").await;
        world.say(BEN, " 7 ");
        let card = world.sees(BEN, "✅ deploy · #1").await;
        assert!(card.text.contains("<v2><7>"), "{}", card.text);
        let mut db = world.services().store.read().await.unwrap();
        let kept = opsgram::store::dialogs::lapsed(&mut db, Millis(i64::MAX)).await.unwrap();
        assert_eq!(kept, [], "nothing is left open");
    }
}

on_both! {
    /// A value may look like a command, as a reply; commands work meanwhile, and the question stays.
    async fn commands_work_during_a_dialog(world) {
        world.script("show", BODY, &["args: [{name: path}]"]);
        world.start().await;
        world.asks(BEN, BEN, "/run show").await;
        let wants = prompt(&world, BEN).await;
        assert!(world.asks(BEN, BEN, "/whoami").await.text.contains("222"));
        assert!(world.asks(BEN, BEN, "/var/log").await.text.contains("There is no command"));
        // A reply to something else is no answer.
        let other = world.asks(BEN, BEN, "/jobs").await;
        let said = world.sandbox.speak(BEN, BEN).reply_to(other.id).text("x");
        assert!(world.after(BEN, said.message_id).await.text.contains("I understand commands"));
        world.sandbox.speak(BEN, BEN).reply_to(wants.id).text("/var/log");
        let card = world.sees(BEN, "✅ show · #1").await;
        assert!(card.text.contains("</var/log>"), "{}", card.text);
    }
}

on_both! {
    /// In a group a dialog is its asker's: nobody else can press, reply, or take it over.
    async fn in_a_group_only_the_asker_answers(world) {
        world.script("deploy", BODY, &["args: [{name: service, choices: [api, web]}, {name: tag}]"]);
        world.start().await;
        let asked = world.sandbox.say(BEN, OPS, "/run deploy");
        let first = world.after(OPS, asked.message_id).await;
        assert_eq!(first.reply_to, Some(asked.message_id));
        assert!(first.text.starts_with("deploy for ben\n"), "{}", first.text);
        for label in ["api", "Cancel"] {
            let shown = world.presses(ANN, &first, label).await;
            world.quiet().await;
            let told = "ben is asked here. Only ben can answer.";
            assert!(shown.as_deref() == Some(told) || world.count(OPS, told) > 0, "{label}");
        }
        assert_eq!(world.audited("press.answer", "refused").await.len(), 2);
        // Ann has a dialog of her own meanwhile.
        let hers = world.asks(ANN, OPS, "/run deploy").await;
        assert!(hers.text.starts_with("deploy for ann\n"), "{}", hers.text);
        world.presses(BEN, &first, "api").await;
        let wants = prompt(&world, OPS).await;
        let before = world.sandbox.from_bot(OPS).len();
        world.sandbox.speak(ANN, OPS).reply_to(wants.id).text("v9");
        world.sandbox.speak(CLEO, OPS).reply_to(wants.id).text("v9");
        world.sandbox.speak(BEN, OPS).text("v9, I would say");
        world.sandbox.speak(BEN, OPS).reply_to(asked.message_id).text("v9");
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(OPS).len(), before, "nobody is answered");
        assert_eq!(world.jobs().await, 0);
        world.sandbox.speak(BEN, OPS).reply_to(wants.id).text("v1");
        let card = world.sees(OPS, "✅ deploy · #1").await;
        assert!(card.text.contains("<api><v1>"), "{}", card.text);
        world.polite();
    }
}

on_both! {
    /// The questions stay in their topic, and the one that opens the keyboard opens the asker's alone.
    async fn a_dialog_stays_in_its_topic(world) {
        const FORUM: i64 = -1_000_000_000_042;
        world.people("
access:
  users: [{id: 222, name: ben, role: operator}]
  chats: [{id: -1000000000042, name: forum, role: operator}]
");
        world.sandbox.add_group(FORUM, "forum", true);
        world.sandbox.add_member(FORUM, BEN, opsgram::sandbox::Standing::Member);
        let topic = world.sandbox.add_topic(FORUM, "servers");
        world.script("deploy", BODY, &["args: [{name: tag}]"]);
        world.start().await;
        let asked = world.sandbox.speak(BEN, FORUM).topic(topic).text("/run deploy");
        let wants = prompt(&world, FORUM).await;
        assert_eq!(wants.reply_to, Some(asked.message_id));
        world.sandbox.speak(BEN, FORUM).topic(topic).reply_to(wants.id).text("v1");
        world.sees(FORUM, "✅ deploy · #1").await;
        for message in world.sandbox.from_bot(FORUM) {
            assert_eq!(message.thread, Some(topic), "{}", message.text);
        }
    }
}

on_both! {
    /// A new /run that asks takes the place of the open one, and says so; the old buttons are dead.
    async fn a_new_dialog_replaces_the_old_one(world) {
        world.script("deploy", BODY, &["args: [{name: service, choices: [api, web]}]"]);
        world.script("other", BODY, &["args: [{name: tag}]"]);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        let second = world.asks(BEN, BEN, "/run other").await;
        assert!(second.text.contains("Your unfinished deploy was dropped.\n"), "{}", second.text);
        let over = world.sees(BEN, "You began another one. Nothing was run.").await;
        assert_eq!((over.id, labels(&over)), (first.id, vec![]));
        let dead = first.button("api").unwrap().data.clone().unwrap();
        world.forges(BEN, BEN, &dead).await;
        world.sees(BEN, "This is over. Send /run deploy to begin again.").await;
        world.say(BEN, "v1");
        world.sees(BEN, "✅ other · #1").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 1);
    }
}

on_both! {
    /// Stale, forged and double presses do nothing but say so.
    async fn old_and_forged_answers_change_nothing(world) {
        asking(&mut world);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        let api = first.button("api").unwrap().data.clone().unwrap();
        let web = first.button("web").unwrap().data.clone().unwrap();
        let twice = [
            world.sandbox.press_forged(BEN, BEN, first.id, &api),
            world.sandbox.press_forged(BEN, BEN, first.id, &api),
            world.sandbox.press_forged(BEN, BEN, first.id, &web),
        ];
        for press in &twice {
            world.answer(press).await;
        }
        world.quiet().await;
        assert_eq!(world.count(BEN, "That question was answered already."), 2);
        assert_eq!(world.count(BEN, "service: api"), 1);
        let (id, step) = {
            let mut parts = api.split(':').skip(1);
            (parts.next().unwrap().to_owned(), parts.next().unwrap().parse::<i64>().unwrap() + 1)
        };
        for (data, told) in [
            (format!("ask:{id}:{step}:s"), "This cannot be left out."),
            (format!("ask:{id}:{step}:vff"), "That value is no longer among them."),
            (format!("ask:{id}:{step}:q"), "This button no longer stands for anything."),
            (format!("ask:{}:{step}:b", i64::MAX), "This button no longer stands for anything."),
        ] {
            let shown = world.forges(BEN, BEN, &data).await;
            world.quiet().await;
            assert!(shown.is_some_and(|s| s.contains(told)) || world.count(BEN, told) > 0, "{data}");
        }
        // From another chat, somebody's button is nobody's.
        world.say(ANN, "/whoami");
        world.forges(ANN, ANN, &format!("ask:{id}:{step}:x")).await;
        world.forges(BEN, OPS, &format!("ask:{id}:{step}:x")).await;
        world.say(BEN, "v1");
        let third = world.sees(BEN, "count?").await;
        let rest = third.button("Defaults for the rest").unwrap().data.clone().unwrap();
        let twice = [0, 1].map(|_| world.sandbox.press_forged(BEN, BEN, first.id, &rest));
        for press in &twice {
            world.answer(press).await;
        }
        let card = world.sees(BEN, "✅ deploy · #1").await;
        assert!(card.text.contains("<api><v1><2><false>"), "{}", card.text);
        world.quiet().await;
        assert_eq!(world.jobs().await, 1);
        assert_eq!(world.count(BEN, "This was answered already."), 1);
        assert_eq!(world.audited("press.answer", "refused").await.len(), 3);
    }
}

on_both! {
    /// Cancel ends it whatever was answered, takes the open keyboard away, and runs nothing.
    async fn cancel_ends_a_dialog(world) {
        asking(&mut world);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        press(&world, BEN, BEN, "api", "tag?").await;
        let wants = prompt(&world, BEN).await;
        let over = press(&world, BEN, BEN, "Cancel", "Cancelled. Nothing was run.").await;
        assert_eq!((over.id, labels(&over)), (first.id, vec![]));
        let gone = |view: &opsgram::sandbox::View<'_>| {
            view.message(BEN, wants.id).is_none().then_some(())
        };
        world.sandbox.wait(crate::harness::PATIENCE, "the prompt to go", gone).await.unwrap();
        let said = world.say(BEN, "v1");
        assert!(world.after(BEN, said.message_id).await.text.contains("I understand commands"));
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
    }
}

on_both! {
    /// Nobody answers for ten minutes: the message says so and offers a new start.
    async fn a_dialog_lapses(world) {
        asking(&mut world);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        world.quiet().await;
        let soon = Millis::now().plus(Duration::from_secs(9 * 60));
        assert_eq!(dialog::expire(world.services(), soon).await.unwrap(), 0);
        let later = Millis::now().plus(Duration::from_secs(11 * 60));
        assert_eq!(dialog::expire(world.services(), later).await.unwrap(), 1);
        assert_eq!(dialog::expire(world.services(), later).await.unwrap(), 0);
        let over = world.sees(BEN, "Nobody answered within 10 m. Nothing was run.").await;
        assert_eq!((over.id, labels(&over)), (first.id, vec!["Start again"]));
        world.presses(BEN, &over, "Start again").await;
        let again = world.after(BEN, over.id).await;
        assert!(again.text.contains("service: What is deployed"), "{}", again.text);
    }
}

/// Damages what is kept of every dialog.
async fn damage(world: &World) {
    let mut tx = world.services().store.begin().await.unwrap();
    let text = "UPDATE dialogs SET payload = '{}' WHERE phase = 'open'";
    sqlx::query(text).execute(&mut *tx).await.unwrap();
    world.services().store.commit(tx).await.unwrap();
}

on_both! {
    /// A dialog that cannot be read stands in nobody's way: not in that of others, not in that of its asker.
    async fn an_unreadable_dialog_is_closed(world) {
        asking(&mut world);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        world.quiet().await;
        damage(&world).await;
        let second = world.asks(ANN, ANN, "/run deploy").await;
        world.quiet().await;
        let later = Millis::now().plus(Duration::from_secs(11 * 60));
        assert_eq!(dialog::expire(world.services(), later).await.unwrap(), 2);
        assert_eq!(dialog::expire(world.services(), later).await.unwrap(), 0);
        let told = world.sees(BEN, "This question is no longer understood.").await;
        assert_eq!((told.id, labels(&told).len()), (first.id, 0));
        assert_eq!(world.sees(ANN, "Nobody answered within 10 m.").await.id, second.id);
        let again = world.asks(BEN, BEN, "/run deploy").await;
        world.quiet().await;
        damage(&world).await;
        let data = again.button("api").unwrap().data.clone().unwrap();
        world.forges(BEN, BEN, &data).await;
        world.sees(BEN, "This button no longer stands for anything.").await;
        world.asks(BEN, BEN, "/run deploy").await;
        world.quiet().await;
        damage(&world).await;
        let anew = world.asks(BEN, BEN, "/run deploy").await;
        assert!(anew.text.ends_with("service: What is deployed"), "{}", anew.text);
        assert!(!anew.text.contains("was dropped"), "{}", anew.text);
    }
}

on_both! {
    /// Whatever the moment: the dialog goes on after a restart, and no answer counts twice or is lost.
    async fn a_dialog_outlives_a_killed_bot(world) {
        asking(&mut world);
        let bot = Outside::start(&world).await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        bot.kill().await;
        let press = world.sandbox.press(BEN, BEN, first.id, "web").unwrap();
        let bot = Outside::start(&world).await;
        world.answer(&press).await;
        world.sees(BEN, "tag?").await;
        let wants = prompt(&world, BEN).await;
        bot.kill().await;
        world.sandbox.speak(BEN, BEN).reply_to(wants.id).text("v3");
        let bot = Outside::start(&world).await;
        world.sees(BEN, "count?").await;
        bot.kill().await;
        let last = world.press(BEN, BEN, "Defaults for the rest");
        let bot = Outside::start(&world).await;
        world.answer(&last).await;
        let card = world.sees(BEN, "✅ deploy · #1").await;
        assert!(card.text.contains("<web><v3><2><false>"), "{}", card.text);
        let (code, _) = bot.terminate().await;
        assert_eq!(code, Some(0));
        let store = world.database().await;
        let mut db = store.read().await.unwrap();
        let counts = opsgram::store::jobs::counts(&mut db).await.unwrap();
        assert_eq!(counts, (0, 0));
        drop(db);
        store.close().await;
    }
}

on_both! {
    /// Killed at random moments while answers come in, it ends with exactly one job and every answer in it.
    async fn however_often_it_is_killed_one_dialog_makes_one_job(world) {
        world.script("deploy", BODY, &["args: [{name: a, choices: [x, y]}, {name: b, choices: [x, y]}, {name: c, choices: [x, y]}]"]);
        let mut bot = Outside::start(&world).await;
        world.asks(BEN, BEN, "/run deploy").await;
        for (question, label) in [("a?", "x"), ("b?", "y"), ("c?", "x")] {
            world.sees(BEN, question).await;
            world.press(BEN, BEN, label);
            bot.kill().await;
            bot = Outside::start(&world).await;
        }
        let card = world.sees(BEN, "✅ deploy · #1").await;
        assert!(card.text.contains("<x><y><x>"), "{}", card.text);
        assert_eq!(world.count(BEN, "deploy · #2"), 0);
        bot.terminate().await;
    }
}

on_both! {
    /// Rights count at the moment of the answer, and at the end.
    async fn who_lost_the_role_cannot_go_on(world) {
        asking(&mut world);
        world.start().await;
        world.asks(BEN, BEN, "/run deploy").await;
        world.stop().await;
        world.people("
access:
  users: [{id: 222, name: ben, role: viewer}]
");
        world.start().await;
        let pressed = world.press(BEN, BEN, "api");
        world.answer(&pressed).await;
        world.sees(BEN, "This needs the role operator or higher.").await;
        assert_eq!(world.audited("script.ask", "refused").await.len(), 1);
        world.stop().await;
        world.people("
access:
  users: [{id: 222, name: ben, role: operator}]
");
        world.start().await;
        let pressed = world.press(BEN, BEN, "api");
        world.answer(&pressed).await;
        world.sees(BEN, "tag?").await;
    }
}

on_both! {
    /// The script's declaration changed under the dialog: that is told, and nothing is guessed.
    async fn a_changed_configuration_ends_a_dialog(world) {
        asking(&mut world);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        world.stop().await;
        world = World::sharing(world);
        world.script("deploy", BODY, &["args: [{name: service, choices: [web, api]}]"]);
        world.start().await;
        let over = press(&world, BEN, BEN, "api", "Its configuration has changed since you began.").await;
        assert_eq!((over.id, labels(&over)), (first.id, vec!["Start again"]));
        let second = world.asks(BEN, BEN, "/run deploy").await;
        world.stop().await;
        world = World::sharing(world);
        world.script("other", BODY, &[]);
        world.start().await;
        world.say(BEN, "api");
        let over = world.sees(BEN, "It is no longer in the configuration.").await;
        assert_eq!((over.id, labels(&over)), (second.id, vec![]));
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
    }
}

on_both! {
    /// What was pressed or written while the bot was away for long is not taken for an answer of now.
    async fn late_answers_are_asked_for_again(world) {
        world.script("deploy", BODY, &["args: [{name: service, choices: [api, web]}, {name: tag}]"]);
        world.start().await;
        world.asks(BEN, BEN, "/run deploy").await;
        let pressed = world.press(BEN, BEN, "api");
        world.answer(&pressed).await;
        world.sees(BEN, "tag?").await;
        let old = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        world.sandbox.say_at(BEN, BEN, "v1", i64::try_from(old).unwrap() - 360);
        world.sees(BEN, "You wrote that while I was away.").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        world.asks(BEN, BEN, "/run deploy").await;
        world.quiet().await;
        world.stop().await;
        let pressed = world.press(BEN, BEN, "web");
        world.sandbox.expire_presses();
        world.start().await;
        world.sees(BEN, "You pressed while I was away.").await;
        assert!(!pressed.is_empty());
        let pressed = world.press(BEN, BEN, "web");
        world.answer(&pressed).await;
        world.sees(BEN, "service: web").await;
    }
}

on_both! {
    /// The form of a value is told as code, or in the words of the configuration.
    async fn a_bad_value_is_told_the_form(world) {
        world.script("deploy", BODY, &["args: [{name: tag, pattern: 'v[0-9<]+'}, {name: n, pattern: '[0-9]+', hint: digits., optional: true}]"]);
        world.start().await;
        let told = world.asks(BEN, BEN, "/run deploy x").await;
        assert_eq!(told.text, "“x” does not have the expected form for tag. The whole value must match v[0-9<]+");
        assert!(told.source.ends_with("<code>v[0-9&lt;]+</code>"), "{}", told.source);
        let told = world.asks(BEN, BEN, "/run deploy v1 x").await;
        assert_eq!(told.text, "“x” does not fit n. Expected: digits.");
        let told = world.asks(BEN, BEN, "/run deploy tga=v1").await;
        assert_eq!(told.text, "There is no argument “tga”. Did you mean tag=v1? If the whole is meant as a value, write tag=tga=v1.");
    }
}

/// The open dialog of Ben, with one more answer, as a bot leaves it that is killed between the last answer and the start.
async fn ended_by(world: &World, answer: (&str, &str), update: i64) {
    let store = world.database().await;
    let mut tx = store.begin().await.unwrap();
    let (chat, ben) = (ChatId(BEN), UserId(BEN));
    let mut row = dialogs::open_of(&mut tx, chat, ben).await.unwrap().unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&row.payload).unwrap();
    let answers = state["answers"].as_array_mut().unwrap();
    answers.push(serde_json::json!([answer.0, answer.1]));
    row.payload = state.to_string();
    row.phase = dialogs::Phase::Done;
    // It may come back after hours.
    row.expires_at = Millis(1);
    row.ended_by = Some(UpdateId(update));
    let from = row.step;
    assert!(dialogs::put(&mut tx, &row, from).await.unwrap());
    store.commit(tx).await.unwrap();
    store.close().await;
}

on_both! {
    /// Killed right after the last answer was written: the script is started by the same update, once.
    async fn killed_before_the_start_it_starts_after_the_next_start(world) {
        world.script("deploy", BODY, &["args: [{name: tag}]"]);
        world.script("pick", BODY, &["args: [{name: service, choices: [api, web]}]"]);
        world.start().await;
        world.asks(BEN, BEN, "/run deploy").await;
        world.quiet().await;
        world.stop().await;
        let said = world.say(BEN, "v1").update_id.unwrap();
        ended_by(&world, ("tag", "v1"), said).await;
        world.start().await;
        let card = world.sees(BEN, "✅ deploy · #1").await;
        assert!(card.text.contains("<v1>"), "{}", card.text);
        assert!(world.sandbox.redeliver(said), "given once more, it changes nothing");
        let asked = world.asks(BEN, BEN, "/run pick").await;
        world.quiet().await;
        world.stop().await;
        let before = world.sandbox.seq();
        world.press(BEN, BEN, "web");
        let pressed = world.sandbox.events_since(before).into_iter().find_map(|event| match event.what {
            What::Queued { update_id } => Some(update_id),
            _ => None,
        });
        ended_by(&world, ("service", "web"), pressed.unwrap()).await;
        world.start().await;
        let card = world.sees(BEN, "✅ pick · #2").await;
        assert_eq!(card.id, asked.id);
        let data = asked.button("web").unwrap().data.clone().unwrap();
        world.forges(BEN, BEN, &data).await;
        world.sees(BEN, "This was answered already.").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 2);
    }
}

on_both! {
    /// A command that came late is offered first, and asks for what it lacks when it is wanted.
    async fn a_late_command_asks_once_it_is_wanted(world) {
        world.script("deploy", BODY, &["args: [{name: service, choices: [api, web]}]"]);
        world.start().await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let sent = world.sandbox.say_at(BEN, BEN, "/run deploy", i64::try_from(now).unwrap() - 600);
        let offer = world.after(BEN, sent.message_id).await;
        world.presses(BEN, &offer, "Run now").await;
        world.sees(BEN, "Running /run deploy now.").await;
        world.sees(BEN, "service?").await;
        press(&world, BEN, BEN, "api", "✅ deploy · #1").await;
    }
}

on_both! {
    /// A group that becomes a supergroup leaves its questions behind: they are over, and a new one can be asked.
    async fn a_migrated_group_asks_anew(world) {
        world.script("deploy", BODY, &["args: [{name: service, choices: [api, web]}]"]);
        world.start().await;
        let old = world.asks(BEN, OPS, "/run deploy").await;
        world.quiet().await;
        let new = world.sandbox.migrate(OPS);
        world.quiet().await;
        let asked = world.asks(BEN, new, "/run deploy").await;
        world.forges(BEN, new, &old.button("api").unwrap().data.clone().unwrap()).await;
        world.sees(new, "This is over. Send /run deploy to begin again.").await;
        let web = asked.button("web").unwrap().data.clone().unwrap();
        let press = world.sandbox.press_forged(BEN, new, asked.id, &web);
        world.answer(&press).await;
        world.sees(new, "✅ deploy · #1").await;
    }
}
