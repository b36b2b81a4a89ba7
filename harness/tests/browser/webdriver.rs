//! A browser, driven over the WebDriver protocol: the few requests that the tests need.

use serde_json::{Value, json};
use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// A driver that does not answer in this time is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one window. Dropped, it and its driver end.
pub(crate) struct Browser {
    driver: Child,
    address: String,
    http: reqwest::Client,
    session: String,
}

fn program(names: &[&str]) -> Option<PathBuf> {
    let paths = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&paths).collect();
    let files = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

impl Browser {
    /// Starts a browser, if this machine has one; otherwise says aloud that the test is skipped.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) async fn start() -> Option<Self> {
        let driver = program(&["chromedriver"]);
        let browser = program(&["chromium", "chromium-browser", "google-chrome"]);
        let (Some(driver), Some(browser)) = (driver, browser) else {
            eprintln!("skipped: there is no chromium or no chromedriver on this machine");
            return None;
        };
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let address = format!("127.0.0.1:{}", port.expect("the driver says its port"));
        let root = format!("http://{address}");
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("it is there");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "binary": browser, "args": arguments },
            "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
        } } });
        let mut browser = Self { driver, address, http, session: root };
        let begun = browser.ask("session", wanted).await;
        let Some(id) = begun["sessionId"].as_str() else {
            // In a pipeline that is a defect: there the browser was installed for this.
            assert!(env::var_os("CI").is_none(), "no session: {begun}");
            eprintln!("skipped: the browser and its driver do not fit: {}", begun["message"]);
            return None;
        };
        browser.session = format!("{}/session/{id}", browser.session);
        Some(browser)
    }

    async fn ask(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}/{path}", self.session)).json(&body).send().await;
        let answer: Value = answer.expect("the driver answers").json().await.expect("in JSON");
        answer["value"].clone()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let value = self.ask(path, body).await;
        assert!(value["error"].is_null(), "{path}: {value}");
        value
    }

    /// Opens a page.
    pub(crate) async fn open(&self, address: &str) {
        self.post("url", json!({ "url": address })).await;
    }

    /// Runs a script in the page; it ends in `return`.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until a condition holds: a click may return before the page that it leads to is there.
    pub(crate) async fn until(&self, condition: &str) {
        let began = Instant::now();
        while self.run(&format!("return document.readyState === 'complete' && !!({condition})")).await != true
        {
            assert!(began.elapsed() < PATIENCE, "{condition} does not come true");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Clicks on what a selector finds, as a hand would: it must be in view and on top.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.post("element", json!({ "using": "css selector", "value": selector })).await;
        let id = element[ELEMENT].as_str().expect("an element");
        self.post(&format!("element/{id}/click"), json!({})).await;
    }

    /// Types into what a selector finds.
    pub(crate) async fn keys(&self, selector: &str, keys: &str) {
        let element = self.post("element", json!({ "using": "css selector", "value": selector })).await;
        let id = element[ELEMENT].as_str().expect("an element");
        self.post(&format!("element/{id}/value"), json!({ "text": keys })).await;
    }

    /// Presses and lets go a key, wherever the focus is.
    pub(crate) async fn press(&self, key: &str) {
        let acts = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": acts }] }))
            .await;
    }

    /// The text that a reader sees of what a selector finds.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).innerText", json!(selector));
        self.run(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Makes the window this wide, and sets the reader's wish for light or dark.
    pub(crate) async fn surroundings(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.developer("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.developer("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Switches the page's own scripts off or on, from the next page on.
    pub(crate) async fn scripts(&self, on: bool) {
        self.developer("Emulation.setScriptExecutionDisabled", json!({ "value": !on })).await;
    }

    async fn developer(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// All addresses that were asked for since this was asked last.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "performance" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let messages = entries.iter().filter_map(|entry| {
            serde_json::from_str::<Value>(entry["message"].as_str()?)
                .ok()
                .map(|mut entry| entry["message"].take())
        });
        let sent = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
        sent.filter_map(|message| Some(message["params"]["request"]["url"].as_str()?.to_owned())).collect()
    }

    /// What the browser complained of: errors of scripts, and what the page's policy refused.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// A picture of the page, for people: into the folder that `QUARREL_SHOTS` names, if it is set.
    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = env::var_os("QUARREL_SHOTS") {
            let shot = self
                .developer(
                    "Page.captureScreenshot",
                    json!({ "format": "png", "captureBeyondViewport": true }),
                )
                .await;
            let path = PathBuf::from(folder).join(format!("{name}.base64"));
            std::fs::write(path, shot["data"].as_str().unwrap_or_default()).expect("the picture is kept");
        }
    }

    /// Ends the session; the driver then ends the browser.
    pub(crate) async fn end(self) {
        let _ = self.http.delete(&self.session).send().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to, it ends its browsers with it; killed, it would leave them behind.
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let request =
                format!("GET /shutdown HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let began = Instant::now();
        while matches!(self.driver.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
