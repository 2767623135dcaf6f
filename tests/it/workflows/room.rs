//! No room left on the disk: where runs have their folders, and where what they print is kept.

use super::program;
use crate::harness::tools::{SmallDisk, children, lines};
use crate::harness::{BEN, World};
use crate::on_both;
use opsgram::base::job::JobState;

/// A workflow that writes into its folder and prints.
fn write(world: &mut World) -> std::path::PathBuf {
    let done = world.path().join("done");
    let work = program(
        world,
        "work",
        &format!(
            "head -c 400000 /dev/zero > part || exit 7; seq 1 20000; echo ok >> {}",
            done.display()
        ),
    );
    world.set(&format!(
        "workflows: {{write: {{notify: [], steps: [{{name: work, run: [sh, {work}]}}, {{name: after, run: [echo, after]}}], always: [{{name: clean, run: [echo, clean]}}]}}}}"
    ));
    done
}

async fn state(world: &World, run: i64) -> JobState {
    let store = world.services().store.clone();
    world.job(&store, run).await.state
}

on_both! {
    /// The work folder is full: the run fails and says why, what always runs runs, and with room the next one works.
    async fn a_full_work_folder_fails_the_run(world) {
        let done = write(&mut world);
        let disk = SmallDisk::of(world.path().join("data/work"), 1);
        world.start().await;
        disk.fill();
        world.say(BEN, "/workflow run write");
        let card = world.sees(BEN, "❌ write · #1").await;
        assert!(card.text.contains("No space left on device"), "{}", card.text);
        world.quiet().await;
        assert_eq!((state(&world, 1).await, lines(&done).len()), (JobState::Failed, 0));
        assert_eq!(children(&world), [0; 0]);
        disk.make_room();
        world.say(BEN, "/workflow run write");
        world.sees(BEN, "✅ write · #2 · succeeded").await;
        world.quiet().await;
        assert_eq!((state(&world, 2).await, lines(&done)), (JobState::Succeeded, vec!["ok".to_owned()]));
    }
}

on_both! {
    /// The disk of the logs is full: what is printed cannot be kept, but nothing hangs, and the run does its work.
    async fn a_full_log_folder_stops_no_run(world) {
        let done = write(&mut world);
        let disk = SmallDisk::of(world.path().join("data/logs"), 1);
        world.start().await;
        disk.fill();
        world.say(BEN, "/workflow run write");
        world.sees(BEN, "✅ write · #1 · succeeded").await;
        world.quiet().await;
        assert_eq!((state(&world, 1).await, lines(&done).len()), (JobState::Succeeded, 1));
        let told = world.asks(BEN, BEN, "/workflow log 1 work").await;
        assert!(!told.text.is_empty());
        disk.make_room();
        world.say(BEN, "/workflow run write");
        world.sees(BEN, "✅ write · #2 · succeeded").await;
        world.quiet().await;
        let log = world.asks(BEN, BEN, "/workflow log 2 work").await;
        assert!(log.document.is_some(), "{}", log.text);
        assert_eq!(lines(&done).len(), 2);
    }
}
