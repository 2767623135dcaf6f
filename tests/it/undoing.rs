//! Scripts that are taken back: by hand, once and in time; or by themselves, when nobody confirmed them.

use crate::harness::tools::{Gate, lines, until};
use crate::harness::{ANN, BEN, CLEO, Database, OPS, Outside, PATIENCE, World};
use crate::on_both;
use crate::workflows::keeping::Hands;
use opsgram::base::time::Millis;
use opsgram::sandbox::{Message, View};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Adds a script `put` with one argument and its undo; what both write.
fn put(world: &mut World, more: &[&str]) -> PathBuf {
    let done = world.path().join("done");
    let back = world.path().join("back");
    fs::write(&back, format!("echo back $1 >> {}", done.display())).unwrap();
    let undo = format!("undo: [sh, {}, \"{{what}}\"]", back.display());
    let mut rules = vec!["args: [{name: what, pattern: '[a-z]+'}]", undo.as_str()];
    rules.extend(more);
    world.script("put", &format!("echo put $1 >> {}", done.display()), &rules);
    done
}

fn in_ten_minutes() -> Millis {
    Millis::now().plus(Duration::from_secs(600))
}

on_both! {
    /// Asked first, with what would run; by those who may run the script; once.
    async fn a_script_is_taken_back_once(world) {
        let done = put(&mut world, &["undo_for: 20m"]);
        world.start().await;
        world.say(BEN, "/run put x");
        let card = world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.quiet().await;
        assert!(world.forges(CLEO, BEN, "undo:1").await.is_some_and(|told| !told.is_empty()));
        world.presses(BEN, &card, "Undo (20 m)").await;
        let asked = world.sees(BEN, "Take back put · #1?").await;
        assert!(asked.text.ends_with("back\nx"), "{}", asked.text);
        assert_eq!(world.jobs().await, 1);
        world.forges(CLEO, BEN, "undone:1").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 1, "a viewer may not");
        world.presses(BEN, &asked, "Take it back").await;
        let back = world.sees(BEN, "↩️ put · #2 · took back #1").await;
        assert!(back.button("Run again").is_none());
        let told = world.sees(BEN, "\n↩️ taken back by #2").await;
        assert!(told.id == card.id && told.text.starts_with("✅ put · #1 · exit 0"), "{}", told.text);
        assert!(told.button("Undo (20 m)").is_none() && told.button("Run again").is_some());
        world.quiet().await;
        let jobs = world.asks(BEN, BEN, "/jobs").await;
        for words in ["↩️ put · #2 · took back #1", "✅ put · #1 · exit 0"] {
            assert!(jobs.text.contains(words), "{words}: {}", jobs.text);
        }
        assert!(jobs.text.contains("↩️ taken back by #2"), "{}", jobs.text);
        assert!(world.asks(BEN, BEN, "/job 1").await.button("Undo").is_none());
        world.forges(BEN, BEN, "undone:1").await;
        world.sees(BEN, "#1 was taken back already, by #2").await;
        let told = world.forges(BEN, BEN, "undo:2").await.unwrap();
        assert!(told.contains("There is nothing of #2 to take back"), "{told}");
        world.quiet().await;
        assert_eq!(lines(&done), ["put x", "back x"]);
        assert_eq!(world.audited("script.undo", "allowed").await.len(), 1);
        let refused = world.audited("script.undo", "refused").await;
        assert!(refused.iter().any(|line| line.actor.0 == BEN && line.reason.as_ref().is_some_and(|why| why.contains("taken back already"))));
    }
}

on_both! {
    /// After its time it is not offered any more, and a failure never is.
    async fn too_late_is_said(world) {
        let done = put(&mut world, &["undo_for: 1ms"]);
        world.start().await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.quiet().await;
        world.forges(BEN, BEN, "undone:1").await;
        world.sees(BEN, "The time to take back #1 is over").await;
        assert_eq!(lines(&done), ["put x"]);
    }
}

on_both! {
    /// Confirmed, it stays, however late it gets; not confirmed, it is taken back, once, frozen or not.
    async fn what_nobody_confirms_is_taken_back(world) {
        let done = put(&mut world, &["confirm_within: 5m"]);
        world.start().await;
        world.say(BEN, "/run put kept");
        let asked = world.sees(BEN, "confirms within 5 m, it is taken back").await;
        world.quiet().await;
        assert!(world.forges(CLEO, BEN, "keep:1").await.is_some_and(|told| !told.contains("kept")));
        assert_eq!(world.presses(BEN, &asked, "It works, keep it").await.unwrap(), "#1 is kept.");
        world.sees(BEN, "✅ put · #1\nKept by ben.").await;
        let undoing = world.services().undoing.clone();
        undoing.step(in_ten_minutes()).await.unwrap();
        assert_eq!(world.jobs().await, 1);
        let told = world.forges(BEN, BEN, "keep:1").await;
        assert!(told.is_none_or(|told| told.contains("any more")));
        world.say(BEN, "/run put lost");
        world.sees(BEN, "✋ put · #2").await;
        world.quiet().await;
        undoing.step(Millis::now()).await.unwrap();
        assert_eq!(world.jobs().await, 2);
        for _ in 0..2 {
            undoing.step(in_ten_minutes()).await.unwrap();
        }
        world.sees(BEN, "↩️ put · #2\nNobody confirmed it in time, so #3 took it back.").await;
        world.sees(BEN, "put · #3").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put kept", "put lost", "back lost"]);
        world.forges(BEN, BEN, "undone:2").await;
        world.sees(BEN, "#2 was taken back already, by #3").await;
        fs::write(world.path().join("back"), "exit 3").unwrap();
        world.say(BEN, "/run put bad");
        let asked = world.sees(BEN, "✋ put · #4").await;
        world.presses(BEN, &asked, "Take it back").await;
        let told = world.sees(BEN, "❌ put · #4\nNot kept by ben, so #5 was to take it back.").await;
        let why = "\nIt could not take back all of #4: exit 3. /job 5 shows why; /retry 5 tries it again.";
        assert!(told.id == asked.id && told.text.ends_with(why), "{}", told.text);
        let card = world.sees(BEN, "\n↩️ #5 could not take all of it back: exit 3").await;
        assert!(card.text.starts_with("✅ put · #4") && card.button("Undo (10 m)").is_none(), "{card:?}");
        world.quiet().await;
        world.forges(BEN, BEN, "undone:4").await;
        world.sees(BEN, "#5 was to take #4 back and could not take back all of it").await;
    }
}

on_both! {
    /// The bot is dead when the time is up: it is taken back after the next start, when who pressed meanwhile was heard; once
    /// only, so that one that keeps dying takes it back all the same.
    async fn a_crash_does_not_forget_it(world) {
        let done = put(&mut world, &["confirm_within: 5m"]);
        let bot = Outside::start(&world).await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "confirms within 5 m").await;
        bot.kill().await;
        let hands = Hands::default();
        for life in 0..2 {
            hands.forward(Duration::from_secs(600));
            assert_eq!(lines(&done), ["put x"]);
            world.start_at(hands.clock()).await;
            if life == 0 {
                let asked = world.sees(BEN, "The bot was away, so there is a little more time, once.").await;
                assert!(asked.text.contains("confirms by ") && asked.button("Take it back").is_some(), "{asked:?}");
            }
            let shown = world.asks(BEN, BEN, "/job 1").await;
            assert!(life > 0 || shown.button("Take it back").is_some(), "{}", shown.text);
            world.services().undoing.step(hands.clock().now()).await.unwrap();
            if world.jobs().await == 1 {
                world.stop().await;
            }
        }
        world.sees(BEN, "↩️ put · #2 · took back #1").await;
        assert_eq!(lines(&done), ["put x", "back x"]);
    }
}

on_both! {
    /// However many they are, all of them may be confirmed a while longer.
    async fn each_of_many_is_heard_out(world) {
        const MANY: i64 = 250;
        put(&mut world, &["confirm_within: 5m"]);
        world.start().await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "confirms within 5 m").await;
        world.quiet().await;
        let services = world.services();
        let mut tx = services.store.begin().await.unwrap();
        for copy in 0..MANY {
            // There is nothing that takes them back, so they stay as they are.
            let text = format!(
                "INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, source, request_id, lane,
                    lane_limit, user_limit, after_crash, output, created_at, started_at, finished_at, starts, undo, confirm_until)
                 SELECT kind, '{{}}', title, state, role, asker_id, asker_name, chat_id, 'past:{copy}', request_id, lane,
                    lane_limit, user_limit, after_crash, output, created_at, started_at, finished_at - 600000, starts, undo,
                    finished_at - 300000 FROM jobs WHERE id = 1"
            );
            sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut *tx).await.unwrap();
        }
        services.store.commit(tx).await.unwrap();
        let now = Millis::now();
        services.undoing.hear_out(now).await.unwrap();
        let mut db = services.store.read().await.unwrap();
        let open = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM jobs WHERE confirm_until > $1 AND id > 1").bind(now.0);
        assert_eq!(open.fetch_one(&mut *db).await.unwrap(), MANY);
    }
}

on_both! {
    /// Pressed in time while the bot was dead, read when the time was over: it is kept.
    async fn a_press_of_the_time_away_keeps_it(world) {
        let done = put(&mut world, &["confirm_within: 5m"]);
        let bot = Outside::start(&world).await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "confirms within 5 m").await;
        bot.kill().await;
        world.press(BEN, BEN, "It works, keep it");
        let hands = Hands::default();
        hands.forward(Duration::from_secs(600));
        world.start_at(hands.clock()).await;
        world.sees(BEN, "✅ put · #1\nKept by ben.").await;
        world.services().undoing.step(hands.clock().now().plus(Duration::from_secs(3600))).await.unwrap();
        world.quiet().await;
        assert_eq!(lines(&done), ["put x"]);
    }
}

on_both! {
    /// What counts is the clock of the bot: what was kept is no promise when its own time is over.
    async fn what_was_kept_stays_after_its_time(world) {
        let done = put(&mut world, &["confirm_within: 1h", "undo_for: 10m"]);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.say(BEN, "/run put x");
        let asked = world.sees(BEN, "confirms within 1 h").await;
        world.presses(BEN, &asked, "It works, keep it").await;
        hands.forward(Duration::from_secs(1200));
        world.forges(BEN, BEN, "undone:1").await;
        world.sees(BEN, "Somebody was first: #1").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put x"]);
    }
}

on_both! {
    /// Its last moment and a press at once, many times over: it is kept or taken back, as was told, and never both.
    async fn kept_or_taken_back_and_never_both(world) {
        let done = put(&mut world, &["confirm_within: 5m", "undo_for: 1ms"]);
        world.start().await;
        let undoing = world.services().undoing.clone();
        let mut kept = Vec::new();
        for run in 0..20u8 {
            let name = char::from(b'a' + run);
            world.say(BEN, &format!("/run put {name}"));
            let asked = world.sees(BEN, "\nIt worked. Unless").await;
            world.quiet().await;
            let press = world.sandbox.press(BEN, BEN, asked.id, "It works, keep it").unwrap();
            tokio::time::sleep(Duration::from_millis(u64::from(run % 5) * 2)).await;
            let late = undoing.clone();
            let other = undoing.clone();
            // As two instances would, of which one believes for a moment that it still leads.
            let (one, two) = tokio::join!(late.step(in_ten_minutes()), other.step(in_ten_minutes()));
            one.and(two).unwrap();
            let told = world.answer(&press).await.unwrap_or_default();
            world.quiet().await;
            let is_kept = told.contains("is kept");
            assert!(is_kept || told.contains("any more"), "{told}");
            let back = lines(&done).iter().filter(|line| **line == format!("back {name}")).count();
            assert_eq!(back, usize::from(!is_kept), "{name}: {told}");
            kept.push(is_kept);
        }
        assert_eq!(kept.len(), 20);
    }
}

on_both! {
    /// Frozen, nothing new runs; but what nobody confirmed is taken back, by itself or by hand, and says so.
    async fn a_freeze_does_not_take_the_net_away(world) {
        let done = put(&mut world, &["confirm_within: 5m", "undo_for: 10m"]);
        world.sandbox.open_private(ANN);
        world.start().await;
        for what in ["a", "b", "c"] {
            world.say(BEN, &format!("/run put {what}"));
            world.quiet().await;
        }
        let third = world.sees(BEN, "✋ put · #3").await;
        world.presses(BEN, &third, "It works, keep it").await;
        let second = world.sees(BEN, "✋ put · #2").await;
        world.say(ANN, "/freeze moving");
        world.sees(ANN, "froze everything").await;
        let told = world.forges(BEN, BEN, "undo:3").await.unwrap_or_default();
        assert!(told.contains("Frozen by ann"), "{told}");
        world.presses(BEN, &second, "Take it back").await;
        let told = world.sees(BEN, "Not kept by ben, so #4 ").await;
        assert!(told.text.contains("although everything is frozen"), "{}", told.text);
        world.quiet().await;
        // What was kept is no promise any more.
        world.forges(BEN, BEN, "undone:3").await;
        world.sees(BEN, "Somebody was first: #3").await;
        world.services().undoing.step(in_ten_minutes()).await.unwrap();
        let told = world.sees(BEN, "Nobody confirmed it in time").await;
        assert!(told.text.contains("although everything is frozen"), "{}", told.text);
        world.quiet().await;
        assert_eq!(lines(&done), ["put a", "put b", "put c", "back b", "back a"]);
    }
}

on_both! {
    /// When its time is over, or it was used, the button goes; one that somebody still sees is told.
    async fn the_offer_goes_when_it_is_over(world) {
        let done = put(&mut world, &["undo_for: 9m"]);
        let here = done.display().to_string();
        world.set(&format!(
            "workflows: {{flow: {{notify: [], undo_for: 9m, steps: [{{name: put, run: [sh, -c, 'echo flow >> {here}'], undo: [sh, -c, 'echo unflow >> {here}']}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "✅ flow · #2 · succeeded").await;
        world.quiet().await;
        let offers = || world.sandbox.from_bot(BEN).iter().flat_map(|message| message.buttons.clone()).flatten()
            .filter(|button| button.text.starts_with("Undo")).count();
        let undoing = world.services().undoing.clone();
        undoing.step(Millis::now()).await.unwrap();
        assert_eq!(offers(), 2);
        undoing.step(in_ten_minutes()).await.unwrap();
        until("the buttons to go", || offers() == 0).await;
        let card = world.sees(BEN, "✅ put · #1 · exit 0").await;
        assert!(card.button("Run again").is_some(), "{}", card.text);
        let mut tx = world.services().store.begin().await.unwrap();
        sqlx::query("UPDATE jobs SET finished_at = finished_at - 600000").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        world.forges(BEN, BEN, "undone:1").await;
        world.sees(BEN, "The time to take back #1 is over").await;
        world.forges(BEN, BEN, "flow:undone:2").await;
        world.sees(BEN, "The time to take back #2 is over").await;
        assert_eq!(lines(&done), ["put x", "flow"]);
        world.say(BEN, "/run put y");
        world.sees(BEN, "✅ put · #3 · exit 0").await;
        world.quiet().await;
        world.forges(BEN, BEN, "undone:3").await;
        world.sees(BEN, "↩️ put · #4 · took back #3").await;
        undoing.step(Millis::now()).await.unwrap();
        until("the button to go", || offers() == 0).await;
    }
}

on_both! {
    /// The card and the question say what is true at each time: it is to be taken back, and the bot died under that. Neither
    /// offers anything meanwhile, and both stay the messages that they were.
    async fn what_became_of_it_is_said_where_it_was_asked(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = put(&mut world, &["confirm_within: 5m"]);
        let back = fs::read_to_string(world.path().join("back")).unwrap();
        fs::write(world.path().join("back"), format!("{back}; {}", gate.wait())).unwrap();
        let bot = Outside::start(&world).await;
        world.say(BEN, "/run put x");
        let card = world.sees(BEN, "✅ put · #1 · exit 0").await;
        let asked = world.sees(BEN, "✋ put · #1").await;
        world.presses(BEN, &asked, "Take it back").await;
        until("the undo", || lines(&done) == ["put x", "back x"]).await;
        let told = world.sees(BEN, "↩️ put · #1\nNot kept by ben, so #2 is to take it back.").await;
        assert!(told.id == asked.id && told.buttons.is_empty(), "{told:?}");
        let told = world.sees(BEN, "\n↩️ #2 is to take it back").await;
        assert!(told.id == card.id && told.button("Undo (10 m)").is_none(), "{told:?}");
        bot.kill().await;
        gate.open(1);
        world.start().await;
        let told = world.sees(BEN, "It could not take back all of #1: cut off, because the bot died.").await;
        assert!(told.id == asked.id && told.text.starts_with("❌ put · #1\nNot kept by ben, so #2 was to"), "{}", told.text);
        let told = world.sees(BEN, "\n↩️ #2 could not take all of it back: cut off, because the bot died").await;
        assert_eq!(told.id, card.id);
        world.quiet().await;
    }
}

on_both! {
    /// Said elsewhere that it is taken back, its own chat is told as well.
    async fn it_is_told_in_the_chat_of_the_job(world) {
        put(&mut world, &[]);
        world.start().await;
        world.sandbox.say(BEN, OPS, "/run put x");
        let card = world.sees(OPS, "✅ put · #1 · exit 0").await;
        world.quiet().await;
        let page = world.asks(BEN, BEN, "/job 1").await;
        world.presses(BEN, &page, "Undo").await;
        let sure = world.sees(BEN, "Take back put · #1?").await;
        world.presses(BEN, &sure, "Take it back").await;
        world.sees(BEN, "↩️ put · #2 · took back #1").await;
        let told = world.sees(OPS, "\n↩️ taken back by #2").await;
        assert!(told.id == card.id && told.button("Undo (10 m)").is_none(), "{told:?}");
    }
}

on_both! {
    /// Where the output goes as a file, too, the offer goes once it was taken.
    async fn the_offer_beside_a_file_goes(world) {
        put(&mut world, &["output: file"]);
        fs::write(world.path().join("put.sh"), "#!/bin/bash\necho printed\n").unwrap();
        world.start().await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.sees(BEN, "The whole output: ").await;
        world.quiet().await;
        world.forges(BEN, BEN, "undone:1").await;
        let told = world.sees(BEN, "\n↩️ taken back by #2").await;
        assert!(told.button("Run again").is_some(), "{told:?}");
        let left = world.sandbox.from_bot(BEN);
        assert!(left.iter().all(|message| message.button("Undo (10 m)").is_none()), "{left:?}");
    }
}

on_both! {
    /// Its script is another one by now, or gone from the file: what it did is kept, or taken back as it stood, by hand and by
    /// itself.
    async fn what_changed_in_the_file_is_taken_back_as_it_stood(world) {
        let done = put(&mut world, &["confirm_within: 5m", "env: {MODE: old}"]);
        let back = format!("echo back $1 $MODE >> {}", done.display());
        fs::write(world.path().join("back"), &back).unwrap();
        world.sandbox.open_private(ANN);
        world.start().await;
        let mut asked = Vec::new();
        for (what, number) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
            world.say(BEN, &format!("/run put {what}"));
            asked.push(world.sees(BEN, &format!("✋ put · #{number}")).await);
            world.quiet().await;
        }
        world.forget_scripts();
        put(&mut world, &["confirm_within: 5m", "env: {MODE: new}"]);
        fs::write(world.path().join("back"), &back).unwrap();
        world.config_file();
        world.sees(ANN, "script changed: put").await;
        world.presses(BEN, &asked[0], "Take it back").await;
        world.sees(BEN, "↩️ put · #5 · took back #1").await;
        world.forget_scripts();
        world.config_file();
        world.sees(ANN, "script removed: put").await;
        assert_eq!(world.presses(BEN, &asked[1], "It works, keep it").await.unwrap(), "#2 is kept.");
        world.presses(BEN, &asked[2], "Take it back").await;
        world.sees(BEN, "↩️ put · #6 · took back #3").await;
        world.forges(CLEO, BEN, "undone:4").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 6, "a viewer may not");
        world.services().undoing.step(in_ten_minutes()).await.unwrap();
        world.sees(BEN, "↩️ put · #7 · took back #4").await;
        world.quiet().await;
        let told = ["put a", "put b", "put c", "put d", "back a old", "back c old", "back d old"];
        assert_eq!(lines(&done), told);
    }
}

on_both! {
    /// An undo that failed says so and is tried again, by whoever may, once for each failure.
    async fn an_undo_that_failed_is_tried_again(world) {
        let done = put(&mut world, &["confirm_within: 5m"]);
        let back = world.path().join("back");
        let good = fs::read_to_string(&back).unwrap();
        fs::write(&back, "exit 3").unwrap();
        world.start().await;
        world.say(BEN, "/run put x");
        let card = world.sees(BEN, "✅ put · #1 · exit 0").await;
        let asked = world.sees(BEN, "✋ put · #1").await;
        world.presses(BEN, &asked, "Take it back").await;
        let failed = world.sees(BEN, "❌ put · #2 · taking back #1 · exit 3").await;
        world.quiet().await;
        let page = world.asks(BEN, BEN, "/job 2").await;
        assert!(page.button("Take it back again").is_some(), "{page:?}");
        world.forges(CLEO, BEN, "again:2").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 2, "a viewer may not");
        world.presses(BEN, &failed, "Take it back again").await;
        world.sees(BEN, "❌ put · #3 · taking back #1 · exit 3").await;
        let told = world.sees(BEN, "\nThat failed, so #3 was to take it back.").await;
        assert!(told.id == asked.id && told.text.ends_with("/retry 3 tries it again."), "{told:?}");
        fs::write(&back, good).unwrap();
        let told = world.asks(BEN, BEN, "/retry 2").await;
        assert!(told.text.starts_with("#3 was to take #1 back and could not"), "{}", told.text);
        world.say(BEN, "/retry 3");
        world.sees(BEN, "↩️ put · #4 · took back #1").await;
        let told = world.sees(BEN, "\nThat failed, so #4 took it back.").await;
        assert!(told.id == asked.id && told.text.starts_with("↩️ put · #1"), "{told:?}");
        let told = world.sees(BEN, "\n↩️ taken back by #4").await;
        assert_eq!(told.id, card.id);
        world.quiet().await;
        for (words, says) in [
            ("/retry 4", "#4 took back #1. That is done once."),
            ("/retry 2", "#1 was taken back already, by #4."),
        ] {
            assert_eq!(world.asks(BEN, BEN, words).await.text, says);
        }
        let jobs = world.asks(BEN, BEN, "/jobs").await;
        assert!(jobs.text.contains("↩️ taken back by #4"), "{}", jobs.text);
        assert_eq!(lines(&done), ["put x", "back x"]);
    }
}

on_both! {
    /// The bot dies while it takes something back: that is told, and is tried again by whoever may.
    async fn an_undo_that_was_cut_off_is_tried_again(world) {
        let done = put(&mut world, &["undo_for: 20m"]);
        let back = world.path().join("back");
        let good = fs::read_to_string(&back).unwrap();
        let begun = world.path().join("begun");
        fs::write(&back, format!("echo > {}; sleep 1000", begun.display())).unwrap();
        let bot = Outside::start(&world).await;
        world.say(BEN, "/run put x");
        let card = world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.presses(BEN, &card, "Undo (20 m)").await;
        let asked = world.sees(BEN, "Take back put · #1?").await;
        world.presses(BEN, &asked, "Take it back").await;
        until("it to begin", || begun.exists()).await;
        bot.kill().await;
        fs::write(&back, good).unwrap();
        world.start().await;
        let lost = world.sees(BEN, "💥 put · #2 · taking back #1 · lost").await;
        assert_eq!(lines(&done), ["put x"]);
        world.presses(BEN, &lost, "Take it back again").await;
        world.sees(BEN, "↩️ put · #3 · took back #1").await;
        world.quiet().await;
        assert_eq!(world.asks(BEN, BEN, "/retry 2").await.text, "#1 was taken back already, by #3.");
        assert_eq!(lines(&done), ["put x", "back x"]);
    }
}

on_both! {
    /// The page of a job says until when it has to be confirmed, with the answers for who may give them.
    async fn the_page_of_a_job_asks_as_well(world) {
        put(&mut world, &["confirm_within: 1h", "undo_for: 2h"]);
        world.start().await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "✋ put · #1").await;
        for (person, may) in [(CLEO, false), (BEN, true)] {
            let page = world.asks(person, person, "/job 1").await;
            assert!(page.text.contains("✋ Unless somebody who may run put confirms by "), "{}", page.text);
            assert!(page.text.contains(" left), it is taken back."), "{}", page.text);
            for label in ["It works, keep it", "Take it back"] {
                assert_eq!(page.button(label).is_some(), may, "{label}: {page:?}");
            }
            assert!(page.button("Undo").is_none(), "{page:?}");
        }
        let pressed = world.press(BEN, BEN, "It works, keep it");
        assert_eq!(world.answer(&pressed).await.unwrap(), "#1 is kept.");
        world.quiet().await;
        for (person, may) in [(CLEO, false), (BEN, true)] {
            let page = world.asks(person, person, "/job 1").await;
            assert!(!page.text.contains("✋") && page.button("Take it back").is_none(), "{page:?}");
            assert_eq!(page.button("Undo").is_some(), may, "{page:?}");
        }
    }
}

on_both! {
    /// An undo with arguments of many kilobytes is asked about in one message, and says that it is cut; all of it runs.
    async fn a_long_undo_is_cut_in_the_question(world) {
        let args = world.path().join("args");
        let back = world.path().join("back");
        fs::write(&back, format!("echo ${{#1}} > {}", args.display())).unwrap();
        let long = "<&>".repeat(5000);
        world.script("put", "echo put", &[&format!("undo: [sh, {}, '{long}']", back.display())]);
        world.start().await;
        world.say(BEN, "/run put");
        let card = world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.quiet().await;
        world.presses(BEN, &card, "Undo (10 m)").await;
        let asked = world.sees(BEN, "Take back put · #1?").await;
        assert!(asked.text.contains("more characters are not shown here"), "{}", asked.text);
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "↩️ put · #2 · took back #1").await;
        assert_eq!(lines(&args), ["15000"]);
    }
}

/// The question about the newest job, or, when it came too late to be asked, what became of that; and the job's number.
async fn newest_question(world: &World, before: &[(i64, char, bool)]) -> (i64, Message) {
    let found = |view: &View<'_>| {
        let mut asked = view.from_bot(BEN).filter(|message| {
            message.text.starts_with("✋ put") || message.text.starts_with("↩️ put")
        });
        asked.find_map(|asked| {
            let number = asked.text.split('#').nth(1)?.lines().next()?;
            let number: i64 = number.trim().parse().ok()?;
            let is_new = before.iter().all(|(known, ..)| *known != number);
            is_new.then(|| (number, asked.clone()))
        })
    };
    match world
        .sandbox
        .wait(PATIENCE, "the next question", found)
        .await
    {
        Ok(found) => found,
        Err(error) => panic!("{error}"),
    }
}

/// Two instances on one database, presses in the last moments: each job is kept or taken back, as was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_agree_on_the_last_moment() {
    const JOBS: i64 = 12;
    let mut world = World::new(Database::postgres().await).await;
    let done = put(
        &mut world,
        &["confirm_within: 3s", "undo_for: 1ms", "concurrency: 8"],
    );
    world.set("jobs: {workers: 8, per_user: 8}");
    let (first, second) = Outside::two(&world).await;
    let store = world.database().await;
    let mut presses = Vec::new();
    for id in 1..=JOBS {
        let name = char::from(b'a' + u8::try_from(id).unwrap());
        world.say(BEN, &format!("/run put {name}"));
        let (number, question) = newest_question(&world, &presses).await;
        // This is the time that is tested: from half a second before the last moment to half a second after it.
        let job = world.job(&store, number).await;
        let last = job.finished_at.unwrap().plus(Duration::from_millis(
            2500 + 83 * u64::try_from(id).unwrap(),
        ));
        tokio::time::sleep(last.since(Millis::now())).await;
        let press = world
            .sandbox
            .press(BEN, BEN, question.id, "It works, keep it");
        let told = match press {
            Ok(press) => world.answer(&press).await.unwrap_or_default(),
            // The button is gone already.
            Err(_) => String::new(),
        };
        presses.push((number, name, told.contains("is kept")));
    }
    world.quiet_in(&store).await;
    for (number, name, is_kept) in presses {
        let words = match is_kept {
            true => format!("#{number}\nKept by ben."),
            false => format!("#{number}\nNobody confirmed it in time"),
        };
        world.sees(BEN, &words).await;
        world.quiet_in(&store).await;
        let back = lines(&done)
            .iter()
            .filter(|line| **line == format!("back {name}"))
            .count();
        assert_eq!(back, usize::from(!is_kept), "#{number}");
    }
    for bot in [first, second] {
        bot.terminate().await;
    }
    store.close().await;
    world.finish().await;
}
