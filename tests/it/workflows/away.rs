//! What has to be confirmed, while the bot is away: pressed meanwhile, not at all, and cut off in the middle.

use super::keeping::Hands;
use super::program;
use crate::harness::tools::{Gate, lines, until};
use crate::harness::{BEN, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::ids::JobId;
use opsgram::sandbox::{Fault, FaultKind};
use opsgram::store;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A workflow `careful` whose step has to be confirmed; what it and its undo write.
fn careful(world: &mut World, work: &str, more: &str) -> PathBuf {
    let done = world.path().join("done");
    let here = done.display();
    let work = program(
        world,
        "work",
        &format!("echo put >> {here}; echo begun; {work}"),
    );
    world.set(&format!(
        "workflows: {{careful: {{notify: [], {more} steps: [{{name: change, run: [sh, {work}], undo: [sh, -c, 'echo back >> {here}'], confirm_within: 5m}}]}}}}"
    ));
    done
}

/// Somebody says while the bot is dead that it works; the bot starts so much later, and keeps it.
async fn kept_after(world: &mut World, more: &str, away: Duration) {
    let done = careful(world, "true", more);
    let bot = Outside::start(world).await;
    world.say(BEN, "/workflow run careful");
    let asked = world.sees(BEN, "It succeeded").await;
    // No longer than the run may last.
    assert_eq!(
        asked.text.contains("confirms within 5 m"),
        more.is_empty(),
        "{}",
        asked.text
    );
    bot.kill().await;
    world.press(BEN, BEN, "It works, keep it");
    let hands = Hands::default();
    hands.forward(away);
    world.start_at(hands.clock()).await;
    world.sees(BEN, "#1 · change\nKept by ben").await;
    world.sees(BEN, "✅ careful · #1 · succeeded").await;
    assert_eq!(lines(&done), ["put"]);
}

on_both! {
    /// Pressed while it was dead and read when the time was over: it is kept.
    async fn a_press_of_the_time_away_keeps_it(world) {
        kept_after(&mut world, "", TEN_MINUTES).await;
    }
}

on_both! {
    /// So it is when only the time of the run was over.
    async fn a_press_keeps_it_after_the_time_of_the_run(world) {
        kept_after(&mut world, "max_duration: 2m,", Duration::from_secs(200)).await;
    }
}

on_both! {
    /// Nobody pressed: it is taken back a minute after the start, and at once after another death.
    async fn nobody_pressed_and_it_is_taken_back(world) {
        let done = careful(&mut world, "true", "");
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run careful");
        world.sees(BEN, "It succeeded").await;
        bot.kill().await;
        let hands = Hands::default();
        hands.forward(TEN_MINUTES);
        world.start_at(hands.clock()).await;
        let asked = world.sees(BEN, "It succeeded. Unless ben or an admin confirms by ").await;
        assert!(asked.button("It works, keep it").is_some(), "{asked:?}");
        let status = world.asks(BEN, BEN, "/workflow status 1").await;
        assert!(status.text.contains("unless confirmed"), "{}", status.text);
        assert_eq!(lines(&done), ["put"]);
        world.stop().await;
        hands.forward(TEN_MINUTES);
        world.start_at(hands.clock()).await;
        world.sees(BEN, "Nobody confirmed it in time, so it was taken back").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put", "back"]);
    }
}

on_both! {
    /// Cut off in the middle of the step, it is asked what came of that; when nobody says so, it is taken back as well.
    async fn cut_off_and_never_answered_it_is_taken_back(world) {
        let mut gate = Gate::new(&world, "gate");
        let wait = gate.wait();
        let done = careful(&mut world, &wait, "");
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run careful");
        world.sees(BEN, "begun").await;
        bot.kill().await;
        gate.open(1);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.sees(BEN, "Unless somebody answers within 5 m, it is taken back").await;
        assert_eq!(lines(&done), ["put"]);
        let flows = world.services().flows.clone();
        until("people to be heard", || flows.hears()).await;
        hands.pass(&world, TEN_MINUTES, 1);
        world.sees(BEN, "Nobody said in time what came of it, so it was taken back").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put", "back"]);
    }
}

on_both! {
    /// The question says what is true at each time: it is being taken back, that was cut off, it is being taken back again, that
    /// failed. Then the run can be taken back, as it says.
    async fn the_question_says_how_taking_back_went(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let here = done.display();
        let back = program(&world, "back", &format!("echo back >> {here}; {}; [ $(wc -l < {here}) = 3 ] || exit 3", gate.wait()));
        world.set(&format!(
            "workflows: {{careful: {{notify: [], steps: [{{name: change, run: [echo, done], undo: [sh, {back}], confirm_within: 5m}}]}}}}"
        ));
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run careful");
        let asked = world.sees(BEN, "It succeeded").await;
        world.press(BEN, BEN, "Take it back");
        until("the undo", || lines(&done) == ["back"]).await;
        world.sees(BEN, "↩️ careful · #1 · change\nBeing taken back by ben").await;
        bot.kill().await;
        world.start().await;
        world.sees(BEN, "The bot was stopped while it was being taken back").await;
        world.press(BEN, BEN, "Take it back again");
        until("the undo again", || lines(&done) == ["back", "back"]).await;
        world.sees(BEN, "↩️ careful · #1 · change\nBeing taken back again by ben").await;
        gate.open(1);
        let told = world.sees(BEN, "❌ careful · #1 · change\nNot kept by ben; taking it back failed (exit 3)").await;
        assert_eq!(told.id, asked.id);
        assert!(told.text.contains("For 10 m after the end of the run, /workflow undo 1 tries it once more; then it shows"), "{}", told.text);
        let card = world.sees(BEN, "failed at change: not kept by ben; taking it back failed (exit 3)").await;
        assert!(card.button("Undo … (10 m)").is_some(), "{}", card.text);
        let sure = world.asks(BEN, BEN, "/workflow undo 1").await;
        world.presses(BEN, &sure, "Take it back").await;
        until("the undo of the run", || lines(&done).len() == 3).await;
        gate.open(1);
        world.sees(BEN, "↩️ careful · #2 · took back #1").await;
    }
}

on_both! {
    /// The time is over while Telegram gives the bot no updates, and a press is read after that: it is kept, a script as well.
    async fn a_press_while_telegram_is_away_keeps_it(world) {
        let done = careful(&mut world, "true", "");
        let here = done.display().to_string();
        let undo = format!("undo: [sh, -c, 'echo back >> {here}']");
        world.script("put", &format!("echo put >> {here}"), &[&undo, "confirm_within: 5m"]);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.say(BEN, "/workflow run careful");
        let flow = world.sees(BEN, "It succeeded").await;
        world.say(BEN, "/run put");
        let script = world.sees(BEN, "✋ put · #2").await;
        world.sandbox.fault(Fault::once(FaultKind::ServerError(502)).on("getUpdates"));
        // Ends the poll that goes on.
        world.asks(BEN, BEN, "/whoami").await;
        let flows = world.services().flows.clone();
        until("the bot to be deaf", || !flows.hears()).await;
        hands.pass(&world, TEN_MINUTES, 1);
        let begun = Instant::now();
        loop {
            let mut db = world.services().store.read().await.unwrap();
            let rows = store::workflows::steps(&mut db, JobId(1)).await.unwrap();
            drop(db);
            if rows[0].starts == 1 {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "it was never given a while longer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for asked in [flow, script] {
            world.sandbox.press(BEN, BEN, asked.id, "It works, keep it").unwrap();
        }
        world.sees(BEN, "#1 · change\nKept by ben").await;
        world.sees(BEN, "✅ put · #2\nKept by ben.").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put", "put"]);
    }
}
