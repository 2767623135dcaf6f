//! Buttons: forged, stale, pressed twice, pressed by another, pressed after things have changed.

use crate::harness::{ANN, BEN, CLEO, OPS, Outside, World};
use crate::on_both;
use opsgram::base::ids::JobId;
use opsgram::base::job::OutputMode;
use opsgram::sandbox::{Message, What};
use serde_json::json;

/// A script that asks first, and prints its arguments element by element.
const ARGS: &str =
    "args: [{name: service, choices: [api, web]}, {name: note, default: none, max_len: 80}]";

fn asking(world: &mut World) {
    world.script(
        "deploy",
        r#"printf '<%s>\n' "$@""#,
        &["confirm: true", ARGS],
    );
}

/// Says when an offered command was typed: ten minutes ago.
fn ten_minutes_ago() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap() - 600
}

/// Someone says something while the bot is away; the bot offers it when it is back.
async fn says_late(world: &World, person: i64, chat: i64, text: &str) -> Message {
    let sent = world.sandbox.say_at(person, chat, text, ten_minutes_ago());
    world.after(chat, sent.message_id).await
}

on_both! {
    /// The question shows the argv exactly as it is run, and Run runs exactly that.
    async fn a_question_shows_what_will_be_executed(world) {
        asking(&mut world);
        world.start().await;
        let asked = world.asks(BEN, BEN, "/run deploy web “a; rm -rf / & <b>$HOME</b>”").await;
        let program = world.path().join("deploy.sh").display().to_string();
        assert_eq!(
            asked.text,
            format!("Run deploy? This is what will be executed:\n{program} web 'a; rm -rf / & <b>$HOME</b>'")
        );
        assert_eq!(world.jobs().await, 0);
        world.presses(BEN, &asked, "Run").await;
        let ended = world.sees(BEN, "✅ deploy · #1").await;
        assert_eq!(ended.id, asked.id, "the card takes the place of the question");
        assert!(ended.text.contains("<web>\n<a; rm -rf / & <b>$HOME</b>>"), "{}", ended.text);
        world.polite();
    }
}

on_both! {
    /// However often Run is pressed, it runs once.
    async fn pressing_run_twice_does_not_run_twice(world) {
        asking(&mut world);
        world.start().await;
        let asked = world.asks(BEN, BEN, "/run deploy api").await;
        let data = asked.button("Run").unwrap().data.clone().unwrap();
        let presses: Vec<_> = (0..5)
            .map(|_| world.sandbox.press_forged(BEN, BEN, asked.id, &data))
            .collect();
        for press in &presses {
            world.answer(press).await;
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 1);
        assert_eq!(world.count(BEN, "This was answered already."), 4, "each surplus press is told");
        world.polite();
    }
}

on_both! {
    /// Run again, pressed twice, runs again once; a later press runs it once more.
    async fn pressing_run_again_twice_does_not_run_twice(world) {
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        let card = world.asks(BEN, BEN, "/run hello").await;
        let card = match card.button("Run again") {
            Some(_) => card,
            None => world.sees(BEN, "✅ hello · #1").await,
        };
        let one = world.sandbox.press(BEN, BEN, card.id, "Run again").unwrap();
        let two = world.sandbox.press(BEN, BEN, card.id, "Run again").unwrap();
        world.answer(&one).await;
        world.answer(&two).await;
        world.sees(BEN, "hello · #2").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 2);
        assert_eq!(world.count(BEN, "It runs again already, as #2."), 1);
        world.polite();
    }
}

on_both! {
    /// Only the asker may answer a question, not even the owner.
    async fn nobody_but_the_asker_may_confirm_or_drop(world) {
        asking(&mut world);
        world.start().await;
        let asked = world.asks(BEN, OPS, "/run deploy api").await;
        for (person, label) in [(ANN, "Run"), (ANN, "Drop"), (CLEO, "Run"), (CLEO, "Drop")] {
            let shown = world.presses(person, &asked, label).await;
            world.quiet().await;
            let told = shown.is_some() || world.count(OPS, "Only ben can answer this.") > 0;
            assert!(told, "{label}");
        }
        assert_eq!(world.jobs().await, 0);
        assert_eq!(world.audited("press.answer", "refused").await.len(), 4);
        world.presses(BEN, &asked, "Run").await;
        world.sees(OPS, "✅ deploy · #1").await;
        world.polite();
    }
}

on_both! {
    /// What was asked in one chat cannot be answered from another.
    async fn a_question_cannot_be_answered_from_another_chat(world) {
        asking(&mut world);
        world.start().await;
        let asked = world.asks(BEN, OPS, "/run deploy api").await;
        let data = asked.button("Run").unwrap().data.clone().unwrap();
        world.say(BEN, "/whoami");
        world.forges(BEN, BEN, &data).await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        assert_eq!(world.count(BEN, "This button no longer stands for anything."), 1);
    }
}

on_both! {
    /// A question outlives a killed bot, and is still answered once.
    async fn a_question_outlives_a_killed_bot(world) {
        asking(&mut world);
        let bot = Outside::start(&world).await;
        let asked = world.asks(BEN, BEN, "/run deploy api").await;
        bot.kill().await;
        let run = world.sandbox.press(BEN, BEN, asked.id, "Run").unwrap();
        let bot = Outside::start(&world).await;
        world.answer(&run).await;
        world.sees(BEN, "✅ deploy · #1").await;
        world.presses(BEN, &asked_again(&world, "/run deploy web").await, "Run").await;
        world.sees(BEN, "✅ deploy · #2").await;
        let (code, _) = bot.terminate().await;
        assert_eq!(code, Some(0));
    }
}

/// The newest question, after asking once more. A killed bot may repeat an answer that it was not sure of.
async fn asked_again(world: &World, text: &str) -> Message {
    world.say(BEN, text);
    world.sees(BEN, " web none").await
}

on_both! {
    /// Drop runs nothing, and what was dropped cannot be run.
    async fn what_was_dropped_does_not_run(world) {
        asking(&mut world);
        world.start().await;
        let asked = world.asks(BEN, BEN, "/run deploy api").await;
        let run = asked.button("Run").unwrap().data.clone().unwrap();
        world.presses(BEN, &asked, "Drop").await;
        let dropped = world.sees(BEN, "Dropped. Nothing was run.").await;
        assert_eq!(dropped.id, asked.id);
        assert!(dropped.buttons.is_empty());
        world.forges(BEN, BEN, &run).await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        assert_eq!(world.count(BEN, "This was answered already."), 1);
    }
}

on_both! {
    /// A question that lapsed runs nothing.
    async fn a_lapsed_question_does_not_run(world) {
        asking(&mut world);
        world.start().await;
        let asked = world.asks(BEN, BEN, "/run deploy api").await;
        let store = &world.services().store;
        let mut tx = store.begin().await.unwrap();
        sqlx::query("UPDATE intents SET expires_at = 1").execute(&mut *tx).await.unwrap();
        store.commit(tx).await.unwrap();
        world.presses(BEN, &asked, "Run").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        assert_eq!(world.count(BEN, "This is too old. Send the command again."), 1);
    }
}

on_both! {
    /// Who was demoted between asking and pressing is refused, and so is who was removed.
    async fn a_person_demoted_between_asking_and_pressing_is_refused(world) {
        asking(&mut world);
        world.start().await;
        let question = world.asks(BEN, BEN, "/run deploy api").await;
        let late = says_late(&world, BEN, BEN, "/run deploy web").await;
        world.say(BEN, "/run deploy api");
        world.quiet().await;
        world.stop().await;
        world.people("
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: viewer}
");
        world.start().await;
        world.presses(BEN, &question, "Run").await;
        world.presses(BEN, &late, "Run now").await;
        world.quiet().await;
        assert_eq!(world.count(BEN, "This needs the role operator or higher. You are viewer here."), 2);
        for action in ["script.run", "script.ask"] {
            assert_eq!(world.audited(action, "refused").await.len(), 1, "{action}");
        }
        world.stop().await;
        world.people("access: {users: [{id: 111, name: ann, role: owner}]}\n");
        world.start().await;
        for (message, label) in [(&question, "Run"), (&late, "Run now"), (&late, "Drop")] {
            let shown = world.presses(BEN, message, label).await;
            assert_eq!(shown.as_deref(), Some("I do not know you."));
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        world.polite();
    }
}

on_both! {
    /// What would run now is not what was shown: it is not run.
    async fn a_configuration_changed_between_asking_and_pressing_does_not_run(world) {
        asking(&mut world);
        world.start().await;
        let asked = world.asks(BEN, BEN, "/run deploy api").await;
        world.stop().await;
        let mut other = World::sharing(world);
        other.script("deploy", "echo other", &["confirm: true", "args: [{name: service}, {name: note, default: changed}]"]);
        other.start().await;
        other.presses(BEN, &asked, "Run").await;
        other.sees(BEN, "The configuration of deploy has changed since you asked.").await;
        other.quiet().await;
        assert_eq!(other.jobs().await, 0);
        other.stop().await;
        let mut none = World::sharing(other);
        none.script("hello", "echo Hello", &[]);
        none.start().await;
        none.presses(BEN, &asked, "Run").await;
        none.sees(BEN, "There is no script “deploy”").await;
        none.quiet().await;
        assert_eq!(none.jobs().await, 0);
        world = none;
    }
}

on_both! {
    /// Whatever a press says that no button said: it is answered, and nothing runs that the person may not run.
    async fn forged_presses_do_nothing_and_are_answered(world) {
        world.script("payroll", "echo sum", &["role: admin"]);
        world.start().await;
        world.say(ANN, "/run payroll");
        world.sees(ANN, "✅ payroll · #1").await;
        world.asks(CLEO, CLEO, "/whoami").await;
        let huge = "9".repeat(40);
        let forged = [
            "", ":", "::", "x", "run", "run:", "run:payroll", "run:nothing", "run:../../bin/sh", "run:payroll\n",
            "cancel:1", "cancel:0", "cancel:-1", "cancel:99", "cancel:1e3", &format!("cancel:{huge}"),
            "again:1", "again:99", "again:", "log:1", "log:99", "log:../1", "job:1", "job:99",
            "jobs:all:0", "jobs:all:4294967295", "jobs:all:-1", "jobs:<b>:0", "jobs:all", "jobs::0",
            "scripts:0", "scripts:18446744073709551615", "scripts:x", "status:all", "status:<i>", "status:",
            "yes:", "yes:aaaaaaaaaaaaaaaaaaaa", "yes:' OR 1=1 --", "no:", "no:aaaaaaaaaaaaaaaaaaaa",
            "RUN:payroll", "\u{0}", "yes:\u{0}", "run:\u{0}", "🙂🙂🙂🙂",
        ];
        for data in forged {
            let before = world.sandbox.seq();
            let shown = world.forges(CLEO, CLEO, data).await;
            world.quiet().await;
            // A page that is the same as before is refused by Telegram, and stays.
            let page = |event: &What| {
                matches!(event, What::Sent { .. } | What::Edited { .. })
                    || matches!(event, What::Refused { method: "editMessageText", .. })
            };
            let said = world.sandbox.events_since(before).iter().any(|event| page(&event.what));
            assert!(shown.is_some() || said, "{data:?} is met with silence");
            let words = shown.unwrap_or_default();
            assert!(!words.contains("wrong on my side"), "{data:?}: {words}");
        }
        assert_eq!(world.jobs().await, 1);
        for message in world.sandbox.from_bot(CLEO) {
            for version in &message.history {
                for hidden in ["wrong on my side", "sum", "payroll ·"] {
                    assert!(!version.text.contains(hidden), "{}", version.text);
                }
            }
        }
        world.polite();
    }
}

on_both! {
    /// Who may look gets the whole log from its button, as an answer to the card.
    async fn the_full_log_comes_by_its_button(world) {
        world.script("much", "seq 3000", &[]);
        world.start().await;
        world.say(BEN, "/run much");
        let card = world.sees(BEN, "✅ much · #1").await;
        let in_group = world.asks(CLEO, OPS, "/job 1").await;
        for (person, message) in [(BEN, &card), (CLEO, &in_group)] {
            world.quiet().await;
            let last = world.sandbox.from_bot(message.chat).last().map_or(0, |m| m.id);
            world.presses(person, message, "Full log").await;
            let file = world.after(message.chat, last).await;
            assert_eq!(file.reply_to, Some(message.id));
            assert!(file.document.unwrap().bytes.ends_with(b"2999\n3000\n"));
        }
        world.polite();
    }
}

on_both! {
    /// A press without data, or of a message that Telegram no longer shows, is answered as well.
    async fn odd_presses_are_answered(world) {
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        let ben = json!({"id": BEN, "is_bot": false, "first_name": "Ben"});
        let chat = json!({"id": BEN, "type": "private", "first_name": "Ben"});
        world.sandbox.inject(json!({"callback_query": {
            "id": "1001", "from": ben, "chat_instance": "1", "inline_message_id": "abc", "data": "run:hello",
        }}));
        world.sandbox.inject(json!({"callback_query": {
            "id": "1002", "from": ben, "chat_instance": "1", "game_short_name": "chess",
            "message": {"message_id": 5, "date": 0, "chat": chat},
        }}));
        world.sandbox.inject(json!({"callback_query": {
            "id": "1003", "from": ben, "chat_instance": "1", "data": "status:all",
            "message": {"message_id": 5, "date": 0, "chat": chat},
        }}));
        world.quiet().await;
        let calls = world.sandbox.calls();
        let answers = calls.iter().filter(|call| call.method == "answerCallbackQuery").count();
        assert_eq!(answers, 3);
        assert_eq!(world.jobs().await, 0);
        assert!(world.audit().await.iter().all(|line| line.actor.0 == BEN));
    }
}

on_both! {
    /// A press that came while the bot was away is offered, not carried out; carried out once when wanted.
    async fn a_stale_press_is_offered_and_not_run(world) {
        world.script("hello", "echo Hello", &[]);
        asking(&mut world);
        world.start().await;
        world.say(BEN, "/run hello");
        let card = world.sees(BEN, "✅ hello · #1").await;
        let list = world.asks(BEN, BEN, "/run").await;
        let question = world.asks(BEN, BEN, "/run deploy api").await;
        world.quiet().await;
        world.stop().await;
        world.sandbox.press(BEN, BEN, card.id, "Run again").unwrap();
        world.sandbox.press(BEN, BEN, list.id, "hello").unwrap();
        world.sandbox.press(BEN, BEN, question.id, "Run").unwrap();
        world.sandbox.expire_presses();
        world.start().await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 1, "nothing ran unasked");
        let offers: Vec<_> = world.sandbox.from_bot(BEN);
        let offers: Vec<_> = offers.iter().filter(|m| m.text.contains("while I was away. Do it now?")).collect();
        assert_eq!(offers.len(), 2);
        assert_eq!(world.count(BEN, "Press again if you still want it."), 1);
        world.presses(BEN, offers[1], "Drop").await;
        world.presses(BEN, offers[0], "Run now").await;
        world.sees(BEN, "✅ hello · #2").await;
        let yes = offers[0].button("Run now").unwrap().data.clone().unwrap();
        world.forges(BEN, BEN, &yes).await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 2);
        world.presses(BEN, &question, "Run").await;
        world.sees(BEN, "✅ deploy · #3").await;
        world.polite();
    }
}

on_both! {
    /// A command from before is offered; Run now runs it once, Drop never.
    async fn a_stale_command_is_offered_and_not_run(world) {
        world.script("hello", "echo Hello, $1", &["args: [{name: who, default: world}]"]);
        world.start().await;
        let offer = says_late(&world, BEN, BEN, "/run hello “big <world>”").await;
        assert!(offer.text.starts_with("You asked /run hello “big <world>” at "), "{}", offer.text);
        assert!(offer.text.ends_with(", while I was away."), "{}", offer.text);
        let dropped = says_late(&world, BEN, BEN, "/run hello").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        world.presses(BEN, &dropped, "Drop").await;
        world.sees(BEN, "Dropped. Nothing was run.").await;
        let yes = offer.button("Run now").unwrap().data.clone().unwrap();
        let presses = [(); 3].map(|()| world.sandbox.press_forged(BEN, BEN, offer.id, &yes));
        for press in &presses {
            world.answer(press).await;
        }
        let card = world.sees(BEN, "✅ hello · #1").await;
        assert!(card.text.contains("Hello, big <world>"), "{}", card.text);
        world.quiet().await;
        assert_eq!(world.jobs().await, 1);
        let now = world.sees(BEN, "Running /run hello “big <world>” now.").await;
        assert_eq!(now.id, offer.id);
        assert!(now.buttons.is_empty(), "the offer has done its work");
        let status = says_late(&world, CLEO, CLEO, "/status").await;
        world.presses(CLEO, &status, "Run now").await;
        let shown = world.sees(CLEO, "Load").await;
        assert_eq!(shown.id, status.id);
        world.polite();
    }
}

on_both! {
    /// What was late is checked as anything else: the asker alone, with their rights, with what is right for arguments.
    async fn a_stale_command_gives_nobody_more_than_a_fresh_one(world) {
        world.script("payroll", "echo sum", &["role: admin"]);
        world.script("hello", "echo Hello", &[]);
        asking(&mut world);
        world.start().await;
        let offer = says_late(&world, BEN, OPS, "/run hello").await;
        for person in [ANN, CLEO] {
            world.presses(person, &offer, "Run now").await;
            let shown = world.presses(person, &offer, "Drop").await;
            assert_eq!(shown.as_deref(), Some("Only ben can answer this."));
        }
        let above = says_late(&world, BEN, BEN, "/run payroll").await;
        world.presses(BEN, &above, "Run now").await;
        world.sees(BEN, "This needs the role admin").await;
        let wrong = says_late(&world, BEN, BEN, "/run deploy nowhere").await;
        world.presses(BEN, &wrong, "Run now").await;
        world.sees(BEN, "“nowhere” is not a value for service. It can be api or web.").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        assert_eq!(world.count(OPS, "Only ben can answer this."), 2);
        let asks = says_late(&world, BEN, BEN, "/run deploy api").await;
        world.presses(BEN, &asks, "Run now").await;
        let question = world.sees(BEN, "Run deploy?").await;
        assert_eq!(world.jobs().await, 0, "a late dangerous command still asks");
        world.presses(BEN, &question, "Run").await;
        world.sees(BEN, "✅ deploy · #1").await;
        let long = format!("/run hello {}", "x".repeat(4_000));
        let long = says_late(&world, BEN, BEN, &long).await;
        world.presses(BEN, &long, "Run now").await;
        world.sees(BEN, "is one argument too many").await;
        world.polite();
    }
}

on_both! {
    /// A job that was asked to stop and does not obey shows it, offers no second Cancel, and says so when asked again.
    async fn a_job_that_is_being_stopped_says_so(world) {
        let body = "trap '' TERM; echo begun; while :; do sleep 0.1; done";
        world.script("stubborn", body, &["grace: 6s"]);
        world.start().await;
        world.say(BEN, "/run stubborn");
        let card = world.sees(BEN, "▶️ stubborn · #1").await;
        let shown = world.presses(BEN, &card, "Cancel").await;
        assert_eq!(shown.as_deref(), Some("Asking it to stop …"));
        let stopping = world.sees(BEN, "⏹ stubborn · #1 · stopping").await;
        assert!(stopping.all_buttons().next().is_none());
        let again = world.asks(BEN, BEN, "/cancel 1").await;
        assert!(again.text.contains("was asked to stop already"), "{}", again.text);
        let ended = world.sees(BEN, "🚫 stubborn · #1 · cancelled by ben").await;
        assert_eq!(ended.id, card.id);
        world.polite();
    }
}

on_both! {
    /// The buttons under /stream stream: the job is kept as one whose output follows as messages, page after page.
    async fn the_buttons_of_stream_do_not_run_as_a_card(world) {
        for n in 1..=9 {
            world.script(&format!("s{n}"), "echo out", &[]);
        }
        world.start().await;
        let list = world.asks(BEN, BEN, "/stream").await;
        assert!(list.text.contains("will follow as messages"), "{}", list.text);
        world.presses(BEN, &list, "More ›").await;
        world.sees(BEN, "s9").await;
        world.press(BEN, BEN, "s9");
        world.sees(BEN, "✅ s9 · #1").await;
        let mut db = world.services().store.read().await.unwrap();
        let job = opsgram::store::jobs::find(&mut db, JobId(1)).await.unwrap().unwrap();
        assert_eq!(job.new.output, OutputMode::Stream);
    }
}

on_both! {
    /// Refresh shows the same part of the status again, not all of it.
    async fn refresh_does_not_turn_a_part_into_the_whole(world) {
        world.start().await;
        let part = world.asks(ANN, ANN, "/status mem").await;
        world.presses(ANN, &part, "Refresh").await;
        world.quiet().await;
        let now = world.sandbox.messages(ANN).into_iter().find(|m| m.id == part.id).unwrap();
        assert!(now.text.contains("Memory") && !now.text.contains("Load"), "{}", now.text);
    }
}
