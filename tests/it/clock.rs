//! Schedules by a clock that the test holds: absences, restarts, reloads, a clock that jumps. The bot is built and not running,
//! so that nothing moves but by a step.

use crate::harness::{Database, World};
use opsgram::app::{App, Options};
use opsgram::base::ids::JobId;
use opsgram::base::time::Millis;
use opsgram::config::{self, Env};
use opsgram::services::Services;
use opsgram::store::{self, Store, schedules};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// A moment at the beginning of a day, UTC.
const START: i64 = 1_790_000_000_000 - 1_790_000_000_000 % (24 * HOUR);

fn at(millis: i64) -> Millis {
    Millis(START + millis)
}

/// A world with one script of this schedule, whose job nobody runs.
async fn world(schedule: &str) -> World {
    let mut world = World::new(Database::sqlite()).await;
    world.script("work", "echo work", &[schedule]);
    world
}

async fn build(world: &World) -> App {
    let env: Env = world.environment().into_iter().collect();
    let loaded =
        config::load(&world.config_file(), &env).unwrap_or_else(|faults| panic!("{faults}"));
    App::build(loaded.config, env, Options::default())
        .await
        .unwrap()
}

/// Puts the file in force, as a reload does.
fn reload(world: &World, services: &Services) {
    let env: Env = world.environment().into_iter().collect();
    let loaded =
        config::load(&world.config_file(), &env).unwrap_or_else(|faults| panic!("{faults}"));
    services.live.replace(loaded.config);
}

/// Steps at this moment; returns when the next step is due, counted from the start.
async fn step(app: &App, now: i64) -> Option<i64> {
    let next = app.services().schedules.step(at(now)).await.unwrap();
    next.map(|next| next.0 - START)
}

/// When the runs so far were due, counted from the start, in minutes; a retry with its number.
async fn runs(app: &App) -> Vec<String> {
    let mut db = app.services().store.read().await.unwrap();
    let sources: Vec<String> = sqlx::query_scalar("SELECT source FROM jobs ORDER BY id")
        .fetch_all(&mut *db)
        .await
        .unwrap();
    let run = |source: &String| {
        let mut parts = source.split(':').skip(3);
        let due: i64 = parts.next().unwrap().parse().unwrap();
        let minutes = (due - START) / MINUTE;
        match parts.next() {
            Some(number) => format!("{minutes}/{number}"),
            None => minutes.to_string(),
        }
    };
    sources.iter().map(run).collect()
}

/// All jobs so far are over.
async fn all_over(app: &App) {
    let store = &app.services().store;
    let mut tx = store.begin().await.unwrap();
    sqlx::query("UPDATE jobs SET state = 'succeeded', started_at = 1, finished_at = 2")
        .execute(&mut *tx)
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
}

async fn row(app: &App) -> schedules::Schedule {
    let mut db = app.services().store.read().await.unwrap();
    schedules::find(&mut db, "work").await.unwrap().unwrap()
}

#[tokio::test]
async fn an_interval_keeps_its_rhythm_over_restarts_whatever_a_run_takes() {
    let world = world("schedule: every 5h").await;
    let app = build(&world).await;
    assert_eq!(step(&app, 0).await, Some(5 * HOUR));
    drop(app);
    // Due while the bot was away, and a little late.
    let app = build(&world).await;
    assert_eq!(step(&app, 5 * HOUR + 4 * MINUTE).await, Some(10 * HOUR));
    assert_eq!(step(&app, 5 * HOUR + 4 * MINUTE).await, Some(10 * HOUR));
    assert_eq!(runs(&app).await, ["300"]);
    drop(app);
    let app = build(&world).await;
    all_over(&app).await;
    assert_eq!(step(&app, 9 * HOUR).await, Some(10 * HOUR));
    assert_eq!(step(&app, 10 * HOUR).await, Some(15 * HOUR));
    assert_eq!(runs(&app).await, ["300", "600"]);
}

#[tokio::test]
async fn what_was_missed_goes_by_the_policy() {
    for (missed, expected, skipped) in [
        ("skip", vec![], 1),
        ("once", vec!["180"], 0),
        ("all", vec!["60", "120", "180"], 0),
    ] {
        let world = world(&format!(
            "schedule: {{when: '0 * * * *', zone: UTC, missed: {missed}}}"
        ))
        .await;
        let app = build(&world).await;
        step(&app, 0).await;
        drop(app);
        let app = build(&world).await;
        for _ in 0..5 {
            step(&app, 3 * HOUR + 10 * MINUTE).await;
            all_over(&app).await;
        }
        assert_eq!(runs(&app).await, expected, "{missed}");
        assert_eq!(row(&app).await.skipped, skipped, "{missed}");
        assert_eq!(
            step(&app, 3 * HOUR + 11 * MINUTE).await,
            Some(4 * HOUR),
            "{missed}"
        );
    }
}

#[tokio::test]
async fn a_run_that_is_open_is_not_joined_by_the_next() {
    let world = world("schedule: every 1h").await;
    let app = build(&world).await;
    step(&app, 0).await;
    step(&app, HOUR).await;
    step(&app, 2 * HOUR).await;
    step(&app, 3 * HOUR).await;
    let stands = row(&app).await;
    assert_eq!(
        (runs(&app).await, stands.skipped),
        (vec!["60".to_owned()], 2)
    );
    assert_eq!(
        stands.skip_why.as_deref(),
        Some("the run before was not over")
    );
    all_over(&app).await;
    assert_eq!(
        step(&app, 3 * HOUR).await,
        Some(4 * HOUR),
        "not made up for"
    );
    step(&app, 4 * HOUR).await;
    assert_eq!(runs(&app).await, ["60", "240"]);
}

#[tokio::test]
async fn a_reload_keeps_what_is_unchanged_and_restarts_what_is_not() {
    let mut world = world("schedule: {when: every 5h, output: always}").await;
    let app = build(&world).await;
    step(&app, 0).await;
    // What is told is no matter of time.
    world.forget_scripts();
    world.script("work", "echo other", &["schedule: every 5h", "timeout: 3m"]);
    reload(&world, app.services());
    assert_eq!(step(&app, 2 * HOUR).await, Some(5 * HOUR));
    world.forget_scripts();
    world.script("work", "echo other", &["schedule: every 4h"]);
    reload(&world, app.services());
    assert_eq!(step(&app, 3 * HOUR).await, Some(7 * HOUR), "counted anew");
    world.forget_scripts();
    world.script(
        "work",
        "echo other",
        &["schedule: {when: every 4h, enabled: false}"],
    );
    reload(&world, app.services());
    assert_eq!(step(&app, 20 * HOUR).await, None);
    world.forget_scripts();
    world.script("work", "echo other", &[]);
    reload(&world, app.services());
    assert_eq!(step(&app, 20 * HOUR).await, None);
    assert_eq!(runs(&app).await, Vec::<String>::new());
    let mut db = app.services().store.read().await.unwrap();
    assert_eq!(schedules::all(&mut db).await.unwrap(), []);
}

#[tokio::test]
async fn a_clock_that_jumps_makes_no_run_twice_and_stops_nothing() {
    let world = world("schedule: every 1h").await;
    let app = build(&world).await;
    step(&app, 0).await;
    step(&app, HOUR).await;
    all_over(&app).await;
    // Put back by half an hour, and by the hour that it was wrong.
    assert_eq!(step(&app, HOUR / 2).await, Some(2 * HOUR));
    assert_eq!(step(&app, 0).await, Some(2 * HOUR));
    assert_eq!(step(&app, HOUR).await, Some(2 * HOUR));
    assert_eq!(runs(&app).await, ["60"]);
    // Forward: as if it had been away.
    assert_eq!(step(&app, 50 * HOUR + MINUTE).await, Some(51 * HOUR));
    all_over(&app).await;
    assert_eq!(runs(&app).await, ["60", "3000"]);
    // That was wrong: it counts anew from now, and does not wait for two days.
    assert_eq!(step(&app, 2 * HOUR + MINUTE).await, Some(3 * HOUR + MINUTE));
    step(&app, 3 * HOUR + MINUTE).await;
    assert_eq!(runs(&app).await, ["60", "3000", "181"]);
}

#[tokio::test]
async fn a_try_that_is_to_follow_survives_a_restart_and_holds_back_what_is_due() {
    let retries = "schedule: {when: every 1h, retry: {times: 2, backoff: 2h}}";
    let world = world(retries).await;
    let app = build(&world).await;
    step(&app, 0).await;
    step(&app, HOUR).await;
    all_over(&app).await;
    let store = &app.services().store;
    let mut tx = store.begin().await.unwrap();
    let retry = schedules::Retry {
        at: at(3 * HOUR + MINUTE),
        of: JobId(1),
        number: 2,
    };
    assert!(schedules::try_again(&mut tx, "work", retry).await.unwrap());
    store.commit(tx).await.unwrap();
    drop(app);
    let app = build(&world).await;
    assert_eq!(step(&app, 2 * HOUR).await, Some(3 * HOUR));
    assert_eq!(step(&app, 3 * HOUR).await, Some(3 * HOUR + MINUTE));
    step(&app, 3 * HOUR + MINUTE).await;
    step(&app, 3 * HOUR + MINUTE).await;
    assert_eq!(runs(&app).await, ["60", "60/2"]);
    let mut db = app.services().store.read().await.unwrap();
    let job = store::jobs::find(&mut db, JobId(2)).await.unwrap().unwrap();
    drop(db);
    let telling = job.new.telling.unwrap();
    assert_eq!(
        (job.new.retry_of, telling.attempt, telling.due),
        (Some(JobId(1)), 2, at(HOUR))
    );
    assert_eq!(row(&app).await.skipped, 2);
}

/// The run of the first hour failed then, and is to be tried again at that moment.
async fn to_follow(app: &App, failed: i64, then: i64) {
    step(app, HOUR).await;
    all_over(app).await;
    let store = &app.services().store;
    let mut tx = store.begin().await.unwrap();
    sqlx::query("UPDATE jobs SET state = 'failed', finished_at = $1")
        .bind(at(failed).0)
        .execute(&mut *tx)
        .await
        .unwrap();
    let retry = schedules::Retry {
        at: at(then),
        of: JobId(1),
        number: 2,
    };
    assert!(schedules::try_again(&mut tx, "work", retry).await.unwrap());
    store.commit(tx).await.unwrap();
}

/// How many messages say that a failed run is not tried again, for this reason.
async fn given_up(app: &App, why: &str) -> i64 {
    let mut db = app.services().store.read().await.unwrap();
    sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE payload LIKE $1")
        .bind(format!("%#1 failed, and is not tried again: {why}%"))
        .fetch_one(&mut *db)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_try_that_is_late_goes_by_the_policy() {
    for (missed, now, expected, told) in [
        ("skip", HOUR + 11 * MINUTE, vec!["60", "60/2"], None),
        (
            "skip",
            HOUR + 30 * MINUTE,
            vec!["60"],
            Some("The bot was away."),
        ),
        ("once", HOUR + 30 * MINUTE, vec!["60", "60/2"], None),
        (
            "once",
            3 * HOUR,
            vec!["60", "180"],
            Some("The next run was due."),
        ),
        ("all", 3 * HOUR, vec!["60", "60/2", "120", "180"], None),
    ] {
        let schedule = format!(
            "schedule: {{when: '0 * * * *', zone: UTC, missed: {missed}, retry: {{times: 2, backoff: 10m}}}}"
        );
        let world = world(&schedule).await;
        let app = build(&world).await;
        step(&app, 0).await;
        to_follow(&app, HOUR, HOUR + 10 * MINUTE).await;
        drop(app);
        let app = build(&world).await;
        for _ in 0..4 {
            step(&app, now).await;
            all_over(&app).await;
        }
        assert_eq!(runs(&app).await, expected, "{missed} at {now}");
        let expected = i64::from(told.is_some());
        assert_eq!(given_up(&app, told.unwrap_or_default()).await, expected);
    }
}

#[tokio::test]
async fn a_try_that_may_not_follow_is_given_up_and_told() {
    let retries = |more: &str| {
        format!("schedule: {{when: every 5h, retry: {{times: 2, backoff: 2h}}{more}}}")
    };
    for (number, why) in [
        "Everything was frozen.",
        "The schedule is switched off.",
        "The times of the schedule were changed.",
        "The schedule is no longer in the configuration.",
    ]
    .into_iter()
    .enumerate()
    {
        let mut world = world("schedule: {when: every 1h, retry: {times: 2, backoff: 2h}}").await;
        let app = build(&world).await;
        step(&app, 0).await;
        to_follow(&app, HOUR, 3 * HOUR).await;
        step(&app, HOUR).await;
        assert_eq!(given_up(&app, "").await, 0);
        if number == 0 {
            let freeze = store::freeze::Freeze {
                since: at(HOUR),
                by: opsgram::base::ids::UserId(111),
                name: "ann".to_owned(),
                reason: None,
            };
            let store = &app.services().store;
            let mut tx = store.begin().await.unwrap();
            assert!(store::freeze::begin(&mut tx, &freeze).await.unwrap());
            store.commit(tx).await.unwrap();
        } else {
            let settings = [
                "schedule: {when: every 1h, enabled: false}",
                &retries(""),
                "timeout: 3m",
            ];
            world.forget_scripts();
            world.script("work", "echo work", &[settings[number - 1]]);
            reload(&world, app.services());
        }
        step(&app, HOUR + MINUTE).await;
        step(&app, HOUR + 2 * MINUTE).await;
        assert_eq!(given_up(&app, why).await, 1, "{why}");
        step(&app, 3 * HOUR).await;
        assert_eq!(runs(&app).await, ["60"], "{why}");
    }
}

#[tokio::test]
async fn a_try_from_a_clock_that_was_wrong_holds_nothing_up() {
    let world = world("schedule: {when: every 1h, retry: {times: 2, backoff: 10m}}").await;
    let app = build(&world).await;
    step(&app, 0).await;
    // It failed when the clock was two days ahead.
    to_follow(&app, 49 * HOUR, 49 * HOUR + 10 * MINUTE).await;
    assert_eq!(step(&app, HOUR + MINUTE).await, Some(2 * HOUR));
    all_over(&app).await;
    step(&app, 2 * HOUR).await;
    assert_eq!(runs(&app).await, ["60", "60/2", "120"]);
    assert_eq!(row(&app).await.skipped, 0);
}

#[tokio::test]
async fn a_time_that_a_wrong_clock_ran_before_runs_when_it_comes() {
    let world = world("schedule: {when: '06:30', zone: UTC}").await;
    let app = build(&world).await;
    step(&app, 0).await;
    let (due, day) = (6 * HOUR + 30 * MINUTE, 24 * HOUR);
    step(&app, day + due).await;
    all_over(&app).await;
    // The clock was a day ahead, and is put back.
    assert_eq!(step(&app, MINUTE).await, Some(due));
    step(&app, due).await;
    all_over(&app).await;
    step(&app, day + due).await;
    assert_eq!(runs(&app).await, ["1830", "390", "1830"]);
}

#[tokio::test]
async fn a_time_that_ran_before_is_not_noted_as_a_run() {
    async fn noted(app: &App) -> i64 {
        let mut db = app.services().store.read().await.unwrap();
        sqlx::query_scalar("SELECT COUNT(*) FROM audit")
            .fetch_one(&mut *db)
            .await
            .unwrap()
    }
    let world = world("schedule: every 1h").await;
    let app = build(&world).await;
    step(&app, 0).await;
    step(&app, HOUR).await;
    all_over(&app).await;
    let before = noted(&app).await;
    // As if what was written with the run were lost, and the run were not.
    let store = &app.services().store;
    let mut tx = store.begin().await.unwrap();
    sqlx::query(
        "UPDATE schedules SET settled = anchor, last_due = NULL, last_fired = NULL, last_job = NULL",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    store.commit(tx).await.unwrap();
    assert_eq!(step(&app, HOUR).await, Some(2 * HOUR), "it goes on");
    let stands = row(&app).await;
    assert_eq!((stands.last_fired, stands.last_job), (None, None));
    assert_eq!(noted(&app).await, before);
}

#[tokio::test]
async fn pausing_lets_times_pass_and_resuming_makes_up_for_none() {
    let world = world("schedule: every 1h").await;
    let app = build(&world).await;
    step(&app, 0).await;
    let store = &app.services().store;
    let mut tx = store.begin().await.unwrap();
    let paused = schedules::Paused {
        at: at(MINUTE),
        by: "ann".to_owned(),
        why: None,
    };
    assert!(schedules::pause(&mut tx, "work", &paused).await.unwrap());
    assert!(!schedules::pause(&mut tx, "work", &paused).await.unwrap());
    // Whoever read it before it was paused does not start it.
    assert!(
        !schedules::fired(&mut tx, "work", at(HOUR), JobId(1), at(HOUR))
            .await
            .unwrap()
    );
    store.commit(tx).await.unwrap();
    assert_eq!(step(&app, 5 * HOUR).await, None);
    let mut tx = store.begin().await.unwrap();
    assert!(
        schedules::resume(&mut tx, "work", at(5 * HOUR + MINUTE))
            .await
            .unwrap()
    );
    store.commit(tx).await.unwrap();
    assert_eq!(
        step(&app, 5 * HOUR + MINUTE).await,
        Some(6 * HOUR),
        "in the old rhythm"
    );
    assert_eq!(runs(&app).await, Vec::<String>::new());
}

/// What waits in the queue counts as another's job from here on.
async fn fill_the_queue(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    sqlx::query("UPDATE schedules SET last_job = NULL")
        .execute(&mut *tx)
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
}

#[tokio::test]
async fn what_cannot_start_is_told_once_and_goes_on_when_it_can() {
    let mut world = world("schedule: every 1h").await;
    world.set("jobs: {max_queued: 1}");
    let app = build(&world).await;
    step(&app, 0).await;
    step(&app, HOUR).await;
    let store = &app.services().store;
    fill_the_queue(store).await;
    for hour in 2..5 {
        step(&app, hour * HOUR).await;
    }
    let told = async || -> i64 {
        let mut db = store.read().await.unwrap();
        sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE payload LIKE '%not started%'")
            .fetch_one(&mut *db)
            .await
            .unwrap()
    };
    let stands = row(&app).await;
    assert_eq!((told().await, stands.skipped), (1, 3), "{stands:?}");
    all_over(&app).await;
    step(&app, 5 * HOUR).await;
    assert_eq!(runs(&app).await, ["60", "300"]);
    // After a run that started, the same is news.
    fill_the_queue(store).await;
    for hour in 6..8 {
        step(&app, hour * HOUR).await;
    }
    assert_eq!((told().await, row(&app).await.skipped), (2, 5));
}
