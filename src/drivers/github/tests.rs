//! A GitHub that errs, limits and lies.

use super::*;
use crate::drivers::tests::{Asked, Server, Told, closed};
use std::sync::MutexGuard;
use url::Url;

/// What it says when it is asked, one answer after the other, before it says what is true.
#[derive(Default)]
struct Hub {
    runs: Vec<Value>,
    faults: Vec<Told>,
    asked: Vec<String>,
    /// What it says instead of the number of runs.
    total: Option<u64>,
    /// What its clock shows, if it says so.
    date: Option<&'static str>,
    /// Whether it is too old to tell which run a dispatch began.
    old: bool,
}

impl Hub {
    fn add(&mut self, id: u64, status: &str, event: &str, branch: &str) {
        let conclusion = (status == "completed").then_some("success");
        self.runs.push(json!({
            "id": id, "status": status, "conclusion": conclusion, "event": event, "head_branch": branch,
            "html_url": format!("https://github.example/runs/{id}"), "created_at": "2025-07-01T10:00:00Z",
            "display_title": format!("run {id}"),
        }));
    }

    fn tell(&mut self, asked: &Asked) -> Told {
        let place = asked
            .place
            .strip_prefix("/api/v3/repos/ann/site/actions/")
            .unwrap();
        self.asked.push(format!("{} {place}", asked.method));
        if !self.faults.is_empty() {
            return self.faults.remove(0);
        }
        assert_eq!(asked.header("authorization"), Some("Bearer hunter22"));
        assert_eq!(asked.header("x-github-api-version"), Some(VERSION));
        assert!(asked.header("user-agent").unwrap().starts_with("opsgram/"));
        if asked.method == "POST" {
            return self.take(asked);
        }
        if let Some(id) = asked.path().split("/actions/runs/").nth(1) {
            let run = self
                .runs
                .iter()
                .find(|run| run["id"].as_u64() == id.parse().ok());
            return run.map_or(Told::text(404, "{}"), |run| {
                Told::text(200, &run.to_string())
            });
        }
        let fits = |run: &&Value, query: &str, field: &str| {
            asked.query(query).is_none_or(|wanted| run[field] == wanted)
        };
        let fitting = self.runs.iter().rev().filter(|run| {
            fits(run, "status", "status")
                && fits(run, "event", "event")
                && fits(run, "branch", "head_branch")
        });
        let fitting: Vec<&Value> = fitting.collect();
        let number = |name: &str| asked.query(name).map(|text| text.parse::<usize>().unwrap());
        let size = number("per_page").unwrap_or(30).min(100);
        let before = (number("page").unwrap_or(1) - 1) * size;
        let page: Vec<_> = fitting.iter().skip(before).take(size).collect();
        let total = self.total.unwrap_or(fitting.len() as u64);
        let date = self.date.map(|date| ("Date", date.to_owned()));
        let list = json!({"total_count": total, "workflow_runs": page});
        Told::Says(200, Vec::from_iter(date), list.to_string().into_bytes())
    }

    fn take(&mut self, asked: &Asked) -> Told {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let refuse = |message: &str| Told::text(422, &json!({"message": message}).to_string());
        if self.old && body.get("return_run_details").is_some() {
            return refuse("Invalid request.\n\n\"return_run_details\" is not a permitted key.");
        }
        if body["inputs"].get("odd").is_some() {
            return refuse("Unexpected inputs provided: [\"odd\"]");
        }
        let id = 1000 + self.runs.len() as u64;
        self.add(
            id,
            "queued",
            "workflow_dispatch",
            body["ref"].as_str().unwrap(),
        );
        match self.old {
            true => Told::text(204, ""),
            false => Told::text(200, &json!({"workflow_run_id": id}).to_string()),
        }
    }
}

struct Bench {
    hub: Arc<Mutex<Hub>>,
    github: GitHub,
    target: Target,
    _server: Server,
}

impl Bench {
    async fn new() -> Self {
        Self::by(Clock::default()).await
    }

    /// A bench whose own clock shows this, while GitHub's shows when its runs are made.
    async fn at(now: Millis) -> Self {
        let bench = Self::by(Clock::new(move || now)).await;
        bench.hub().date = Some("Tue, 01 Jul 2025 10:00:05 GMT");
        bench
    }

    async fn by(clock: Clock) -> Self {
        let hub: Arc<Mutex<Hub>> = Arc::default();
        let told = Arc::clone(&hub);
        let server = Server::start(move |asked: &Asked| told.lock().unwrap().tell(asked)).await;
        let github = GitHub::new(
            Web::default(),
            server.url("/api/v3/"),
            "hunter22".into(),
            clock,
        );
        let target = Target::new("ann/site", ".github/workflows/keep.yml").unwrap();
        Self {
            hub,
            github,
            target,
            _server: server,
        }
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap()
    }

    async fn active(&self) -> Result<Active, Unknown> {
        self.github.active(&self.target).await
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.hub().asked)
    }
}

#[test]
fn a_workflow_is_named_by_its_file() {
    let short = Target::new("ann/site.io", "keep-it.yaml");
    assert_eq!(
        short,
        Target::new("ann/site.io", ".github/workflows/keep-it.yaml")
    );
    for repo in [
        "site",
        "ann/",
        "/site",
        "ann/site/x",
        "ann/..",
        "a b/c",
        "ann/si?te",
    ] {
        assert!(
            Target::new(repo, "a.yml")
                .unwrap_err()
                .contains("write owner/name"),
            "{repo}"
        );
    }
    for file in [
        "",
        "keep",
        "x/keep.yml",
        ".github/workflows/",
        "../keep.yml",
        "ke?ep.yml",
    ] {
        let why = Target::new("ann/site", file).unwrap_err();
        assert!(why.contains("such as ci.yml"), "{file}: {why}");
    }
}

#[tokio::test]
async fn every_run_that_is_not_over_counts() {
    let bench = Bench::new().await;
    assert_eq!(
        bench.active().await,
        Ok(Active {
            runs: Vec::new(),
            complete: true,
            ahead: 0,
        })
    );
    assert_eq!(bench.asked(), ["GET workflows/keep.yml/runs?per_page=100"]);
    for (id, status) in (1..).zip(STATUSES.iter().chain(&["completed", "of another kind"])) {
        bench.hub().add(id, status, "push", "main");
    }
    let active = bench.active().await.unwrap();
    let ids: Vec<u64> = active.runs.iter().map(|run| run.id).collect();
    assert_eq!((ids, active.complete), (vec![7, 5, 4, 3, 2, 1], true));
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test]
async fn an_old_run_that_still_waits_is_found_behind_many() {
    let bench = Bench::new().await;
    for (id, status) in (1..).zip(STATUSES) {
        bench.hub().runs.clear();
        bench.hub().add(id, status, "push", "main");
        for id in 100..350 {
            bench.hub().add(id, "completed", "push", "main");
        }
        let active = bench.active().await.unwrap();
        assert_eq!((active.runs.len(), active.complete), (1, true), "{status}");
        assert_eq!(bench.asked().len(), 6);
    }
    bench.hub().runs.remove(0);
    assert_eq!(
        bench.active().await,
        Ok(Active {
            runs: Vec::new(),
            complete: true,
            ahead: 0,
        })
    );
    // With a newer one, one look is enough.
    bench.asked();
    bench.hub().add(500, "in_progress", "push", "main");
    let active = bench.active().await.unwrap();
    assert_eq!((active.runs.len(), active.complete), (1, false));
    assert_eq!(bench.asked().len(), 1);
    // Many of a status come in pages.
    bench.hub().runs.clear();
    for id in 1..=150 {
        bench.hub().add(id, "waiting", "push", "main");
    }
    for id in 200..300 {
        bench.hub().add(id, "completed", "push", "main");
    }
    let active = bench.active().await.unwrap();
    assert_eq!((active.runs.len(), active.complete), (150, true));
    let asked = bench.asked();
    assert!(
        asked
            .contains(&"GET workflows/keep.yml/runs?status=waiting&per_page=100&page=2".to_owned())
    );
    assert_eq!(asked.len(), 7);
}

#[tokio::test]
async fn no_error_and_no_lie_means_that_none_runs() {
    let bench = Bench::new().await;
    let faults = [
        Told::text(500, ""),
        Told::text(502, "<html>"),
        Told::text(401, r#"{"message": "Bad credentials"}"#),
        Told::text(404, r#"{"message": "Not Found"}"#),
        Told::text(200, "<html>"),
        Told::text(200, "{}"),
        Told::text(200, r#"{"total_count": 0}"#),
        Told::text(200, r#"{"total_count": 0, "workflow_runs": {}}"#),
        Told::text(200, r#"{"total_count": 1, "workflow_runs": []}"#),
        Told::text(200, r#"{"total_count": 1, "workflow_runs": [{"id": 1}]}"#),
        Told::text(204, ""),
        Told::text(418, r#"{"message": "you sent Bearer hunter22"}"#),
        Told::Says(200, Vec::new(), vec![b' '; (1 << 20) + 1]),
        Told::with(302, "Location", "/api/v3/repos/ann/site/actions/none"),
        Told::Drops,
        Told::Breaks,
    ];
    for fault in faults {
        bench.hub().faults = vec![fault.clone(), Told::text(500, "")];
        let unknown = bench.active().await.unwrap_err();
        assert!(!unknown.why.contains("hunter22"), "{unknown}");
        assert_eq!(unknown.until, None);
        bench.hub().faults.clear();
        // In the middle of several calls, too.
        for id in 1..=101 {
            bench.hub().add(id, "completed", "push", "main");
        }
        let page = json!({"total_count": 101, "workflow_runs": bench.hub().runs[..100]});
        bench.hub().faults = vec![
            Told::text(200, &page.to_string()),
            fault,
            Told::text(500, ""),
        ];
        bench.active().await.unwrap_err();
        *bench.hub() = Hub::default();
    }
    // It says zero, and lists one.
    bench.hub().add(1, "in_progress", "push", "main");
    bench.hub().total = Some(0);
    assert_eq!(bench.active().await.unwrap().runs.len(), 1);
    let (_held, address) = closed();
    let api = Url::parse(&format!("http://{address}/")).unwrap();
    let nowhere = GitHub::new(Web::default(), api, "hunter22".into(), Clock::default());
    let unknown = nowhere.active(&bench.target).await.unwrap_err();
    assert!(unknown.why.contains("refuses the connection"), "{unknown}");
}

#[tokio::test]
async fn limits_are_kept_to() {
    let limited = |headers: &[(&'static str, String)], status| {
        Told::Says(
            status,
            headers.to_vec(),
            br#"{"message": "API rate limit exceeded"}"#.to_vec(),
        )
    };
    let date = ("Date", "Tue, 01 Jul 2025 10:00:00 GMT".to_owned());
    let remaining = |left: u32| ("X-RateLimit-Remaining", left.to_string());
    // 10:05 by GitHub's clock; ours is another.
    let reset = ("X-RateLimit-Reset", "1751364300".to_owned());
    let far = ("X-RateLimit-Reset", "99999999999".to_owned());
    let retry = ("Retry-After", "90".to_owned());
    for (told, seconds) in [
        (
            limited(&[date.clone(), remaining(0), reset.clone()], 403),
            300,
        ),
        (limited(&[date.clone(), remaining(0), far], 403), 3600),
        (limited(&[retry.clone(), remaining(7)], 403), 90),
        (limited(&[retry], 429), 90),
        (limited(&[], 429), 60),
        (limited(&[], 403), 60),
    ] {
        let bench = Bench::new().await;
        bench.hub().faults = vec![told];
        let before = Millis::now();
        let unknown = bench.active().await.unwrap_err();
        let until = unknown.until.unwrap();
        let wait = Duration::from_secs(seconds);
        assert!(
            until >= before.plus(wait) && until <= Millis::now().plus(wait),
            "{unknown:?}"
        );
        // Nothing is asked until then, by a clone neither.
        let unknown = bench
            .github
            .clone()
            .active(&bench.target)
            .await
            .unwrap_err();
        assert_eq!(unknown.until, Some(until));
        let sent = bench
            .github
            .dispatch(&bench.target, "main", &BTreeMap::new())
            .await;
        assert!(matches!(sent, Dispatched::Refused(_)), "{sent:?}");
        assert_eq!(bench.asked().len(), 1);
    }
    // A good answer may be the last one.
    let bench = Bench::new().await;
    let headers = vec![date, remaining(0), reset];
    let none = br#"{"total_count": 0, "workflow_runs": []}"#.to_vec();
    bench.hub().faults = vec![Told::Says(200, headers, none)];
    assert!(bench.active().await.is_ok());
    assert!(bench.active().await.unwrap_err().until.is_some());
    let mut limits = Limits::default();
    let now = Millis(1_000_000_000_000);
    assert_eq!(limits.check(now), Ok(()));
    assert_eq!(
        [1, 2, 3, 6, 7, 99].map(|n| backoff(n).as_secs()),
        [30, 60, 120, 900, 900, 900]
    );
}

#[tokio::test]
async fn a_dispatch_is_taken_refused_or_unsure() {
    let bench = Bench::new().await;
    let dispatch = async |inputs: &[(&str, &str)]| {
        let inputs = inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        bench
            .github
            .dispatch(&bench.target, "main", &inputs.collect())
            .await
    };
    assert_eq!(
        dispatch(&[("size", "big")]).await,
        Dispatched::Taken(Some(1000))
    );
    assert_eq!(bench.asked(), ["POST workflows/keep.yml/dispatches"]);
    let Dispatched::Refused(unknown) = dispatch(&[("odd", "1")]).await else {
        panic!("it was not refused");
    };
    assert_eq!(
        unknown.why,
        "GitHub answered with 422: Unexpected inputs provided: [\"odd\"]"
    );
    bench.hub().old = true;
    assert_eq!(dispatch(&[]).await, Dispatched::Taken(None));
    bench.hub().old = false;
    for (fault, sure) in [
        (Told::text(401, ""), true),
        (Told::text(404, ""), true),
        (Told::with(307, "Location", "/x"), true),
        (Told::text(500, ""), false),
        (Told::text(503, ""), false),
        (Told::Drops, false),
    ] {
        bench.hub().faults = vec![fault];
        match dispatch(&[]).await {
            Dispatched::Taken(_) => panic!("it was not taken"),
            Dispatched::Refused(_) => assert!(sure),
            Dispatched::Unsure(_) => assert!(!sure),
        }
    }
    assert_eq!(bench.hub().runs.len(), 2);
}

#[tokio::test]
async fn the_run_of_a_dispatch_is_not_taken_for_another() {
    let bench = Bench::new().await;
    let (github, target) = (&bench.github, &bench.target);
    bench
        .hub()
        .add(1, "in_progress", "workflow_dispatch", "main");
    let before = github.dispatched(target, "main").await.unwrap();
    assert_eq!(before, BTreeSet::from([1]));
    let begun = async |mark| github.begun(target, "main", &before, mark).await.unwrap();
    assert_eq!(begun(None).await, Begun::NotYet);
    bench.hub().add(2, "queued", "push", "main");
    bench.hub().add(3, "queued", "workflow_dispatch", "other");
    assert_eq!(begun(None).await, Begun::NotYet);
    bench.hub().add(4, "queued", "workflow_dispatch", "main");
    let Begun::Run(run) = begun(None).await else {
        panic!("it is there");
    };
    assert_eq!(
        (run.id, run.link.as_deref()),
        (4, Some("https://github.example/runs/4"))
    );
    bench.hub().add(5, "queued", "workflow_dispatch", "main");
    let Begun::OneOf(runs) = begun(None).await else {
        panic!("there are two");
    };
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [5, 4]);
    let Begun::Run(run) = begun(Some("run 4")).await else {
        panic!("one has the mark");
    };
    assert_eq!(run.id, 4);
    // One that was hidden behind others comes into sight when they are deleted.
    bench.hub().runs.clear();
    bench.hub().add(0, "completed", "workflow_dispatch", "main");
    assert_eq!(begun(None).await, Begun::NotYet);
    bench.hub().faults = vec![Told::text(500, "")];
    let unknown = github.begun(target, "main", &before, None).await;
    assert!(unknown.is_err());
}

/// By GitHub's clock the run began in July; ours is ahead or behind by a good deal.
#[tokio::test]
async fn a_clock_that_is_wrong_here_hides_no_run_of_ours() {
    for second in [1_751_364_000, 1_751_364_000 + 7200, 1_751_364_000 - 7200] {
        let bench = Bench::at(Millis(second * 1000)).await;
        let sent = Known {
            own: Own::Sent(bench.github.clock.now()),
            ..Known::default()
        };
        let finds = async || {
            let active = bench.active().await;
            let now = bench.github.clock.now();
            sent.clone().takes(&active, None, now).0
        };
        bench
            .hub()
            .add(1, "in_progress", "workflow_dispatch", "main");
        bench.hub().runs[0]["created_at"] = "2025-07-01T09:58:00Z".into();
        assert_eq!(finds().await, [], "it was there before");
        bench.hub().add(2, "queued", "workflow_dispatch", "main");
        let news = finds().await;
        assert!(
            matches!(news.as_slice(), [News::Found(run)] if run.id == 2),
            "{news:?}"
        );
    }
}

#[tokio::test]
async fn how_a_run_stands_is_known_or_not() {
    let bench = Bench::new().await;
    let (github, target) = (&bench.github, &bench.target);
    bench.hub().add(1, "in_progress", "push", "main");
    bench.hub().add(2, "completed", "push", "main");
    let run = github.run(target, 1).await.unwrap().unwrap();
    assert!(!run.is_over() && !run.is_good());
    let run = github.run(target, 2).await.unwrap().unwrap();
    assert!(run.is_over() && run.is_good());
    assert_eq!(bench.asked(), ["GET runs/1", "GET runs/2"]);
    assert_eq!(github.run(target, 3).await, Ok(None));
    let other = bench.hub().runs[0].to_string();
    for fault in [
        Told::text(500, ""),
        Told::text(200, "{}"),
        Told::text(200, &other),
    ] {
        bench.hub().faults = vec![fault];
        assert!(github.run(target, 2).await.is_err());
    }
}
