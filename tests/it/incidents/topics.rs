//! Topics of a forum: what is told there, and what becomes of it when the topic is closed or gone.

use super::{CRITICAL, Clock, WARNING, begin, change, record, tick};
use crate::harness::{ANN, BEN, World};
use crate::on_both;
use opsgram::base::alert::{Severity, Turn};
use opsgram::sandbox::{Message, Standing};

const FORUM: i64 = -1_000_000_000_042;

/// A forum with a topic, in which disks are told of.
async fn forum(world: &mut World) -> i32 {
    world.people(
        "
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: operator}
  chats: [{id: -1000000000042, name: forum, role: operator}]
",
    );
    world.sandbox.add_group(FORUM, "forum", true);
    for person in [ANN, BEN] {
        world.sandbox.add_member(FORUM, person, Standing::Member);
    }
    let topic = world.sandbox.add_topic(FORUM, "disks");
    begin(world, None).await;
    let told = says(world, ANN, topic, "/subscribe disk").await;
    assert!(
        told.text
            .contains("this topic is told of everything about disk"),
        "{}",
        told.text
    );
    topic
}

/// Says something in the topic, and waits for the answer there.
async fn says(world: &World, person: i64, topic: i32, text: &str) -> Message {
    let sent = world.sandbox.speak(person, FORUM).topic(topic).text(text);
    let answer = world.after(FORUM, sent.message_id).await;
    assert_eq!(answer.thread, Some(topic), "{}", answer.text);
    answer
}

/// The newest message of the bot in the forum that reads like this.
async fn newest(world: &World, words: &str) -> Message {
    world.sees(FORUM, words).await
}

on_both! {
    /// Told, edited, pressed and ended where it was subscribed, and nowhere else in the group.
    async fn a_topic_is_told_like_a_chat(world) {
        let topic = forum(&mut world).await;
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0), change("load-1", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        let alert = newest(&world, "🟠 disk-root").await;
        assert_eq!(alert.thread, Some(topic));
        assert_eq!(world.count(FORUM, "load-1"), 0, "it is not about that");
        assert_eq!(world.presses(BEN, &alert, "Ack").await.as_deref(), Some("You take care of disk-root."));
        let taken = newest(&world, "👤 ben takes care of it").await;
        assert_eq!((taken.id, taken.thread), (alert.id, Some(topic)));
        world.presses(BEN, &alert, "Silence…").await;
        let asked = newest(&world, "For how long").await;
        assert_eq!(asked.thread, Some(topic));
        record(&world, &[change("disk-root", Turn::Became(Severity::Critical), 97.0, clock.on(60))]).await;
        tick(&world, clock.on(0)).await;
        let again = newest(&world, "🔴 disk-root").await;
        assert_eq!(again.thread, Some(topic));
        record(&world, &[change("disk-root", Turn::Cleared, 40.0, clock.on(60))]).await;
        tick(&world, clock.on(0)).await;
        assert_eq!(newest(&world, "✅ disk-root recovered").await.id, again.id);

        let list = says(&world, BEN, topic, "/subscriptions").await;
        assert_eq!(list.text, "This topic is told of:\n🔔 everything about disk");
        let general = world.asks(BEN, FORUM, "/subscriptions").await;
        assert!(general.text.contains("This group is told of nothing."), "{}", general.text);
        let refused = says(&world, BEN, topic, "/unsubscribe disk").await;
        assert!(refused.text.contains("needs the role admin"), "{}", refused.text);
        let ended = says(&world, ANN, topic, "/unsubscribe disk").await;
        assert!(ended.text.contains("From now on this topic is told of nothing"), "{}", ended.text);
        record(&world, &[change("disk-data", CRITICAL, 99.0, clock.on(60))]).await;
        tick(&world, clock.on(11)).await;
        assert_eq!(world.count(FORUM, "disk-data"), 0);
        world.polite();
    }
}

on_both! {
    /// While a topic is closed, the group is told in its place and knows why; when it is open again, so is the topic.
    async fn a_closed_topic_is_stood_in_for_until_it_is_open_again(world) {
        let topic = forum(&mut world).await;
        let mut clock = Clock::new();
        world.sandbox.close_topic(FORUM, topic, true);
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        let alert = newest(&world, "🟠 disk-root").await;
        assert_eq!(alert.thread, None);
        assert!(alert.text.ends_with("Its topic is closed, so it stands here."), "{}", alert.text);
        assert_eq!(world.presses(BEN, &alert, "Ack").await.as_deref(), Some("You take care of disk-root."));
        assert_eq!(newest(&world, "👤 ben takes care of it").await.id, alert.id);
        world.sandbox.close_topic(FORUM, topic, false);
        record(&world, &[change("disk-root", Turn::Became(Severity::Critical), 97.0, clock.on(60))]).await;
        tick(&world, clock.on(0)).await;
        let again = newest(&world, "🔴 disk-root").await;
        assert_eq!(again.thread, Some(topic));
        assert!(!again.text.contains("stands here"), "{}", again.text);
        let list = says(&world, BEN, topic, "/subscriptions").await;
        assert!(list.text.contains("🔔 everything about disk"), "{}", list.text);
        assert_eq!(world.count(FORUM, "is gone"), 0);
    }
}

on_both! {
    /// What a deleted topic was told goes to its group, which is told so once, and can end it.
    async fn a_deleted_topic_leaves_what_it_was_told_to_its_group(world) {
        let topic = forum(&mut world).await;
        let mut clock = Clock::new();
        record(&world, &[change("disk-root", WARNING, 91.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        assert_eq!(newest(&world, "🟠 disk-root").await.thread, Some(topic));
        world.sandbox.delete_topic(FORUM, topic);
        record(&world, &[change("disk-root", Turn::Became(Severity::Warning), 93.0, clock.on(60))]).await;
        tick(&world, clock.on(0)).await;
        let alert = newest(&world, "93 %").await;
        assert_eq!(alert.thread, None);
        let notice = newest(&world, "A topic that was told of incidents is gone.").await;
        assert!(notice.silent && notice.thread.is_none());
        assert_eq!(world.presses(BEN, &alert, "Ack").await.as_deref(), Some("You take care of disk-root."));
        assert_eq!(newest(&world, "👤 ben takes care of it").await.id, alert.id);
        record(&world, &[change("disk-root", Turn::Cleared, 40.0, clock.on(60)), change("disk-data", CRITICAL, 99.0, clock.0)]).await;
        tick(&world, clock.on(11)).await;
        assert_eq!(newest(&world, "✅ disk-root recovered").await.id, alert.id);
        let next = newest(&world, "🔴 disk-data").await;
        assert!(next.thread.is_none() && !next.text.contains("stands here"), "{}", next.text);
        assert_eq!(world.count(FORUM, "is gone"), 1);
        let list = world.asks(ANN, FORUM, "/subscriptions").await;
        assert_eq!(list.text, "This group is told of:\n🔔 everything about disk");
        let ended = world.asks(ANN, FORUM, "/unsubscribe disk").await;
        assert!(ended.text.contains("this group is told of nothing"), "{}", ended.text);
    }
}
