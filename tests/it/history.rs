//! `/jobs` by filter and page: every combination, while jobs arrive, for each role, by forged buttons, among many.

use crate::harness::{ANN, BEN, CLEO, Database, OPS, World};
use crate::on_both;
use opsgram::base::ids::{JobId, UserId};
use opsgram::base::name::Name;
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::sandbox::Message;
use opsgram::store::history::{self, Cursor, Filter, Standing};
use opsgram::store::{Location, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

/// One past job.
pub struct Past<'a> {
    pub title: &'a str,
    pub state: &'a str,
    pub role: &'a str,
    pub asker: i64,
    pub at: i64,
}

/// Writes past jobs, as an earlier run left them; returns the number of the first.
pub async fn past(store: &Store, jobs: &[Past<'_>]) -> i64 {
    let mut tx = store.begin().await.unwrap();
    let mut first = 0;
    for (number, job) in jobs.iter().enumerate() {
        let name = match job.asker {
            ANN => "ann",
            BEN => "ben",
            _ => "zoe",
        };
        let ended = !matches!(job.state, "queued" | "running");
        let row = sqlx::query(
            "INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, source, request_id, lane,
                lane_limit, user_limit, after_crash, output, created_at, started_at, finished_at, starts, exit_code)
             VALUES ('script.run', '{}', $1, $2, $3, $4, $5, $4, $6, 'r', 'script', 1, 4, 'report', 'card', $7, $7, $8, 1, 3)
             RETURNING id",
        )
        .bind(job.title)
        .bind(job.state)
        .bind(job.role)
        .bind(job.asker)
        .bind(name)
        .bind(format!("past:{}:{number}", job.at))
        .bind(job.at)
        .bind(ended.then_some(job.at))
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        if number == 0 {
            first = row.get(0);
        }
    }
    store.commit(tx).await.unwrap();
    first
}

fn job(title: &'static str, state: &'static str, asker: i64, at: i64) -> Past<'static> {
    Past {
        title,
        state,
        role: "operator",
        asker,
        at,
    }
}

/// The numbers of the jobs that a message lists.
pub fn numbers(message: &Message) -> Vec<i64> {
    let number = |line: &str| line.split("· #").nth(1)?.split(' ').next()?.parse().ok();
    message.text.lines().filter_map(number).collect()
}

fn now() -> i64 {
    Millis::now().0
}

const HOUR: i64 = 3_600_000;

on_both! {
    /// Words of each kind narrow the list, alone and together, in any order.
    async fn filters_combine_in_any_order(world) {
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        let now = now();
        past(&world.services().store.clone(), &[
            job("hello", "succeeded", BEN, now - 100 * HOUR),
            job("hello", "failed", BEN, now - 50 * HOUR),
            job("deploy", "failed", ANN, now - 30 * HOUR),
            job("hello", "timed_out", ANN, now - HOUR),
            job("deploy", "cancelled", BEN, now - HOUR),
            job("deploy", "lost", BEN, now - HOUR / 2),
            job("hello", "succeeded", 777, now - 1000),
        ]).await;
        let cases: [(&str, &[i64]); 18] = [
            ("/jobs", &[7, 6, 5, 4, 3, 2, 1]),
            ("/jobs failed", &[6, 4, 3, 2]),
            ("/jobs FAILED Hello", &[4, 2]),
            ("/jobs hello failed", &[4, 2]),
            ("/jobs hello by ben failed", &[2]),
            ("/jobs failed @ben since 2h", &[6]),
            ("/jobs since 2h failed @Ben", &[6]),
            ("/jobs by “ann”", &[4, 3]),
            ("/jobs by 777", &[7]),
            ("/jobs by zoe", &[7]),
            ("/jobs mine", &[6, 5, 2, 1]),
            ("/jobs mine by ben", &[6, 5, 2, 1]),
            ("/jobs ok", &[7, 1]),
            ("/jobs succeeded since 3d", &[7]),
            ("/jobs cancelled", &[5]),
            ("/jobs deploy since 2d", &[6, 5, 3]),
            ("/jobs since 2020-01-01 hello ok", &[7, 1]),
            ("/jobs all all", &[7, 6, 5, 4, 3, 2, 1]),
        ];
        for (text, expected) in cases {
            let told = world.asks(BEN, BEN, text).await;
            assert_eq!(numbers(&told), expected, "{text}: {}", told.text);
        }
        let counted = world.asks(BEN, BEN, "/jobs hello failed").await;
        assert!(counted.text.starts_with("failed · hello: 2 jobs\n"), "{}", counted.text);
        let none = world.asks(BEN, BEN, "/jobs queued hello").await;
        assert_eq!(none.text, "No job fits that. /jobs shows the newest.");
        let opened = world.presses(BEN, &counted, "#4 hello").await;
        assert_eq!(opened, None);
        world.sees(BEN, "Asked by ann at ").await;
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// Each mistake is named with what would be right.
    async fn a_wrong_filter_is_named(world) {
        world.script("hello", "echo Hello", &[]);
        world.script("payroll", "echo sum", &["role: admin"]);
        world.start().await;
        let forms = "A filter is running, queued, failed, lost, ok, cancelled or mine; a script’s name; by and a person; \
                     today, or since and a time such as 2h, 3d or 2026-11-01.";
        let cases = [
            ("/jobs faild", "“faild” is no script that ran and no filter. Did you mean failed?".to_owned()),
            ("/jobs helo failed", "“helo” is no script that ran and no filter. Did you mean hello?".to_owned()),
            ("/jobs xyzzy", format!("“xyzzy” is no script that ran and no filter. {forms}")),
            ("/jobs payroll", format!("“payroll” is no script that ran and no filter. {forms}")),
            ("/jobs payrol", format!("“payrol” is no script that ran and no filter. {forms}")),
            ("/jobs <b>", format!("“<b>” is no script that ran and no filter. {forms}")),
            ("/jobs failed running", "A job is not failed and running at once. Write one of them.".to_owned()),
            ("/jobs by", "“by” is followed by a person, such as by ben.".to_owned()),
            ("/jobs by bem", "I know nobody called “bem”. Did you mean ben?".to_owned()),
            ("/jobs @nobody", "I know nobody called “nobody”. Write the name as in the list of jobs, or an id.".to_owned()),
            ("/jobs by ann by ben", "There are two of a kind here: only one person can be asked for at a time.".to_owned()),
            ("/jobs mine by ann", "There are two of a kind here: only one person can be asked for at a time.".to_owned()),
            ("/jobs since", "“since” is followed by a time, such as since 2h, since 3d or since 2026-11-01.".to_owned()),
            ("/jobs since yore", "“yore” is not a time. Write since 2h, since 3d or since 2026-11-01.".to_owned()),
            ("/jobs since 2999-01-01", "2999-01-01 is yet to come.".to_owned()),
            ("/jobs “failed", "The quote “ is not closed: write it at both ends of the text, or leave it out.".to_owned()),
        ];
        for (text, answer) in cases {
            let told = world.asks(BEN, BEN, text).await;
            assert_eq!(told.text, answer, "to {text}");
        }
        world.polite();
    }
}

on_both! {
    /// Pages hold each job once, in order, while new jobs arrive between the presses; both ways, with the filter kept.
    async fn pages_stand_still_while_jobs_arrive(world) {
        world.start().await;
        let store = world.services().store.clone();
        let rows: Vec<_> = (0..35).map(|n| job("hello", if n % 2 == 0 { "failed" } else { "succeeded" }, BEN, now() - 1000)).collect();
        past(&store, &rows).await;
        let first = world.asks(BEN, BEN, "/jobs failed hello by ben").await;
        assert!(first.text.starts_with("failed · hello · by ben: 18 jobs"), "{}", first.text);
        assert_eq!(numbers(&first), (17..=35).rev().step_by(2).collect::<Vec<_>>());
        past(&store, &[job("hello", "failed", BEN, now()), job("hello", "failed", BEN, now())]).await;
        world.presses(BEN, &first, "Older ›").await;
        let second = world.sees(BEN, "· #15 ").await;
        assert_eq!((second.id, numbers(&second)), (first.id, (1..=15).rev().step_by(2).collect()));
        assert!(second.button("Older ›").is_none());
        past(&store, &[job("hello", "failed", BEN, now())]).await;
        world.presses(BEN, &second, "‹ Newer").await;
        let newer = world.sees(BEN, "· #17 ").await;
        assert_eq!(numbers(&newer), (17..=35).rev().step_by(2).collect::<Vec<_>>());
        world.presses(BEN, &newer, "‹ Newer").await;
        let newest = world.sees(BEN, "· #38 ").await;
        assert_eq!(numbers(&newest), [38, 37, 36, 35, 33, 31, 29, 27, 25, 23], "what came meanwhile fills the first page");
        assert!(newest.button("‹ Newer").is_none());
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// A filter that is too long for a button is kept here; it works for whoever may look, and not in another chat.
    async fn a_long_filter_is_kept(world) {
        world.start().await;
        let store = world.services().store.clone();
        let title: &'static str = "a-script-with-a-name-of-forty-characters";
        let rows: Vec<_> = (0..12).map(|_| job(title, "cancelled", BEN, now() - 1000)).collect();
        past(&store, &rows).await;
        let first = world.asks(BEN, OPS, &format!("/jobs cancelled {title} by ben since 2h")).await;
        let data = first.button("Older ›").unwrap().data.clone().unwrap();
        assert!(data.starts_with("kept:") && data.len() <= 64, "{data}");
        world.presses(ANN, &first, "Older ›").await;
        let second = world.sees(OPS, "· #2 ").await;
        assert_eq!(numbers(&second), [2, 1]);
        world.presses(ANN, &second, "‹ Newer").await;
        world.sees(OPS, "· #12 ").await;
        world.say(BEN, "/whoami");
        world.sees(BEN, "You: ").await;
        let elsewhere = world.forges(BEN, BEN, &data).await;
        assert_eq!(elsewhere.as_deref(), Some("This button no longer stands for anything."));
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// What a role may not see is in no list, no count, no hint, by whatever filter or button.
    async fn hidden_jobs_stay_hidden_from_every_filter(world) {
        world.start().await;
        let store = world.services().store.clone();
        let mut rows = Vec::new();
        for n in 0..30 {
            rows.push(Past { title: "payroll", state: "failed", role: "admin", asker: ANN, at: now() - 1000 });
            rows.push(Past { title: if n < 3 { "hello" } else { "payroll" }, state: "failed", role: if n < 3 { "viewer" } else { "owner" }, asker: ANN, at: now() - 1000 });
        }
        past(&store, &rows).await;
        for person in [BEN, CLEO] {
            for text in ["/jobs", "/jobs failed", "/jobs by ann", "/jobs since 1h", "/jobs failed by ann since 1h"] {
                let told = world.asks(person, person, text).await;
                assert_eq!(numbers(&told), [6, 4, 2], "{text}");
                assert!(!told.text.contains("60") && !told.text.contains("payroll"), "{}", told.text);
            }
            let by_name = world.asks(person, person, "/jobs payroll").await;
            let missing = world.asks(person, person, "/jobs missing").await;
            assert_eq!(by_name.text.replace("payroll", "missing"), missing.text);
            for forged in ["jobs:all =payroll:0", "jobs:failed =payroll @111:o99", "jobs:all =payroll:n1"] {
                world.forges(person, person, forged).await;
            }
        }
        let owner = world.asks(ANN, ANN, "/jobs failed").await;
        assert!(owner.text.starts_with("failed: 60 jobs\n"), "{}", owner.text);
        let in_group = world.asks(ANN, OPS, "/jobs failed").await;
        assert_eq!(numbers(&in_group), [6, 4, 2]);
        world.quiet().await;
        for chat in [BEN, CLEO, OPS] {
            for message in world.sandbox.from_bot(chat) {
                for version in &message.history {
                    assert!(!version.text.contains("payroll ·"), "{}", version.text);
                }
            }
        }
    }
}

on_both! {
    /// Whatever a button is made to say: it is refused or shows a page.
    async fn forged_cursors_are_harmless(world) {
        world.start().await;
        past(&world.services().store.clone(), &[job("hello", "failed", BEN, now())]).await;
        world.asks(BEN, BEN, "/jobs").await;
        let huge = "9".repeat(30);
        for data in [
            "jobs:all:o0", "jobs:all:o-1", "jobs:all:n", "jobs:all:x1", &format!("jobs:all:o{huge}"), "jobs:all:10",
            "jobs:nothing:0", "jobs:=a =b:0", "jobs:@:0", "jobs:+x:0", "jobs:all' OR 1=1:0", "jobs:é:é", "kept::0",
            "kept:aaaaaaaaaaaaaaaaaaaa:0", "found:aaaaaaaaaaaaaaaaaaaa:0", "found::", "foundfile:", "foundin:a:1",
            "rows:1:1:2", "rows:0:1:1", "rows:1:9:1", "rows:99:1:2", "outbox:all", "outbox:", "outbox:drop:0", "outbox:chat:x:1",
        ] {
            let before = world.sandbox.seq();
            let shown = world.forges(BEN, BEN, data).await;
            world.quiet().await;
            let said = world.sandbox.events_since(before).len() > 2;
            assert!(shown.is_some() || said, "{data:?} is met with silence");
            assert!(!shown.unwrap_or_default().contains("wrong on my side"), "{data:?}");
        }
        for data in ["jobs:all:o9223372036854775807", "jobs:all:n9223372036854775807", "jobs:all:n1", "jobs:failed @222:0"] {
            assert_eq!(world.forges(BEN, BEN, data).await, None, "{data}");
        }
        world.quiet().await;
        assert_eq!(world.count(BEN, "wrong on my side"), 0);
    }
}

/// A connection that tells how its engine would carry a query out.
enum Planner {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

impl Planner {
    async fn of(location: &Location) -> Self {
        match location {
            Location::Sqlite(path) => {
                let url = format!("sqlite://{}", path.display());
                Self::Sqlite(sqlx::SqliteConnection::connect(&url).await.unwrap())
            }
            Location::Postgres(url) => {
                Self::Postgres(sqlx::PgConnection::connect(url).await.unwrap())
            }
        }
    }

    async fn plan(&mut self, text: &str, filter: &Filter) -> String {
        let title = filter.title.clone().unwrap_or_default();
        let asker = filter.asker.map_or(0, |asker| asker.0);
        let since = filter.since.map_or(0, |since| since.0);
        let lines: Vec<String> = match self {
            Self::Sqlite(db) => {
                let query = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
                let query = query
                    .bind(title)
                    .bind(asker)
                    .bind(0_i64)
                    .bind(since)
                    .bind(50_000_i64)
                    .bind(11_i64);
                query
                    .fetch_all(db)
                    .await
                    .unwrap()
                    .iter()
                    .map(|row| row.get(3))
                    .collect()
            }
            Self::Postgres(db) => {
                let query = sqlx::query(AssertSqlSafe(format!("EXPLAIN {text}")));
                let query = query
                    .bind(title)
                    .bind(asker)
                    .bind(0_i64)
                    .bind(since)
                    .bind(50_000_i64)
                    .bind(11_i64);
                query
                    .fetch_all(db)
                    .await
                    .unwrap()
                    .iter()
                    .map(|row| row.get(0))
                    .collect()
            }
        };
        lines.join("\n")
    }
}

/// Among 50,000 jobs every list goes by an index, whatever its filter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_list_reads_every_job() {
    for database in [Database::sqlite(), Database::postgres().await] {
        let mut world = World::new(database).await;
        let store = world.database().await;
        let location = world.location();
        let numbers = match &location {
            Location::Sqlite(_) => {
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
            }
            Location::Postgres(_) => "WITH n(i) AS (SELECT generate_series(1, 50000))",
        };
        // A PostgreSQL INSERT takes its WITH in front as well.
        let fill = format!(
            "{numbers} INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, source, request_id, lane,
                lane_limit, user_limit, after_crash, output, created_at, finished_at)
             SELECT 'script.run', '{{}}', 'hello' || (i % 20), CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'succeeded' END,
                'operator', 1 + i % 50, 'p', 1, 'old:' || i, 'r', 'l', 1, 4, 'report', 'card', 1790000000000 + i, 1790000000000 + i FROM n"
        );
        let mut tx = store.begin().await.unwrap();
        (&mut *tx).execute(AssertSqlSafe(fill)).await.unwrap();
        (&mut *tx).execute("ANALYZE").await.unwrap();
        store.commit(tx).await.unwrap();
        let mut planner = Planner::of(&location).await;
        let titles = [None, Some("hello7".to_owned()), Some("never".to_owned())];
        let askers = [None, Some(UserId(7)), Some(UserId(9999))];
        let standings = [
            Standing::Any,
            Standing::Open,
            Standing::Queued,
            Standing::Failed,
            Standing::Succeeded,
            Standing::Cancelled,
        ];
        for standing in standings {
            for title in &titles {
                for asker in &askers {
                    for since in [None, Some(Millis(1_790_000_049_000))] {
                        let filter = Filter {
                            standing,
                            title: title.clone(),
                            asker: *asker,
                            also: asker.iter().map(|_| Name::new("deploy").unwrap()).collect(),
                            since,
                            printed: since.is_some(),
                        };
                        for (cursor, role) in [
                            (Cursor::Newest, Role::Owner),
                            (Cursor::OlderThan(JobId(40_000)), Role::Viewer),
                            (Cursor::NewerThan(JobId(40_000)), Role::Operator),
                        ] {
                            let text = history::query_text(&filter, role, cursor);
                            let plan = planner.plan(&text, &filter).await;
                            let scans = plan.contains("Seq Scan on jobs")
                                || plan.lines().any(|line| line.starts_with("SCAN jobs"));
                            assert!(!scans, "{filter:?} by {role:?}:\n{plan}");
                        }
                    }
                }
            }
        }
        // A list by time goes through what is younger, and nothing else.
        let recent = Filter {
            since: Some(Millis(1_790_000_049_990)),
            ..Filter::default()
        };
        let mut db = store.read().await.unwrap();
        let found = history::list(&mut db, &recent, Role::Owner, Cursor::Newest, 100)
            .await
            .unwrap();
        assert_eq!(found.len(), 11);
        assert_eq!(
            history::count(&mut db, &Filter::default(), Role::Owner, 1001)
                .await
                .unwrap(),
            1001
        );
        drop(db);
        store.close().await;
        world.finish().await;
    }
}

on_both! {
    /// A username means the same person here as where rights are given, whatever others are called.
    async fn a_username_means_the_same_person_everywhere(world) {
        world.script("hello", "echo Hello", &[]);
        world.sandbox.add_person(CLEO, "Cleo", Some("ben"));
        world.start().await;
        world.say(BEN, "/run hello");
        world.sees(BEN, "✅ hello · #1").await;
        let before = world.asks(ANN, ANN, "/jobs by @ben").await;
        assert!(before.text.contains("by ben"), "nobody of that username was seen yet: {}", before.text);
        world.asks(CLEO, CLEO, "/whoami").await;
        let page = world.asks(ANN, ANN, "/grant @ben").await;
        assert!(page.text.starts_with("cleo "), "{}", page.text);
        for line in ["/jobs by @ben", "/jobs @Ben"] {
            let told = world.asks(ANN, ANN, line).await;
            assert!(told.text.contains("No job fits that"), "cleo has none: {}", told.text);
        }
        let by_name = world.asks(ANN, ANN, "/jobs by ben").await;
        assert!(by_name.text.contains("by ben"), "{}", by_name.text);
    }
}
