//! Pushes of a check that is looked at once an hour: what came is looked at soon, whatever goes wrong with the first look.

use super::Bench;
use crate::harness::{Database, World};
use crate::on_both;
use crate::pushing::TOKEN;
use opsgram::base::name::Name;
use opsgram::store::instances::{Instance, LEASE, Told};
use opsgram::store::presence;
use opsgram::store::pushes::{self, Push};
use std::sync::atomic::Ordering;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// One that was looked at a moment ago, so that only a push makes it due.
async fn bench(world: &mut World) -> Bench {
    let nightly = format!("kind: heartbeat, push: {TOKEN}, crit: 26h, every: 1h");
    let seldom =
        format!("  opsgram-port: false\n  nightly: {{{nightly}}}\nhttp: {{listen: 127.0.0.1:1}}");
    let mut bench = Bench::new(world, &seldom).await;
    assert_eq!(bench.step().await.looks, 1);
    assert_eq!(bench.after(SECOND).await.looks, 0);
    bench
}

fn failed() -> Push {
    Push::Failed("no space".to_owned())
}

/// A push at this instance.
async fn comes(bench: &Bench) {
    let (check, pushes) = (Name::new("nightly").unwrap(), bench.prober.pushes());
    pushes.take(&check, &failed(), bench.now).await.unwrap();
}

on_both! {
    /// A look that could not read what came is no look: it is tried again, and not in an hour.
    async fn what_could_not_be_read_is_looked_at_again(world) {
        let mut bench = bench(&mut world).await;
        comes(&bench).await;
        let store = bench.store.clone();
        let rename = async |from: &str, to: &str| {
            let text = format!("ALTER TABLE pushes RENAME COLUMN {from} TO {to}");
            let mut tx = store.begin().await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut *tx).await.unwrap();
            store.commit(tx).await.unwrap();
        };
        rename("failure", "elsewhere").await;
        let stepped = bench.after(SECOND).await;
        assert_eq!((stepped.looks, stepped.changes), (1, 0));
        rename("elsewhere", "failure").await;
        assert_eq!(bench.after(SECOND).await.changes, 1);
        assert_eq!(bench.after(SECOND).await.looks, 0, "what was read is no news");
        bench.store.close().await;
    }
}

on_both! {
    /// Who leads no more in the middle of a look, and leads again, looks at what came.
    async fn what_was_heard_before_the_lead_was_lost_is_looked_at(world) {
        let mut bench = bench(&mut world).await;
        comes(&bench).await;
        bench.ledger.stuck.store(true, Ordering::Relaxed);
        let ledger = bench.ledger.clone();
        tokio::select! {
            stepped = bench.step() => panic!("it was to be held up: {stepped:?}"),
            () = ledger.reached.notified() => {}
        }
        bench.ledger.stuck.store(false, Ordering::Relaxed);
        bench.lead_anew();
        assert_eq!(bench.after(SECOND).await.changes, 1);
        bench.store.close().await;
    }
}

/// Another instance takes a push and goes: nobody is there any more who could have taken one, but it did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_push_of_an_instance_that_went_is_looked_at() {
    let mut world = World::new(Database::postgres().await).await;
    let mut bench = bench(&mut world).await;
    let here = bench.store.presence().clone();
    let beat = |others: usize| {
        let told = Told {
            others: vec![Instance::default(); others],
            ..Told::default()
        };
        here.beaten(told, false, presence::now(), LEASE);
    };
    beat(1);
    assert_eq!(bench.after(SECOND).await.looks, 0);
    let mut tx = bench.store.begin().await.unwrap();
    pushes::put(&mut tx, "nightly", &failed(), bench.now)
        .await
        .unwrap();
    bench.store.commit(tx).await.unwrap();
    beat(0);
    assert_eq!(bench.after(SECOND).await.changes, 1);
    assert_eq!(bench.after(SECOND).await.looks, 0);
    bench.store.close().await;
    world.finish().await;
}
