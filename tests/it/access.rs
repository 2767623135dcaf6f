//! Nobody unknown gets anything, and nobody gets more than the lower of their own and the group's role.

use crate::harness::{ANN, BEN, CLEO, OPS, Outside, PATIENCE, STRANGER, World};
use crate::on_both;
use opsgram::base::time::Millis;
use opsgram::sandbox::Standing;
use serde_json::json;

/// A group that no configuration names.
const ELSEWHERE: i64 = -4_004;
const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
/// A channel, and another bot.
const CHANNEL: i64 = -1_000_000_000_777;
const ROBOT: i64 = 555;

on_both! {
    /// A stranger is told once, then not for an hour; the first try is audited, the others are counted, and nothing runs.
    async fn a_stranger_gets_one_refusal_and_nothing_else(world) {
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        let first = world.asks(STRANGER, STRANGER, "/run hello").await;
        assert!(first.text.contains("I do not know you"), "{}", first.text);
        assert!(first.text.contains("999"), "says which id to pass on: {}", first.text);
        for text in ["/status", "/help", "/jobs", "hello?", "/run hello", "/start ABCD-EFGH"] {
            world.say(STRANGER, text);
        }
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(STRANGER).len(), 1, "one refusal, then silence");
        assert_eq!(world.jobs().await, 0);
        let knocks = world.audited("knock", "refused").await;
        let tried: Vec<_> = knocks.iter().map(|line| line.arguments.as_str()).collect();
        assert_eq!(tried, ["/run"]);
        let next_hour = Millis::now().plus(HOUR);
        world.services().access.write_down(next_hour).await.unwrap();
        let knocks = world.audited("knock", "refused").await;
        let tried: Vec<_> = knocks.iter().map(|line| line.arguments.as_str()).collect();
        assert_eq!(tried, ["/run", "×6"]);
        assert!(knocks.iter().all(|line| line.actor.0 == STRANGER && line.chat.0 == STRANGER));
        world.polite();
    }
}

on_both! {
    /// `/whoami` tells a stranger their ids and that they have no role; it works as often as they ask.
    async fn whoami_tells_a_stranger_nothing_else(world) {
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        for _ in 0..2 {
            let told = world.asks(STRANGER, STRANGER, "/whoami").await;
            assert_eq!(told.text, "You: Mallory 999\nChat: 999\nRole here: none");
            assert!(told.buttons.is_empty());
        }
        assert!(world.audited("knock", "refused").await.is_empty());
    }
}

on_both! {
    /// In a listed group a stranger stays a stranger: membership of the group gives nothing.
    async fn a_listed_group_does_not_make_its_members_known(world) {
        world.script("hello", "echo Hello", &[]);
        world.sandbox.set_privacy(false);
        world.start().await;
        let told = world.asks(STRANGER, OPS, "/run hello").await;
        assert!(told.text.contains("I do not know you"), "{}", told.text);
        for text in ["/status", "/run hello", "good morning"] {
            world.sandbox.say(STRANGER, OPS, text);
        }
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(OPS).len(), 1);
        assert_eq!(world.jobs().await, 0);
        let next_hour = Millis::now().plus(HOUR);
        world.services().access.write_down(next_hour).await.unwrap();
        let knocks = world.audited("knock", "refused").await;
        let tried: Vec<_> = knocks.iter().map(|line| line.arguments.as_str()).collect();
        assert_eq!(tried, ["/run", "×2"], "chatter is no knock");
    }
}

on_both! {
    /// A stranger's presses are answered, audited, and do nothing, whatever they say.
    async fn a_strangers_presses_do_nothing(world) {
        world.script("hello", "echo Hello", &[]);
        world.script("ask", "echo asked", &["confirm: true"]);
        world.start().await;
        let asked = world.asks(BEN, OPS, "/run ask").await;
        let shown = world.presses(STRANGER, &asked, "Run").await;
        assert_eq!(shown.as_deref(), Some("I do not know you."));
        for data in ["run:hello", "jobs:all:0", "scripts:0", "status:all", "log:1", "x", ""] {
            let shown = world.forges(STRANGER, STRANGER, data).await;
            assert_eq!(shown.as_deref(), Some("I do not know you."), "{data}");
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        assert_eq!(world.sandbox.from_bot(STRANGER).len(), 0);
        let next_hour = Millis::now().plus(HOUR);
        world.services().access.write_down(next_hour).await.unwrap();
        let refused = world.audited("knock", "refused").await;
        let tried: Vec<_> = refused.iter().map(|line| line.arguments.as_str()).collect();
        assert_eq!(tried.len(), 2, "{tried:?}");
        assert!(tried[0].starts_with("yes:") && tried[1] == "×7", "{tried:?}");
    }
}

on_both! {
    /// With nobody configured nobody is admin; the code makes one owner, once, in private, for good.
    async fn with_nobody_configured_nobody_is_admin_until_one_claims(world) {
        world.script("hello", "echo Hello", &[]);
        world.people("");
        world.start().await;
        let refused = world.asks(ANN, ANN, "/run hello").await;
        assert!(refused.text.contains("Nobody owns this bot yet"), "{}", refused.text);
        let old = world.services().access.open_claim().unwrap();
        let code = world.services().access.open_claim().unwrap();
        assert_ne!(old, code);
        let mut wrong = code.clone();
        wrong.replace_range(..1, if code.starts_with('A') { "B" } else { "A" });
        for text in [
            format!("/start {wrong}"),
            format!("/start {old}"),
            format!("/start {}", &code[..code.len() - 1]),
            format!("/claim {code}"),
            code.clone(),
        ] {
            world.say(ANN, &text);
        }
        world.sandbox.say(ANN, OPS, &format!("/start {code}"));
        world.sandbox.speak(ANN, ANN).forwarded_from(BEN).text(&format!("/start {code}"));
        world.quiet().await;
        assert_eq!(world.services().access.persons(), [], "no wrong way in");
        assert_eq!(world.count(ANN, "That is not the code."), 3, "a typo is told as such");
        let as_typed = code.to_lowercase().replace('-', "–");
        let welcome = world.asks(ANN, ANN, &format!("/start {as_typed}")).await;
        assert!(welcome.text.contains("You are the owner of this bot now"), "{}", welcome.text);
        assert_eq!(world.audited("owner.claim", "done").await.len(), 1);
        let late = world.asks(BEN, BEN, &format!("/start {code}")).await;
        assert!(late.text.contains("I do not know you"), "{}", late.text);
        assert_eq!(world.services().access.open_claim(), None);

        world.stop().await;
        world.start().await;
        assert_eq!(world.services().access.open_claim(), None, "no new code after a restart");
        let me = world.asks(ANN, ANN, "/whoami").await;
        assert!(me.text.ends_with("Role here: owner"), "{}", me.text);
        let ran = world.asks(ANN, ANN, "/run hello").await;
        assert!(ran.text.contains("hello · #1"), "{}", ran.text);
        world.say(BEN, "/run hello");
        world.quiet().await;
        assert_eq!(world.jobs().await, 1);
    }
}

on_both! {
    /// Of many who send the right code at the same moment, one becomes owner.
    async fn the_code_does_not_make_two_owners(world) {
        world.people("");
        world.start().await;
        let code = world.services().access.open_claim().unwrap();
        let all = [ANN, BEN, CLEO, STRANGER];
        for person in all {
            world.say(person, &format!("/start {code}"));
        }
        world.quiet().await;
        let owners = world.services().access.persons();
        assert_eq!(owners.len(), 1, "{owners:?}");
        let welcomed = all.iter().filter(|person| world.count(**person, "You are the owner") == 1);
        assert_eq!(welcomed.count(), 1);
        let refused = all.iter().filter(|person| world.count(**person, "I do not know you") == 1);
        assert_eq!(refused.count(), 3);
    }
}

on_both! {
    /// The code stands in the log as the command to send, and is gone from the log once somebody owns the bot.
    async fn the_claim_code_is_in_the_log_as_the_command_to_send(world) {
        world.people("");
        let bot = Outside::start(&world).await;
        let command = claim_of(&bot).await;
        let welcome = world.asks(ANN, ANN, &command).await;
        assert!(welcome.text.contains("You are the owner"), "{}", welcome.text);
        bot.terminate().await;
        let bot = Outside::start(&world).await;
        let me = world.asks(ANN, ANN, "/whoami").await;
        assert!(me.text.ends_with("Role here: owner"), "{}", me.text);
        assert!(!bot.logged().contains("/start "), "{}", bot.logged());
        let (code, _) = bot.terminate().await;
        assert_eq!(code, Some(0));
    }
}

/// The command in the log; the log is read by a task of its own, so it may take a moment to be there.
async fn claim_of(bot: &Outside) -> String {
    let begun = std::time::Instant::now();
    loop {
        let log = bot.logged();
        if let Some((_, rest)) = log.split_once("/start ") {
            let code: String = rest.chars().take(19).collect();
            return format!("/start {code}");
        }
        assert!(begun.elapsed() < PATIENCE, "no code in the log:\n{log}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

on_both! {
    /// The owner, in a group that may do what operators may, is an operator there.
    async fn a_groups_ceiling_holds_for_the_owner_too(world) {
        world.script("deploy", "echo deployed", &["role: admin"]);
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        let refused = world.asks(ANN, OPS, "/run deploy").await;
        assert_eq!(
            refused.text,
            "This needs the role admin or higher, and in this group nobody is more than operator. \
             Send it to me in our private chat."
        );
        let forged = world.forges(ANN, OPS, "run:deploy").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 0, "{forged:?}");
        world.asks(ANN, OPS, "/run hello").await;
        world.asks(ANN, ANN, "/run deploy").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 2);
        let listed = world.asks(ANN, OPS, "/run").await;
        assert!(listed.text.contains("hello") && !listed.text.contains("deploy"), "{}", listed.text);
        let me = world.asks(ANN, OPS, "/whoami").await;
        assert!(me.text.ends_with("Role here: operator"), "{}", me.text);
        let viewer = world.asks(CLEO, OPS, "/whoami").await;
        assert!(viewer.text.ends_with("Role here: viewer"), "{}", viewer.text);
        world.polite();
    }
}

on_both! {
    /// A group of which nothing is to be started: everybody looks, and nobody runs or stops anything.
    async fn in_a_viewers_group_nobody_runs_anything(world) {
        world.people("
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: operator}
  chats: [{id: -1001, name: ops, role: viewer}]
");
        endless(&mut world, "long", &[]);
        world.start().await;
        world.say(BEN, "/run long");
        world.sees(BEN, "▶️ long · #1").await;
        for person in [ANN, BEN] {
            for text in ["/run long", "/stream long", "/cancel 1"] {
                let refused = world.asks(person, OPS, text).await;
                assert_eq!(
                    refused.text,
                    "This needs the role operator or higher, and in this group nobody is more than viewer. \
                     Send it to me in our private chat."
                );
            }
            let bare = world.asks(person, OPS, "/run").await;
            assert_eq!(bare.text, "No script is open to your role here; you may look at /jobs. An owner can change that.");
            let before = world.sandbox.messages(OPS).len();
            world.forges(person, OPS, "run:long").await;
            let told = world.forges(person, OPS, "cancel:1").await.unwrap();
            assert!(told.starts_with("This needs the role operator"), "at the button: {told}");
            world.quiet_but_for_jobs().await;
            assert_eq!(world.sandbox.messages(OPS).len(), before + 1, "each is told");
            let looked = world.asks(person, OPS, "/job 1").await;
            assert!(looked.text.contains("begun"), "{}", looked.text);
        }
        assert_eq!(world.jobs().await, 1);
        world.asks(BEN, BEN, "/cancel 1").await;
        world.sees(BEN, "🚫 long · #1").await;
        world.polite();
    }
}

on_both! {
    /// In a group that is not listed even the owner gets nothing but its id, to list it by.
    async fn an_unlisted_group_gets_nothing_but_its_id(world) {
        world.script("hello", "echo Hello", &[]);
        world.sandbox.add_group(ELSEWHERE, "elsewhere", false);
        world.sandbox.add_member(ELSEWHERE, ANN, Standing::Creator);
        world.start().await;
        for text in ["/run hello", "/status", "/jobs", "/run", "/output 1", "/cancel 1", "/retry 1", "/start"] {
            let told = world.asks(ANN, ELSEWHERE, text).await;
            assert!(told.text.contains("not on my list"), "{text}: {}", told.text);
            assert!(told.text.contains("-4004"), "{text}: {}", told.text);
        }
        let help = world.asks(ANN, ELSEWHERE, "/help").await;
        assert!(!help.text.contains("/run"), "{}", help.text);
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        let refused = world.audited("script.run", "refused").await;
        assert_eq!(refused[0].target, "hello");
        assert_eq!(refused[0].chat.0, ELSEWHERE);
        world.polite();
    }
}

on_both! {
    /// Who hides behind the group is told how to stop hiding, and it is audited.
    async fn an_anonymous_admin_runs_nothing_and_is_told_why(world) {
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        let sent = world.sandbox.say_anonymously(OPS, "/run hello");
        let told = world.after(OPS, sent.message_id).await;
        assert!(told.text.contains("Remain anonymous"), "{}", told.text);
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        let refused = world.audited("command", "refused").await;
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].target, "/run");
        assert_eq!(refused[0].reason.as_deref(), Some("anonymous admin"));
        world.sandbox.add_group(ELSEWHERE, "elsewhere", false);
        world.sandbox.say_anonymously(ELSEWHERE, "/run hello");
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(ELSEWHERE).len(), 0, "a group that is not listed is not talked to");
        assert_eq!(world.audited("command", "refused").await.len(), 2);
    }
}

on_both! {
    /// Nothing that is not a person's own fresh message runs anything.
    async fn channels_bots_forwards_and_edits_run_nothing(world) {
        world.script("hello", "echo Hello", &[]);
        world.sandbox.set_privacy(false);
        world.sandbox.add_channel(CHANNEL, "news");
        world.sandbox.add_bot(ROBOT, "Robot", "robot_bot");
        world.sandbox.add_member(OPS, ROBOT, Standing::Member);
        world.start().await;
        let sandbox = &world.sandbox;
        sandbox.channel_post(CHANNEL, "/run hello");
        sandbox.say_as_chat(OPS, CHANNEL, "/run hello");
        sandbox.speak(ROBOT, OPS).text("/run hello");
        let said = sandbox.say(ANN, ANN, "good morning");
        sandbox.edit_said(ANN, said.message_id, "/run hello");
        // Kinds that were not asked for, should they come all the same.
        let person = json!({"id": ANN, "is_bot": false, "first_name": "Ann"});
        let private = json!({"id": ANN, "type": "private", "first_name": "Ann"});
        let channel = json!({"id": CHANNEL, "type": "channel", "title": "news"});
        let command = json!([{"type": "bot_command", "offset": 0, "length": 4}]);
        sandbox.inject(json!({"edited_message": {
            "message_id": said.message_id, "date": 1, "edit_date": 2, "chat": private,
            "from": person, "text": "/run hello", "entities": command,
        }}));
        sandbox.inject(json!({"channel_post": {
            "message_id": 7, "date": 1, "chat": channel, "sender_chat": channel,
            "text": "/run hello", "entities": command,
        }}));
        sandbox.inject(json!({"edited_channel_post": {
            "message_id": 7, "date": 1, "edit_date": 2, "chat": channel, "sender_chat": channel,
            "text": "/run hello", "entities": command,
        }}));
        world.quiet().await;
        for speech in [
            sandbox.speak(ANN, ANN).forwarded_from(STRANGER),
            sandbox.speak(ANN, ANN).forwarded_from(ANN),
            sandbox.speak(ANN, ANN).via_bot(ROBOT),
        ] {
            let sent = speech.text("/run hello");
            let told = world.after(ANN, sent.message_id).await;
            assert!(told.text.contains("Type the command yourself"), "{}", told.text);
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        assert_eq!(world.sandbox.from_bot(OPS).len(), 0, "other bots and channels get no answer");
        assert_eq!(world.sandbox.from_bot(CHANNEL).len(), 0);
        let why: Vec<_> = world.audited("command", "refused").await;
        let why: Vec<_> = why.iter().filter_map(|line| line.reason.clone()).collect();
        assert_eq!(
            why,
            ["not a person", "second hand", "second hand", "second hand"],
            "what nobody says again within the hour is counted"
        );
    }
}

on_both! {
    /// A command that names another bot is not ours; one that names us is, in any case of letters.
    async fn a_command_for_another_bot_is_not_ours(world) {
        world.script("hello", "echo Hello", &[]);
        world.sandbox.set_privacy(false);
        world.start().await;
        for text in ["/run@other_bot hello", "/run@sandbox_bot2 hello", "/run@ hello", "run hello"] {
            world.sandbox.say(BEN, OPS, text);
        }
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(OPS).len(), 0);
        assert_eq!(world.jobs().await, 0);
        let card = world.asks(BEN, OPS, "/Run@Sandbox_Bot hello").await;
        assert!(card.text.contains("hello · #1"), "{}", card.text);
    }
}

on_both! {
    /// What is asked in a topic is answered in it; *General* is addressed as Telegram wants it: without a topic.
    async fn replies_stay_in_their_topic(world) {
        const FORUM: i64 = -1_000_000_000_042;
        world.people("
access:
  users: [{id: 222, name: ben, role: operator}]
  chats: [{id: -1000000000042, name: forum, role: operator}]
");
        world.script("hello", "echo Hello", &[]);
        world.script("much", "seq 4000", &[]);
        world.script("ask", "echo asked", &["confirm: true"]);
        world.sandbox.add_group(FORUM, "forum", true);
        world.sandbox.add_member(FORUM, BEN, Standing::Member);
        let topic = world.sandbox.add_topic(FORUM, "servers");
        world.start().await;
        for text in ["/run hello", "/run much", "/status", "/nonsense", "/run ask", "/whoami"] {
            let sent = world.sandbox.speak(BEN, FORUM).topic(topic).text(text);
            let answer = world.after(FORUM, sent.message_id).await;
            assert_eq!(answer.reply_to, Some(sent.message_id), "{text}");
            world.quiet().await;
        }
        let asked = world.sees(FORUM, "Run ask?").await;
        world.presses(BEN, &asked, "Run").await;
        world.sees(FORUM, "✅ ask").await;
        world.quiet().await;
        let answers = world.sandbox.from_bot(FORUM);
        assert!(answers.len() > 6, "a file or chunks follow");
        for message in &answers {
            assert_eq!(message.thread, Some(topic), "{}", message.text);
        }
        assert!(world.count(FORUM, &format!("Topic: {topic}")) == 1);
        let in_general = world.asks(BEN, FORUM, "/run hello").await;
        assert_eq!(in_general.thread, None);
        let shown = world.asks(BEN, FORUM, "/whoami").await;
        assert!(!shown.text.contains("Topic"), "{}", shown.text);
        world.polite();
    }
}

on_both! {
    /// Every decision is written down, with what it was about and the arguments.
    async fn every_decision_is_audited(world) {
        world.script("deploy", "echo $1", &["role: admin", "args: [{name: service}]"]);
        world.script("hello", "echo $1", &["args: [{name: who, optional: true}]"]);
        world.start().await;
        world.asks(BEN, BEN, "/run hello “big world”").await;
        world.asks(BEN, BEN, "/run deploy api").await;
        world.asks(CLEO, CLEO, "/run hello x").await;
        world.asks(ANN, OPS, "/status du").await;
        world.asks(BEN, BEN, "/jobs failed").await;
        world.asks(BEN, BEN, "/output 1").await;
        world.asks(CLEO, CLEO, "/cancel 1").await;
        world.quiet().await;
        let lines = world.audit().await;
        let short: Vec<_> = lines
            .iter()
            .map(|l| format!("{} {} {} {} {}", l.actor_name, l.action, l.target, l.arguments, l.result))
            .collect();
        let expected = [
            "ben script.run hello 'big world' allowed",
            "ben script.run deploy api refused",
            "cleo script.run hello x refused",
            "ann status.show du  allowed",
            "ben job.list failed  allowed",
            "ben job.output #1  allowed",
            "cleo job.cancel #1  refused",
        ];
        for line in expected {
            assert!(short.iter().any(|short| short == line), "{line} is missing in {short:#?}");
        }
        assert_eq!(short.len(), expected.len(), "{short:#?}");
        assert!(lines.iter().all(|l| l.channel == "telegram" && !l.request_id.is_empty()));
        assert_eq!(lines.iter().filter(|l| l.chat.0 == OPS).count(), 1);
        assert!(lines.iter().filter(|l| l.result == "refused").all(|l| l.reason.is_some()));
    }
}

on_both! {
    /// A secret that somebody types as an argument runs nothing, and is in no answer and no audit line.
    async fn a_secret_in_an_argument_is_neither_run_nor_written_down(world) {
        world.variable("PGPASSWORD", "it's-hunter2");
        world.script(
            "backup",
            "echo backed up",
            &["secrets: [PGPASSWORD]", "confirm: true", "args: [{name: note}]"],
        );
        world.start().await;
        let refused = world.asks(BEN, BEN, "/run backup \"it's-hunter2\"").await;
        assert_eq!(
            refused.text,
            "An argument holds the value of PGPASSWORD. Leave it out: the script gets PGPASSWORD from the environment."
        );
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        for line in world.audit().await {
            assert!(!format!("{line:?}").contains("hunter2"), "{line:?}");
        }
        assert!(world.audited("script.ask", "allowed").await.is_empty());
        assert_eq!(world.audited("script.ask", "refused").await.len(), 1);
    }
}

on_both! {
    /// The order of the roles, as seen from the chat: each may what the lower one may, and no more.
    async fn each_role_may_what_the_lower_one_may_and_no_more(world) {
        const DAN: i64 = 444;
        world.people("
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 444, name: dan, role: admin}
    - {id: 222, name: ben, role: operator}
    - {id: 333, name: cleo, role: viewer}
");
        for role in ["viewer", "operator", "admin", "owner"] {
            world.script(&format!("for-{role}"), "echo ran", &[&format!("role: {role}")]);
        }
        world.set("jobs: {per_user: 8}");
        world.start().await;
        let mut ran = 0;
        for (person, may) in [(CLEO, 1), (BEN, 2), (DAN, 3), (ANN, 4)] {
            for (rank, role) in ["viewer", "operator", "admin", "owner"].iter().enumerate() {
                let told = world.asks(person, person, &format!("/run for-{role}")).await;
                let refused = told.text.starts_with(&format!("This needs the role {role}"));
                assert_eq!(refused, rank >= may, "{person} and {role}: {}", told.text);
                ran += usize::from(!refused);
            }
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, ran);
        world.polite();
    }
}

/// A script that runs until it is cancelled.
fn endless(world: &mut World, name: &str, more: &[&str]) {
    world.script(name, "echo begun; exec sleep 600", more);
}

on_both! {
    /// `/cancel all` stops what the asker has open, and says that there is more.
    async fn cancel_all_stops_ones_own_jobs(world) {
        endless(&mut world, "long", &["concurrency: 2"]);
        world.start().await;
        world.say(ANN, "/run long");
        world.sees(ANN, "▶️ long · #1").await;
        world.say(BEN, "/run long");
        world.sees(BEN, "▶️ long · #2").await;
        world.say(BEN, "/run long");
        world.sees(BEN, "⏳ long · #3").await;
        let told = world.asks(BEN, BEN, "/cancel all").await;
        assert_eq!(told.text, "Stopping #3, #2 …\nOf others, 1 goes on: /jobs running");
        world.sees(BEN, "🚫 long · #2 · cancelled by ben").await;
        world.sees(BEN, "🚫 long · #3 · cancelled by ben").await;
        let told = world.asks(BEN, BEN, "/cancel all").await;
        assert_eq!(told.text, "No job of yours is running or waiting.\nOf others, 1 goes on: /jobs running");
        world.asks(ANN, ANN, "/cancel All").await;
        world.sees(ANN, "🚫 long · #1 · cancelled by ann").await;
        world.polite();
    }
}

on_both! {
    /// An operator stops their own jobs only; an admin stops anybody's.
    async fn an_operator_cannot_cancel_anothers_job_but_an_admin_can(world) {
        endless(&mut world, "long", &["concurrency: 4"]);
        world.start().await;
        world.say(ANN, "/run long");
        world.sees(ANN, "▶️ long · #1").await;
        let refused = world.asks(BEN, BEN, "/cancel 1").await;
        assert!(refused.text.contains("needs the role admin"), "{}", refused.text);
        let shown = world.forges(BEN, BEN, "cancel:1").await;
        world.quiet_but_for_jobs().await;
        let told = shown.is_some_and(|words| words.contains("needs the role admin"))
            || world.count(BEN, "needs the role admin") == 2;
        assert!(told, "the press is refused in words");
        assert_eq!(world.audited("job.cancel.other", "refused").await.len(), 2);

        world.say(BEN, "/run long");
        world.sees(BEN, "▶️ long · #2").await;
        world.asks(BEN, BEN, "/cancel 2").await;
        world.sees(BEN, "🚫 long · #2 · cancelled by ben").await;
        world.say(BEN, "/run long");
        world.sees(BEN, "▶️ long · #3").await;
        world.asks(ANN, ANN, "/cancel #3").await;
        world.sees(BEN, "🚫 long · #3 · cancelled by ann").await;
        world.asks(ANN, ANN, "/cancel 1").await;
        world.sees(ANN, "🚫 long · #1 · cancelled by ann").await;
        world.polite();
    }
}

on_both! {
    /// A job of an admin's script is for lower roles the same as no job at all.
    async fn an_admins_job_cannot_be_told_from_a_missing_one(world) {
        world.script("payroll", "echo the-secret-sum", &["role: admin"]);
        world.start().await;
        world.say(ANN, "/run payroll");
        world.sees(ANN, "the-secret-sum").await;
        world.quiet().await;
        for person in [BEN, CLEO] {
            for ask in ["/job", "/output", "/retry", "/cancel"] {
                let hidden = world.asks(person, person, &format!("{ask} 1")).await;
                let missing = world.asks(person, person, &format!("{ask} 9")).await;
                assert_eq!(hidden.text.replace('1', "9"), missing.text, "{ask}");
            }
            let grepped = world.asks(person, person, "/output 1 grep secret").await;
            assert!(grepped.text.starts_with("There is no job #1"), "{}", grepped.text);
            for data in ["log:1", "job:1", "again:1", "cancel:1"] {
                let hidden = world.forges(person, person, data).await;
                let missing = world.forges(person, person, &data.replace('1', "9")).await;
                assert_eq!(hidden.map(|words| words.replace('1', "9")), missing, "{data}");
            }
            let listed = world.asks(person, person, "/jobs").await;
            assert!(!listed.text.contains("payroll"), "{}", listed.text);
        }
        let mut hidden = world.audited("job.output", "refused").await;
        hidden.retain(|line| line.target == "#1");
        assert_eq!(hidden.len(), 6, "the trail tells what the chat does not: {hidden:#?}");
        let in_group = world.asks(ANN, OPS, "/output 1").await;
        assert!(in_group.text.starts_with("There is no job #1"), "{}", in_group.text);
        world.quiet().await;
        for chat in [BEN, CLEO, OPS] {
            assert_eq!(world.count(chat, "the-secret-sum"), 0);
            let files = world.sandbox.from_bot(chat).iter().filter(|m| m.document.is_some()).count();
            assert_eq!(files, 0);
        }
        assert_eq!(world.jobs().await, 1);
        world.polite();
    }
}
