//! Incidents while Telegram is away, and across a death of the bot.

use super::{CRITICAL, Clock, WARNING, begin, change, record, tick, told};
use crate::harness::tools::until;
use crate::harness::{ANN, BEN, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::alert::{Severity, Turn};
use opsgram::base::time::Millis;
use opsgram::base::trouble::{Came, Dealer};
use opsgram::store::incidents;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The same without waiting for messages to be out.
async fn step(world: &World, at: Millis) {
    world.services().incidents.tick(at).await.unwrap();
}

on_both! {
    /// What is still true is told afterwards, once; what began and ended is a line of one quiet summary.
    async fn while_telegram_is_away(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        world.sandbox.away(true);
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        step(&world, clock.on(11)).await;
        record(&world, &[change("disk-data", WARNING, 92.0, clock.on(60))]).await;
        step(&world, clock.on(11)).await;
        record(&world, &[change("load-1", CRITICAL, 99.0, clock.on(60))]).await;
        step(&world, clock.on(11)).await;
        // One gets worse, two end.
        record(&world, &[change("disk-root", Turn::Became(Severity::Critical), 97.0, clock.on(60))]).await;
        step(&world, clock.on(11)).await;
        record(&world, &[change("disk-data", Turn::Cleared, 10.0, clock.on(60))]).await;
        step(&world, clock.on(11)).await;
        record(&world, &[change("load-1", Turn::Cleared, 10.0, clock.on(60))]).await;
        step(&world, clock.on(11)).await;
        step(&world, clock.on(5 * 3600)).await;
        world.sandbox.away(false);
        world.quiet().await;
        let messages = told(&world, ANN);
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].text.starts_with("🔴 disk-root · 97 %") && !messages[0].silent);
        let missed = &messages[1];
        assert!(missed.text.starts_with("📡 While Telegram could not be reached"), "{}", missed.text);
        assert!(missed.text.contains("✅ disk-data · 92 % · ") && missed.text.contains("✅ load-1 · 99 % · "));
        assert!(missed.silent && missed.all_buttons().count() == 0);
        tick(&world, clock.on(60)).await;
        assert_eq!(told(&world, ANN).len(), 2);
    }
}

on_both! {
    /// Recorded by one life of the bot, promised by the next, killed before Telegram has it, told by the third: once.
    async fn killed_between_raise_and_delivery_it_is_told_once(world) {
        begin(&mut world, None).await;
        let clock = Clock(Millis::now().minus(Duration::from_secs(3600)));
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        world.stop().await;
        world.sandbox.away(true);
        let store = world.database().await;
        let second = Outside::spawn(&world);
        let begun = std::time::Instant::now();
        loop {
            let mut db = store.read().await.unwrap();
            if !opsgram::store::incidents::undelivered(&mut db).await.unwrap().is_empty() {
                break;
            }
            drop(db);
            assert!(begun.elapsed() < PATIENCE, "never promised");
            // The database has no bell; this is the pace of looking.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.close().await;
        second.kill().await;
        world.sandbox.away(false);
        let third = Outside::start(&world).await;
        world.sees(ANN, "disk-root · 91 %").await;
        third.terminate().await;
        begin(&mut world, None).await;
        tick(&world, Millis::now()).await;
        assert_eq!(told(&world, ANN).len(), 1);
    }
}

on_both! {
    /// Whoever blocked the bot gets nothing meanwhile, and what is still wrong when they are back; others are told at once.
    async fn a_blocked_chat_comes_back_by_itself(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        world.asks(BEN, BEN, "/subscribe all").await;
        world.sandbox.block(BEN);
        world.quiet().await;
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        assert_eq!((told(&world, ANN).len(), told(&world, BEN).len()), (1, 0));
        world.sandbox.unblock(BEN);
        world.say(BEN, "/whoami");
        world.quiet().await;
        tick(&world, clock.on(11)).await;
        let messages = told(&world, BEN);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].text.starts_with("🔕 Not told until now: 1 still wrong\n🟠 disk-root"), "{}", messages[0].text);
        assert_eq!(told(&world, ANN).len(), 1);
    }
}

on_both! {
    /// What began and ended while somebody had blocked the bot is put away, and is no news when they are back.
    async fn a_blocked_chat_keeps_nothing_open(world) {
        begin(&mut world, None).await;
        let mut clock = Clock::new();
        world.asks(BEN, BEN, "/subscribe all").await;
        world.sandbox.block(BEN);
        world.quiet().await;
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        record(&world, &[change("disk-data", WARNING, 91.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        record(&world, &[change("disk-root", Turn::Cleared, 10.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        let unsettled = async || {
            let mut db = world.services().store.read().await.unwrap();
            let all = incidents::unsettled(&mut db).await.unwrap();
            all.into_iter().map(|one| one.check).collect::<Vec<_>>()
        };
        assert_eq!(unsettled().await, ["disk-data"]);
        world.sandbox.unblock(BEN);
        world.say(BEN, "/whoami");
        world.quiet().await;
        tick(&world, clock.on(11)).await;
        let messages = told(&world, BEN);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].text.contains("disk-data") && !messages[0].text.contains("disk-root"), "{}", messages[0].text);
    }
}

on_both! {
    /// The address outside hears from a bot that is well.
    async fn the_dead_mans_switch_hears_from_the_bot(world) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ping/5f3c", listener.local_addr().unwrap());
        world.set(&format!("alerts: {{heartbeat_url: \"{url}\"}}"));
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 512];
            let read = stream.read(&mut asked).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        world.start().await;
        let asked = tokio::time::timeout(PATIENCE, heard).await.unwrap().unwrap();
        assert!(asked.starts_with("GET /ping/5f3c HTTP/1.1\r\n"), "{asked}");
        let troubles = world.services().troubles.clone();
        until("the answer to be noted", || troubles.of(&Dealer::Heartbeat) == Some(Came::Well)).await;
    }
}
