//! A real browser without a window, driven over WebDriver, and a page of `opsgram sandbox` for it.
//!
//! WebDriver is JSON over HTTP, which the HTTP client that is here anyway speaks; the crates for it bring a second set
//! of HTTP and Unicode crates into the lock file.

use super::PATIENCE;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How the browser looks and what it prefers.
#[derive(Clone, Copy)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    /// Pixels of the picture to a pixel of the page.
    pub scale: f64,
}

/// As on a desk, light.
pub const DESK: Look = Look {
    width: 1280,
    height: 800,
    dark: false,
    scale: 1.0,
};
/// As on a small phone, dark.
pub const PHONE: Look = Look {
    width: 360,
    height: 720,
    dark: true,
    scale: 2.0,
};

/// A browser with one page.
pub struct Browser {
    driver: Child,
    http: reqwest::Client,
    session: String,
    folder: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver leads a group; the browser and all its processes are in it.
        if let Some(id) = self.driver.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

impl Browser {
    /// Starts a browser.
    pub async fn start(look: Look) -> Self {
        let folder = TempDir::new().unwrap();
        let (driver, port) = start_driver().await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut browser = Self {
            driver,
            http,
            session: format!("http://127.0.0.1:{port}/session"),
            folder,
        };
        let profile = browser.folder.path().join("profile");
        let args = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={},{}", look.width, look.height),
        ];
        let options = json!({
            "args": args,
            "perfLoggingPrefs": {"enableNetwork": true},
        });
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
        });
        let begun = browser
            .call("", Some(json!({"capabilities": {"alwaysMatch": wanted}})))
            .await;
        let id = begun["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/{id}", browser.session);
        let save = json!({"behavior": "allow", "downloadPath": browser.downloads()});
        browser.devtools("Browser.setDownloadBehavior", save).await;
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.devtools("Emulation.setEmulatedMedia", media).await;
        let metrics = json!({
            "width": look.width, "height": look.height, "deviceScaleFactor": look.scale,
            "mobile": look.width < 600,
        });
        browser
            .devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        browser
    }

    /// Where downloads go.
    pub fn downloads(&self) -> std::path::PathBuf {
        self.folder.path().join("downloads")
    }

    /// A command of WebDriver; without a body it is a GET.
    async fn call(&self, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.session);
        let request = match body {
            Some(body) => self.http.post(url).json(&body),
            None => self.http.get(url),
        };
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let error = answer["value"]["error"].as_str();
        assert!(error.is_none(), "{path}: {}", answer["value"]);
        answer["value"].clone()
    }

    async fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({"cmd": command, "params": params});
        self.call("/goog/cdp/execute", Some(body)).await
    }

    /// Opens a page and waits until it is ready.
    pub async fn open(&self, url: &str) {
        self.visit(url).await;
        self.until("document.documentElement.dataset.ready").await;
    }

    /// Goes to an address, whether or not the page there begins to work.
    pub async fn visit(&self, url: &str) {
        self.call("/url", Some(json!({"url": url}))).await;
    }

    /// Runs a function body in the page.
    pub async fn run(&self, script: &str, args: &[Value]) -> Value {
        let body = json!({"script": script, "args": args});
        self.call("/execute/sync", Some(body)).await
    }

    /// Runs a function body that ends by calling its last argument.
    pub async fn run_async(&self, script: &str, args: &[Value]) -> Value {
        let timeouts = json!({"script": (PATIENCE * 2).as_millis() as u64});
        self.call("/timeouts", Some(timeouts)).await;
        let body = json!({"script": script, "args": args});
        self.call("/execute/async", Some(body)).await
    }

    /// The value of an expression.
    pub async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), &[]).await
    }

    /// Waits until an expression is true and returns it. The browser itself looks at every frame.
    pub async fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; const end = Date.now() + {};
             (function look() {{
               let value = null;
               try {{ value = {expression}; }} catch (error) {{ value = null; }}
               if (value || Date.now() > end) done(value || null); else setTimeout(look, 20);
             }})();",
            PATIENCE.as_millis()
        );
        let timeouts = json!({"script": (PATIENCE * 2).as_millis() as u64});
        self.call("/timeouts", Some(timeouts)).await;
        let found = self
            .call(
                "/execute/async",
                Some(json!({"script": script, "args": []})),
            )
            .await;
        if found.is_null() {
            let seen = self.value("document.body.innerText").await;
            panic!("never came: {expression}\n{}", seen.as_str().unwrap_or(""));
        }
        found
    }

    /// Waits until words stand in the open chat.
    pub async fn reads(&self, words: &str) {
        let words = json!(words);
        self.until(&format!(
            "document.getElementById('log').innerText.includes({words})"
        ))
        .await;
    }

    /// The element that a selector finds and that says the words; clicked as a person clicks, so it must be in sight.
    pub async fn click(&self, selector: &str, words: &str) {
        let element = self.find(selector, words).await;
        self.call(&format!("/element/{element}/click"), Some(json!({})))
            .await;
    }

    async fn find(&self, selector: &str, words: &str) -> String {
        let (selector, words) = (json!(selector), json!(words));
        let found = self
            .until(&format!(
                "[...document.querySelectorAll({selector})].filter(e => e.checkVisibility() && e.textContent.includes({words})).at(-1)"
            ))
            .await;
        let id = found.as_object().and_then(|found| found.values().next());
        id.and_then(Value::as_str).unwrap().to_owned()
    }

    /// Types keys into the element that a selector finds.
    pub async fn keys(&self, selector: &str, text: &str) {
        let element = self.find(selector, "").await;
        let path = format!("/element/{element}/value");
        self.call(&path, Some(json!({"text": text}))).await;
    }

    /// Names a file in the page's file field, which is hidden.
    pub async fn attach(&self, file: &Path) {
        let found = self.value("document.getElementById('file')").await;
        let id = found.as_object().and_then(|found| found.values().next());
        let path = format!("/element/{}/value", id.and_then(Value::as_str).unwrap());
        self.call(&path, Some(json!({"text": file.display().to_string()})))
            .await;
    }

    /// Writes a message and sends it with Enter.
    pub async fn say(&self, text: &str) {
        self.keys("#text", &format!("{text}\u{e007}")).await;
    }

    /// A picture of what is seen, as PNG.
    pub async fn picture(&self) -> Vec<u8> {
        let text = self.call("/screenshot", None).await;
        decode(text.as_str().unwrap())
    }

    /// The addresses of all requests of pages so far; those of the browser's own first tab left out.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let mut found = Vec::new();
        for entry in entries {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let message = &event["message"];
            let page = message["params"]["documentURL"].as_str();
            let of_page = page.is_some_and(|page| page.starts_with("http"));
            if message["method"] == "Network.requestWillBeSent" && of_page {
                let url = &message["params"]["request"]["url"];
                found.push(url.as_str().unwrap().to_owned());
            }
        }
        found
    }

    /// What the browser complained of: errors in scripts, refused loads.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        let words = |entry: Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.into_iter().map(words).collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.call("/se/log", Some(json!({"type": kind}))).await;
        entries.as_array().cloned().unwrap_or_default()
    }
}

async fn start_driver() -> (Child, u16) {
    let child = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = child
        .expect("this test needs a browser; on Debian: apt-get install chromium chromium-driver");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = Instant::now();
    let mut port = None;
    while port.is_none() && begun.elapsed() < PATIENCE {
        let line = lines.next_line().await.unwrap().unwrap_or_default();
        let told = line.rsplit_once("successfully on port ");
        port = told.and_then(|(_, rest)| rest.trim_end_matches('.').parse().ok());
    }
    // Whoever writes to a closed pipe ends.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, port.expect("chromedriver says its port"))
}

/// Base64, as WebDriver gives pictures.
fn decode(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|b| *b != b'=').map(value).collect();
    let mut bytes = Vec::new();
    for four in letters.chunks(4) {
        let bits = four
            .iter()
            .fold(0_u32, |bits, six| bits << 6 | u32::from(*six));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

/// A running `opsgram sandbox` with its page.
pub struct Site {
    child: Child,
    /// The address that it printed.
    pub url: String,
    pub folder: TempDir,
}

impl Site {
    /// Starts the sandbox with its sample, or with a configuration of one's own in the site's folder.
    pub async fn start(config: Option<&str>, scripts: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        for (name, body) in scripts {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/bash\n{body}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsgram"));
        command.args(["sandbox", "--port", "0"]);
        if let Some(config) = config {
            let file = folder.path().join("opsgram.yaml");
            std::fs::write(&file, config).unwrap();
            command.arg("--config").arg(file);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap_or_default();
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address in {line:?}"));
        Self {
            child,
            url: url.to_owned(),
            folder,
        }
    }

    /// Ends it as Ctrl-C does; the exit code.
    pub async fn stop(mut self) -> Option<i32> {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(Pid::from_raw(id), Signal::SIGINT).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("the sandbox ends").unwrap().code()
    }

    /// The address without the key.
    pub fn base(&self) -> &str {
        self.url
            .split_once('?')
            .map_or(self.url.as_str(), |(base, _)| base)
    }

    /// The key of the address; empty where there is none.
    pub fn key(&self) -> &str {
        self.url.split_once("?key=").map_or("", |(_, key)| key)
    }

    /// A request to the page as another program makes it.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20));
        let url = format!("{}{path}", self.base().trim_end_matches('/'));
        let request = client.build().unwrap().request(method, url);
        match self.url.split_once("?key=") {
            Some((_, key)) => request.header("x-opsgram-key", key),
            None => request,
        }
    }
}
