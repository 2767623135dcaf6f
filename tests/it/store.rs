//! The database: both engines alike, and no job ever takes a step that the state machine does not have.

use crate::harness::{Database, World};
use crate::on_both;
use opsgram::base::ids::{ChatId, JobId, MessageId, Place, UpdateId, UserId};
use opsgram::base::job::{AfterCrash, Ending, JobState, OutputMode};
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::base::workflow::{Answer, RUN, Said, StepRow, StepState};
use opsgram::store::jobs::{self, Added, Claim, NewRow};
use opsgram::store::workflows::{self, Closing};
use opsgram::store::{self, Location, Store};
use sqlx::{Connection, Row};
use std::collections::BTreeMap;

fn row(source: &str) -> NewRow {
    NewRow {
        kind: "script.run".to_owned(),
        payload: "{}".to_owned(),
        title: "work".to_owned(),
        role: Role::Operator,
        asker: UserId(111),
        asker_name: "ann".to_owned(),
        place: Place {
            chat: ChatId(111),
            thread: None,
        },
        reply_to: Some(MessageId(1)),
        source: source.to_owned(),
        retry_of: None,
        request_id: "r".to_owned(),
        lane: "script:work".to_owned(),
        lane_limit: 1,
        user_limit: 4,
        after_crash: AfterCrash::Report,
        output: OutputMode::Card,
        created_at: Millis(1),
        telling: None,
        lock: None,
        undo: None,
    }
}

async fn add(store: &Store, row: &NewRow) -> Added {
    let mut tx = store.begin().await.unwrap();
    let added = jobs::add(&mut tx, row).await.unwrap();
    store.commit(tx).await.unwrap();
    added
}

async fn queued(store: &Store, source: &str) -> JobId {
    match add(store, &row(source)).await {
        Added::New(id) => id,
        Added::Before(id) => panic!("#{id} was there before"),
    }
}

async fn claim(store: &Store, id: JobId) -> Claim {
    let mut tx = store.begin().await.unwrap();
    store.lock_claims(&mut tx).await.unwrap();
    let claim = jobs::claim(&mut tx, id, None, Millis(2)).await.unwrap();
    store.commit(tx).await.unwrap();
    claim
}

async fn starts(tx: &mut store::Tx, id: JobId) -> u32 {
    jobs::find(tx, id).await.unwrap().unwrap().starts
}

async fn end(store: &Store, id: JobId, ending: &Ending) -> bool {
    let mut tx = store.begin().await.unwrap();
    let start = starts(&mut tx, id).await;
    let ended = jobs::end(&mut tx, id, start, ending, 0, Millis(3))
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
    ended
}

async fn cancel(store: &Store, id: JobId) -> bool {
    let mut tx = store.begin().await.unwrap();
    let cancelled = jobs::cancel_queued(&mut tx, id, "ann", Millis(3))
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
    cancelled
}

async fn requeue(store: &Store, id: JobId) -> bool {
    let mut tx = store.begin().await.unwrap();
    let start = starts(&mut tx, id).await;
    let requeued = jobs::requeue(&mut tx, id, start).await.unwrap();
    store.commit(tx).await.unwrap();
    requeued
}

async fn state(store: &Store, id: JobId) -> JobState {
    let mut db = store.read().await.unwrap();
    jobs::find(&mut db, id).await.unwrap().unwrap().state
}

/// Runs the same at once so many times, and counts how often it held.
async fn at_once<F>(times: usize, what: impl Fn() -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let tasks: Vec<_> = (0..times).map(|_| tokio::spawn(what())).collect();
    let mut held = 0;
    for task in tasks {
        held += usize::from(task.await.unwrap());
    }
    held
}

on_both! {
    /// Whoever was told that it is being stopped does not see it run again.
    async fn what_is_to_be_stopped_is_not_queued_again(world) {
        let store = world.database().await;
        let id = queued(&store, "update:1").await;
        claim(&store, id).await;
        let mut tx = store.begin().await.unwrap();
        assert!(jobs::wish_cancel(&mut tx, id, "ann").await.unwrap());
        store.commit(tx).await.unwrap();
        assert!(!requeue(&store, id).await);
        assert_eq!(state(&store, id).await, JobState::Running);
        assert!(end(&store, id, &Ending::Cancelled("ann".to_owned())).await);
        store.close().await;
    }
}

on_both! {
    /// Twenty claims, twenty ends, twenty adds of the same source: one of each holds.
    async fn of_twenty_at_once_exactly_one_wins(world) {
        let db = world.database().await;
        let added = at_once(20, || {
            let db = db.clone();
            async move { matches!(add(&db, &row("update:1")).await, Added::New(_)) }
        });
        assert_eq!(added.await, 1);
        // Whoever lost may have used up a number as well.
        let Added::Before(id) = add(&db, &row("update:1")).await else {
            panic!("it is not there");
        };
        let claimed = at_once(20, || {
            let db = db.clone();
            async move { matches!(claim(&db, id).await, Claim::Won(_)) }
        });
        assert_eq!(claimed.await, 1);
        assert_eq!(state(&db, id).await, JobState::Running);
        let ended = at_once(20, || {
            let db = db.clone();
            async move { end(&db, id, &Ending::Exited(0)).await }
        });
        assert_eq!(ended.await, 1);
        assert_eq!(state(&db, id).await, JobState::Succeeded);
        db.close().await;
    }
}

on_both! {
    /// A claim and a cancel at once: one of them, and what it says is what is stored.
    async fn a_job_is_never_both_cancelled_and_run(world) {
        let db = world.database().await;
        for round in 0..20 {
            let id = queued(&db, &format!("update:{round}")).await;
            let (a, b) = (db.clone(), db.clone());
            let claim = tokio::spawn(async move { matches!(claim(&a, id).await, Claim::Won(_)) });
            let cancel = tokio::spawn(async move { cancel(&b, id).await });
            let (claimed, cancelled) = (claim.await.unwrap(), cancel.await.unwrap());
            assert!(claimed != cancelled, "claimed: {claimed}, cancelled: {cancelled}");
            let expected = match claimed {
                true => JobState::Running,
                false => JobState::Cancelled,
            };
            assert_eq!(state(&db, id).await, expected);
            if claimed {
                assert!(end(&db, id, &Ending::Exited(0)).await);
            }
        }
        db.close().await;
    }
}

on_both! {
    /// A question that was given a while longer since the run read it: what is late is not closed by that, and what the run
    /// withdraws is. Closed, it takes no answer; answered, it is not closed.
    async fn what_is_withdrawn_takes_no_answer(world) {
        let db = world.database().await;
        let id = queued(&db, "update:1").await;
        let (late, last) = (Millis(200), Millis(300));
        let said = |at| Answer { said: Said::Yes, by: "ann".to_owned(), by_id: 111, at, reason: None };
        let asked = [StepState::Confirming, StepState::Stranded, StepState::Asked].into_iter();
        for (seq, state) in asked.enumerate() {
            let ending = (state == StepState::Asked).then_some(Ending::Lost);
            let until = (state != StepState::Stranded).then_some(Millis(100));
            let row = StepRow { state, attempt: 1, until, ending, ..StepRow::new() };
            for (closing, is_taken) in [(Closing::Late, state != StepState::Stranded), (Closing::Withdrawn, false)] {
                let mut tx = db.begin().await.unwrap();
                workflows::put(&mut tx, id, seq, &row).await.unwrap();
                workflows::hear_out(&mut tx, late, last).await.unwrap();
                workflows::close_question(&mut tx, id, seq, &row, closing).await.unwrap();
                let answered = workflows::answer(&mut tx, id, seq, 1, &said(Millis(250))).await.unwrap();
                assert_eq!(answered, is_taken, "{state:?} {closing:?}");
                drop(tx);
            }
            let mut tx = db.begin().await.unwrap();
            workflows::put(&mut tx, id, seq, &row).await.unwrap();
            assert!(workflows::answer(&mut tx, id, seq, 1, &said(Millis(50))).await.unwrap());
            workflows::close_question(&mut tx, id, seq, &row, Closing::Withdrawn).await.unwrap();
            let kept = &workflows::steps(&mut tx, id).await.unwrap()[0];
            assert_eq!((kept.until, &kept.answer), (row.until, &Some(said(Millis(50)))));
            drop(tx);
        }
        db.close().await;
    }
}

on_both! {
    /// Whatever is tried in whatever state: the row changes only as the table of states allows.
    async fn no_row_takes_a_step_that_the_state_machine_does_not_have(world) {
        let db = world.database().await;
        let endings = [
            Ending::Exited(0), Ending::Exited(3), Ending::Signaled(9), Ending::Broken("x".to_owned()),
            Ending::TimedOut(std::time::Duration::from_secs(9)), Ending::Cancelled("ann".to_owned()), Ending::Stopped, Ending::Lost,
        ];
        let mut number = 0;
        // Into each state, by the way that leads there.
        for into in 0..endings.len() + 2 {
            for step in 0..endings.len() + 3 {
                number += 1;
                let mut new = row(&format!("update:{number}"));
                new.lane = format!("lane:{number}");
                new.user_limit = 1000;
                let Added::New(id) = add(&db, &new).await else { panic!("not new") };
                if into > 0 {
                    assert!(matches!(claim(&db, id).await, Claim::Won(_)));
                }
                if let Some(ending) = into.checked_sub(2).map(|n| &endings[n]) {
                    assert!(end(&db, id, ending).await);
                    assert_eq!(state(&db, id).await, ending.state());
                }
                let before = state(&db, id).await;
                let held = match step.checked_sub(3).map(|n| &endings[n]) {
                    Some(ending) => end(&db, id, ending).await,
                    None if step == 0 => matches!(claim(&db, id).await, Claim::Won(_)),
                    None if step == 1 => cancel(&db, id).await,
                    None => requeue(&db, id).await,
                };
                let after = state(&db, id).await;
                let same = before == after;
                assert!(same || before.may_become(after), "#{id}: {before:?} became {after:?} by {step}");
                assert_eq!(held, !same, "#{id}: {before:?} to {after:?} by {step}");
                assert!(!before.is_final() || same, "#{id}: the first ending holds");
            }
        }
        db.close().await;
    }
}

on_both! {
    /// What a list tells of many runs is asked for at once, and is the same as of each alone.
    async fn many_runs_are_looked_up_at_once(world) {
        let db = world.database().await;
        let run = async |title: &str, source: &str| {
            let new = NewRow {
                kind: RUN.to_owned(),
                title: title.to_owned(),
                lane: format!("lane:{source}"),
                ..row(source)
            };
            match add(&db, &new).await {
                Added::New(id) => id,
                Added::Before(id) => panic!("#{id} was there before"),
            }
        };
        let ends = async |id: JobId, ending: Ending| {
            assert!(matches!(claim(&db, id).await, Claim::Won(_)));
            assert!(end(&db, id, &ending).await);
        };
        let good = run("deploy", "update:1").await;
        let bad = run("deploy", "update:2").await;
        let open = run("deploy", "update:3").await;
        let back = run("deploy", &format!("undo:{good}")).await;
        let other = run("build", "update:4").await;
        for (id, ending) in [(good, Ending::Exited(0)), (bad, Ending::Exited(1)), (other, Ending::Cancelled("ann".to_owned()))] {
            ends(id, ending).await;
        }
        let mut tx = db.begin().await.unwrap();
        let step = |state: StepState| StepRow { state, ..StepRow::new() };
        for (id, seq, state) in [(good, 1, StepState::Skipped), (good, 0, StepState::Done), (other, 0, StepState::Stopped)] {
            workflows::put(&mut tx, id, seq, &step(state)).await.unwrap();
        }
        db.commit(tx).await.unwrap();

        let mut read = db.read().await.unwrap();
        let tallies = workflows::tallies(&mut read, &["deploy", "build", "never"]).await.unwrap();
        let of = |title: &str| {
            let tally = &tallies[title];
            (tally.ok, tally.failed, tally.stopped, tally.last, tally.open.clone())
        };
        assert_eq!(of("deploy"), (1, 1, 0, Some(bad), vec![open, back]));
        assert_eq!(of("build"), (0, 0, 1, Some(other), vec![]));
        assert_eq!(tallies.len(), 2);
        assert!(workflows::tallies(&mut read, &[]).await.unwrap().is_empty());
        let steps = workflows::steps_of(&mut read, &[good, bad, other]).await.unwrap();
        let states = |id: JobId| steps.get(&id).map(|rows| rows.iter().map(|row| row.state).collect::<Vec<_>>());
        assert_eq!(states(good), Some(vec![StepState::Done, StepState::Skipped]));
        assert_eq!((states(bad), states(other)), (None, Some(vec![StepState::Stopped])));
        let found = jobs::find_all(&mut read, &[good, other, JobId(999)]).await.unwrap();
        assert_eq!((found.len(), found[&good].state, found[&other].state), (2, JobState::Succeeded, JobState::Cancelled));
        let undone = store::undo::by_all(&mut read, &[good, bad]).await.unwrap();
        assert_eq!(undone.into_iter().collect::<Vec<_>>(), [(good, (back, JobState::Queued))]);
        drop(read);
        db.close().await;
    }
}

on_both! {
    /// An update is taken in once, however often it comes and from however many sides.
    async fn an_update_is_stored_once(world) {
        let db = world.database().await;
        let stored = at_once(20, || {
            let db = db.clone();
            async move {
                let mut tx = db.begin().await.unwrap();
                let new = store::inbox::add(&mut tx, UpdateId(7), "{}", Millis(1)).await.unwrap();
                db.commit(tx).await.unwrap();
                new
            }
        });
        assert_eq!(stored.await, 1);
        db.close().await;
    }
}

on_both! {
    /// A transaction that is not committed leaves nothing.
    async fn what_is_not_committed_does_not_hold(world) {
        let db = world.database().await;
        let mut tx = db.begin().await.unwrap();
        jobs::add(&mut tx, &row("update:1")).await.unwrap();
        drop(tx);
        let mut read = db.read().await.unwrap();
        assert_eq!(jobs::counts(&mut read).await.unwrap(), (0, 0));
        drop(read);
        assert!(matches!(add(&db, &row("update:1")).await, Added::New(_)));
        db.close().await;
    }
}

on_both! {
    /// Opening again, and at once from several sides, changes nothing.
    async fn migrating_twice_is_harmless(world) {
        let db = world.database().await;
        let id = queued(&db, "update:1").await;
        db.close().await;
        for _ in 0..3 {
            let db = world.database().await;
            assert_eq!(state(&db, id).await, JobState::Queued);
            db.close().await;
        }
    }
}

/// Every column of every table of ours: its name, and whether it may be null.
async fn columns(location: &Location) -> BTreeMap<(String, String), bool> {
    let mut found = BTreeMap::new();
    match location {
        Location::Sqlite(path) => {
            let url = format!("sqlite://{}", path.display());
            let mut db = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let rows = sqlx::query(
                "SELECT t.name, c.name, c.\"notnull\" = 0 AND c.pk = 0 FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'opsgram_migrations'",
            );
            for row in rows.fetch_all(&mut db).await.unwrap() {
                found.insert((row.get(0), row.get(1)), row.get::<i64, _>(2) == 1);
            }
        }
        Location::Postgres(url) => {
            let mut db = sqlx::PgConnection::connect(url).await.unwrap();
            let rows = sqlx::query(
                "SELECT table_name::text, column_name::text, is_nullable = 'YES' FROM information_schema.columns
                 WHERE table_schema = 'public' AND table_name NOT IN ('opsgram_migrations', '_sqlx_migrations')",
            );
            for row in rows.fetch_all(&mut db).await.unwrap() {
                found.insert((row.get(0), row.get(1)), row.get(2));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_engines_do_not_differ_in_tables_or_columns() {
    let mut found = Vec::new();
    for database in [Database::sqlite(), Database::postgres().await] {
        let mut world = World::new(database).await;
        world.database().await.close().await;
        found.push(columns(&world.location()).await);
        world.finish().await;
    }
    assert!(found[0].len() > 50, "{:?}", found[0]);
    assert_eq!(found[0], found[1]);
}
