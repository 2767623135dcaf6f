//! The chat page in a real browser: what a person does there, and that nothing leaves the machine.

use crate::harness::browser::{Browser, DESK, PHONE, Site};
use crate::harness::tools::{is_alive, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

/// Three people, a group, a forum; a script that waits for a file to appear, one that prints what browsers run.
const CONFIG: &str = "
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: operator}
    - {id: 333, name: cleo, role: viewer}
  chats:
    - {id: -1001, name: ops, role: operator}
    - {id: -1002000000001, name: team, role: operator}
scripts:
  steps: {run: ./steps.sh, description: Goes on step by step}
  done: {run: ./done.sh, description: Ends at once}
  lasts: {run: ./lasts.sh, description: Goes on for ten minutes}
  evil: {run: ./evil.sh, description: \"<img src=x onerror=window.hurt=1>\"}
";

const SCRIPTS: [(&str, &str); 4] = [
    (
        "steps.sh",
        "echo first; until [[ -e go ]]; do sleep 0.05; done; echo second; sleep 600",
    ),
    ("lasts.sh", "echo $$ > pid; sleep 600"),
    ("done.sh", "printf 'one\\ntwo\\n'; seq 200"),
    (
        "evil.sh",
        "echo '<img src=x onerror=\"window.hurt=1\"><script>window.hurt=1</script>'; echo 'https://evil.example/x'",
    ),
];

async fn site() -> Site {
    Site::start(Some(CONFIG), &SCRIPTS).await
}

/// What must hold at the end of every visit.
async fn nothing_left(browser: &Browser, site: &Site) {
    let requests = browser.requests().await;
    assert!(requests.len() > 15, "{requests:?}");
    for request in &requests {
        let inside = request.starts_with(site.base()) || request.starts_with("blob:");
        assert!(inside, "a request went to {request}");
    }
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    assert!(browser.value("window.hurt").await.is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_run_watched_and_cancelled() {
    let site = site().await;
    let browser = Browser::start(DESK).await;
    browser.open(&site.url).await;

    browser.click("#start", "Start").await;
    browser.reads("You are owner here").await;
    browser.say("/run").await;
    browser.click(".key", "steps").await;
    browser.reads("first").await;
    let bubble =
        "[...document.querySelectorAll('.message')].find(m => m.innerText.includes('first'))";
    browser.run(&format!("window.card = {bubble}"), &[]).await;
    fs::write(site.folder.path().join("go"), "").unwrap();
    browser
        .until("window.card.innerText.includes('second')")
        .await;
    browser
        .until("window.card.querySelector('.meta').innerText.includes('edited')")
        .await;
    browser.click(".key", "Cancel").await;
    browser
        .until("window.card.innerText.includes('cancelled')")
        .await;
    assert_eq!(
        browser.value("window.card.isConnected").await,
        json!(true),
        "the card was changed where it is"
    );

    browser.say("/run done").await;
    browser.reads("exit 0").await;
    let hidden = "[...document.querySelectorAll('.block pre')].filter(p => p.scrollHeight > p.clientHeight).length";
    assert_eq!(
        browser.value(hidden).await,
        json!(0),
        "a block shows all of its lines"
    );
    browser.click(".key", "Full log").await;
    browser.click(".document", ".log").await;
    let mut log = browser.downloads();
    log.push("done-2.log");
    until("the downloaded log", || log.exists()).await;
    let wanted: String = (1..=200).map(|n| format!("{n}\n")).collect();
    assert_eq!(
        fs::read_to_string(&log).unwrap(),
        format!("one\ntwo\n{wanted}")
    );

    browser.say("/run evil").await;
    browser.reads("onerror").await;
    assert_eq!(
        browser
            .value("document.querySelectorAll('.log .text img, .log script').length")
            .await,
        json!(0)
    );

    browser.click(".person", "stranger").await;
    browser.click("#start", "Start").await;
    browser.reads("I do not know you").await;
    browser.say("/run done").await;
    browser
        .until("document.querySelectorAll('.message.own').length === 2")
        .await;
    // What comes later is answered later: once cleo is refused, the stranger was passed over.
    browser.click(".person", "cleo").await;
    browser.click("#start", "Start").await;
    browser.reads("You are viewer here").await;
    browser.say("/run done").await;
    browser.reads("This needs the role operator").await;
    browser.click(".person", "stranger").await;
    browser
        .until("document.querySelectorAll('.message').length === 3")
        .await;
    let words = browser
        .value("document.getElementById('log').innerText")
        .await;
    assert!(!words.as_str().unwrap().contains("exit 0"), "{words}");

    nothing_left(&browser, &site).await;
    assert_eq!(site.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_files_are_sent_and_the_bot_is_killed() {
    let site = site().await;
    let browser = Browser::start(PHONE).await;
    browser.open(&site.url).await;
    assert_eq!(
        browser
            .value("getComputedStyle(document.body).backgroundColor")
            .await,
        json!("rgb(17, 26, 35)")
    );
    browser.click("[data-key='111:0']", "").await;
    browser.click("#start", "Start").await;
    browser.reads("You are owner here").await;

    // The menu is the owner's, and a command of it is sent.
    browser.click("#menu", "").await;
    browser.until("[...document.querySelectorAll('.command-name')].some(n => n.textContent === '/cancel')").await;
    browser.click("#suggestions li", "/whoami").await;
    browser.reads("Role here").await;
    browser.keys("#text", "/jo").await;
    browser
        .until("document.querySelectorAll('#suggestions li').length === 2")
        .await;
    browser.keys("#text", "\u{e004}\u{e007}").await;
    browser.reads("No job has run yet").await;

    let file = site.folder.path().join("notes <b>.txt");
    fs::write(&file, "what was sent").unwrap();
    browser.attach(&file).await;
    browser.say("a caption").await;
    browser
        .until("document.querySelector('.own .document-name')?.textContent === 'notes <b>.txt'")
        .await;
    browser.reads("a caption").await;

    // Killed while a job runs: it is dead until somebody starts it, and tells what was lost.
    browser.say("/run steps").await;
    browser.reads("first").await;
    browser.click("#panel-toggle", "").await;
    browser.click("[data-do=kill]", "").await;
    browser
        .until("document.querySelector('.bot-words').dataset.state === 'ended'")
        .await;
    browser
        .until("document.getElementById('banner').innerText.includes('not running')")
        .await;
    browser.click("[data-do=start]", "").await;
    browser
        .until("document.querySelector('.bot-words').dataset.state === 'running'")
        .await;
    browser.reads("lost").await;
    browser.click("[data-do=restart]", "").await;
    browser
        .until("document.querySelector('.bot-words').innerText.includes('start 3')")
        .await;

    // 429: the message comes when Telegram allows it.
    browser
        .run(
            "document.querySelector('.fault input[name=seconds]').value = 2",
            &[],
        )
        .await;
    browser.click(".fault button", "").await;
    browser.until("document.querySelector('.waiting li')").await;
    browser.click(".panel-head .icon-button", "").await;
    browser.say("/help").await;
    browser
        .until("!document.querySelector('.waiting li')")
        .await;
    browser.reads("/retry").await;
    browser.click("#panel-toggle", "").await;
    browser.click("#tab-calls", "").await;
    browser.click(".call .code", "429").await;
    browser
        .until(
            "document.querySelector('.call[open] .call-parts')?.innerText.includes('retry_after')",
        )
        .await;
    // A row tells whose chat it is and how its text begins, without the marks of HTML.
    browser
        .until("[...document.querySelectorAll('.about')].some(a => /^ann · [^<&]+$/.test(a.innerText))")
        .await;
    browser.click("#tab-log", "").await;
    browser
        .until("[...document.querySelectorAll('.lines li')].some(l => /^\\d\\d:\\d\\d:\\d\\d INFO submitted job=/.test(l.innerText))")
        .await;

    let twice = "import('/js/notice.js').then(({ toast }) => { toast('same words'); toast('same words'); })";
    browser.run(twice, &[]).await;
    browser
        .until("document.getElementById('toasts').innerText.includes('same words')")
        .await;
    let toasts = "[...document.getElementById('toasts').children].filter(t => t.textContent === 'same words').length";
    assert_eq!(browser.value(toasts).await, json!(1));

    assert_eq!(
        browser.value("document.documentElement.scrollWidth").await,
        json!(360),
        "nothing is wider than the phone"
    );
    nothing_left(&browser, &site).await;
    assert_eq!(site.stop().await, Some(0));
}

/// Draws a text with its entities by the page's own module; what links and commands did is in `window.did`.
const DRAW: &str = r#"
const [text, entities, done] = arguments;
window.did = [];
const act = {
  say: (words) => window.did.push(`say ${words}`),
  start: (passed) => window.did.push(`start ${passed}`),
  startOf: null,
};
import("/js/text.js").then(({ render, startOf }) => {
  act.startOf = (address) => startOf(address, "ops_bot");
  const box = document.createElement("div");
  box.append(...render(text, entities, act));
  for (const one of box.querySelectorAll("a, button.command, .spoiler")) {
    if (one.target !== "_blank") one.click();
  }
  for (const svg of box.querySelectorAll("svg")) svg.remove();
  done({ html: box.innerHTML, did: window.did });
});
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entity_becomes_what_it_is_and_nothing_becomes_markup() {
    let site = site().await;
    let browser = Browser::start(DESK).await;
    browser.open(&site.url).await;
    let mark = |kind: &str, offset: usize, length: usize| json!({"type": kind, "offset": offset, "length": length});
    let link = |url: &str, length: usize| json!({"type": "text_link", "offset": 0, "length": length, "url": url});
    let outside = r#"target="_blank" rel="noopener noreferrer""#;
    for (text, entities, html, did) in [
        ("<b>&", json!([]), "&lt;b&gt;&amp;".to_owned(), json!([])),
        // Offsets are UTF-16 units, and entities nest.
        (
            "😀ab",
            json!([mark("italic", 3, 1), mark("bold", 2, 2)]),
            "😀<strong>a<em>b</em></strong>".to_owned(),
            json!([]),
        ),
        (
            "us",
            json!([mark("underline", 0, 1), mark("strikethrough", 1, 1)]),
            "<u>u</u><s>s</s>".to_owned(),
            json!([]),
        ),
        (
            "x",
            json!([mark("code", 0, 1)]),
            r#"<code class="inline">x</code>"#.to_owned(),
            json!([]),
        ),
        (
            "a",
            json!([link("javascript:alert(1)", 1)]),
            "<span>a</span>".to_owned(),
            json!([]),
        ),
        (
            "see https://a.example/x?y=1.",
            json!([]),
            format!(
                r#"see <a href="https://a.example/x?y=1" {outside}>https://a.example/x?y=1</a>."#
            ),
            json!([]),
        ),
        (
            "join",
            json!([link("https://t.me/Ops_Bot?start=abc", 4)]),
            r#"<a href="https://t.me/Ops_Bot?start=abc">join</a>"#.to_owned(),
            json!(["start abc"]),
        ),
        (
            "t",
            json!([link("https://t.me/other_bot?start=abc", 1)]),
            format!(r#"<a href="https://t.me/other_bot?start=abc" {outside}>t</a>"#),
            json!([]),
        ),
        (
            "/jobs",
            json!([mark("bot_command", 0, 5)]),
            r#"<button class="command" type="button">/jobs</button>"#.to_owned(),
            json!(["say /jobs"]),
        ),
        (
            "s",
            json!([mark("spoiler", 0, 1)]),
            r#"<span class="spoiler shown">s</span>"#.to_owned(),
            json!([]),
        ),
        (
            "q\nx",
            json!([mark("blockquote", 0, 1)]),
            "<blockquote>q</blockquote>x".to_owned(),
            json!([]),
        ),
        (
            "?",
            json!([mark("of_the_future", 0, 1)]),
            "<span>?</span>".to_owned(),
            json!([]),
        ),
    ] {
        let drawn = browser.run_async(DRAW, &[json!(text), entities]).await;
        assert_eq!(drawn["html"], json!(html), "{text}");
        assert_eq!(drawn["did"], did, "{text}");
    }
    let block = json!([{"type": "pre", "offset": 0, "length": 7, "language": "sh"}]);
    let drawn = browser.run_async(DRAW, &[json!("a <b> c"), block]).await;
    let html = drawn["html"].as_str().unwrap();
    assert!(
        html.contains("<span>sh</span>") && html.contains("<code>a &lt;b&gt; c</code>"),
        "{html}"
    );
    assert_eq!(site.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_page_itself_is_answered() {
    let site = site().await;
    let page = site.request(Method::GET, "/").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");

    let words = json!({"from": 111, "chat": 111, "text": "/whoami"});
    let say = |headers: &[(&str, &str)]| {
        let mut request = site.request(Method::POST, "/api/say").json(&words);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(say(&[]).await, 200);
    assert_eq!(say(&[("host", "evil.example")]).await, 403);
    assert_eq!(say(&[("origin", "http://evil.example")]).await, 403);
    assert_eq!(say(&[("sec-fetch-site", "cross-site")]).await, 403);
    // Another user of this machine has no key, and cannot guess one; the files of the page need none.
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = |path: &str| format!("{}{path}", site.base().trim_end_matches('/'));
    for (path, status) in [
        ("/api/messages?chat=111", 403),
        ("/api/messages?chat=111&key=wrong", 403),
        ("/api/feed", 403),
        ("/api/feed?key=", 403),
        ("/", 200),
        ("/js/main.js", 200),
    ] {
        let answer = bare.get(address(path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        // A cookie would go to every port of this machine, where another user may listen.
        assert!(answer.headers().get("set-cookie").is_none(), "{path}");
        assert!(!answer.text().await.unwrap().contains(site.key()), "{path}");
    }
    let by_address = address(&format!("/api/messages?chat=111&key={}", site.key()));
    let answer = bare.get(by_address).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "as a picture is asked for");
    let by_address = address(&format!("/api/say?key={}", site.key()));
    let answer = bare.post(by_address).json(&words).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 403, "what acts brings the header");
    // A form of another page can send this type, and no other.
    let form = site
        .request(Method::POST, "/api/say")
        .header("content-type", "text/plain");
    let form = form.body(words.to_string()).send().await.unwrap();
    assert_eq!(form.status().as_u16(), 415);
    assert_eq!(site.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_stays_in_the_tab() {
    let site = site().await;
    let browser = Browser::start(DESK).await;
    browser.visit(site.base()).await;
    let told = "document.querySelector('#banner').textContent.startsWith('Open the whole address')";
    browser.until(told).await;
    browser.open(&site.url).await;
    browser.until("location.search === ''").await;
    browser.open(site.base()).await;
    browser.until("document.cookie === ''").await;
    assert_eq!(site.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_refused_with_words() {
    let site = site().await;
    let long = "x".repeat(4097);
    for (path, body, words) in [
        (
            "/api/say",
            json!({"from": 111, "chat": 111, "text": " "}),
            "nothing to send",
        ),
        (
            "/api/say",
            json!({"from": 111, "chat": 111, "text": long}),
            "takes 4096",
        ),
        (
            "/api/say",
            json!({"from": 5, "chat": 5, "text": "/x"}),
            "plays nobody",
        ),
        (
            "/api/say",
            json!({"from": 111, "chat": 222, "text": "/x"}),
            "no such chat",
        ),
        (
            "/api/say",
            json!({"from": 111, "chat": -5, "text": "/x"}),
            "no such chat",
        ),
        (
            "/api/say",
            json!({"from": 111, "chat": -1001, "thread": 9, "text": "/x"}),
            "no such topic",
        ),
        (
            "/api/say",
            json!({"from": 111, "chat": -1001, "reply": 9, "text": "/x"}),
            "not there any more",
        ),
        (
            "/api/press",
            json!({"from": 111, "chat": -1001, "message": 1, "data": "x"}),
            "not there any more",
        ),
        (
            "/api/fault",
            json!({"kind": "too_many", "on": "all", "seconds": 0, "times": 1}),
            "between 1 and 600",
        ),
        (
            "/api/fault",
            json!({"kind": "garbage", "on": "all", "times": 101}),
            "between 1 and 100",
        ),
        ("/api/away", json!({"seconds": 601}), "600 s at the most"),
    ] {
        let answer = site
            .request(Method::POST, path)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error(), "{path} {body}");
        let told: Value = answer.json().await.unwrap();
        let told = told["error"].as_str().unwrap_or_default();
        assert!(told.contains(words), "{path} {body}: {told}");
    }
    for path in [
        "/api/file?chat=111&message=1",
        "/api/call?id=7",
        "/nothing",
        "/js/../main.js",
    ] {
        let answer = site.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 404, "{path}");
    }
    let file = site.folder.path().join("own.yaml");
    fs::write(&file, "data_dir: elsewhere\n").unwrap();
    let taken = std::process::Command::new(env!("CARGO_BIN_EXE_opsgram"))
        .args([
            "sandbox",
            "--config",
            file.to_str().unwrap(),
            "--port",
            site.base()
                .trim_end_matches('/')
                .rsplit(':')
                .next()
                .unwrap(),
        ])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert_eq!(taken.status.code(), Some(1), "{told}");
    assert!(
        told.contains("is taken") && told.contains("--port 0"),
        "{told}"
    );
    let unused = format!("it does not use data_dir of {}.", file.display());
    assert!(told.contains(&unused), "{told}");
    assert_eq!(site.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_bot_left_ends_with_the_sandbox() {
    let site = site().await;
    let post = |path: &str, body: Value| {
        let request = site.request(Method::POST, path).json(&body);
        async { assert!(request.send().await.unwrap().status().is_success()) }
    };
    let words = json!({"from": 111, "chat": 111, "text": "/run lasts"});
    post("/api/say", words).await;
    let file = site.folder.path().join("pid");
    let pid = || fs::read_to_string(&file).ok()?.trim().parse::<i32>().ok();
    until("the script to run", || pid().is_some()).await;
    let pid = pid().unwrap();
    post("/api/bot", json!({"order": "kill"})).await;
    post("/api/away", json!({"seconds": 600})).await;
    assert!(is_alive(pid), "kill -9 of the bot leaves its script");
    assert_eq!(site.stop().await, Some(0));
    assert!(!is_alive(pid), "the script outlived the sandbox");
}

/// Draws `docs/sandbox.png`; `scripts/screenshot.sh` asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes the picture of the README"]
async fn draw_the_picture_of_the_readme() {
    let site = Site::start(None, &[]).await;
    let browser = Browser::start(DESK).await;
    browser.open(&site.url).await;
    browser.click("#start", "Start").await;
    browser.reads("You are owner here").await;
    browser.click(".person", "ben").await;
    browser.click("[data-key='-1001:0']", "").await;
    browser.until("document.querySelector('.greeting')").await;
    browser.say("/run health-check").await;
    browser.reads("exit 0").await;
    browser.click(".person", "ann").await;
    browser.click("[data-key='111:0']", "").await;
    browser.reads("You are owner here").await;
    browser.say("/run deploy api v1.2").await;
    browser.click(".key", "Run").await;
    browser.reads("exit 0").await;
    browser.say("/run progress").await;
    browser.reads("[####").await;
    browser.click("#tab-calls", "Calls").await;
    browser.run("document.activeElement.blur()", &[]).await;
    let picture = browser.picture().await;
    let file = crate::source::root().join("docs/sandbox.png");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, &picture).unwrap();
    assert!(picture.len() < 250_000, "{} bytes", picture.len());
    assert_eq!(site.stop().await, Some(0));
}
