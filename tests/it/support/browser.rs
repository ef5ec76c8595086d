//! A real browser, driven by the DevTools protocol over a pipe. Owns its process and its pages; must not know what they
//! show.

use std::cell::{Cell, RefCell};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::skip;

/// How long a browser may take for one answer: its first start reads a lot from disk.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Has the browser read requests from where a shell's child has stdin, and answer where it has stdout.
const PIPED: &str = r#"exec "$0" "$@" 3<&0 4>&1 >/dev/null 2>&1"#;

/// A headless Chromium with a profile of its own, closed when dropped.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    requests: RefCell<ChildStdin>,
    messages: Receiver<Value>,
    /// Events that came while an answer was waited for.
    events: RefCell<Vec<Value>>,
    asked: Cell<u64>,
    _profile: TempDir,
}

/// A page that a browser shows.
#[derive(Debug)]
pub struct Page<'b> {
    browser: &'b Browser,
    session: String,
}

impl Browser {
    /// Starts the browser that `VIBRATO_BROWSER` names; without that `chromium`, and none where it is not installed.
    pub fn start() -> Option<Self> {
        let named = env::var("VIBRATO_BROWSER");
        let program = named.as_deref().unwrap_or("chromium");
        match Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Some(Self::start_program(program)),
            Ok(_) | Err(_) if named.is_err() => {
                skip("pages in a browser: chromium is not installed; `make test-browser` installs it");
                None
            }
            failed => panic!("{program} does not run: {failed:?}"),
        }
    }

    fn start_program(program: &str) -> Self {
        let profile = tempfile::tempdir().expect("a directory can be made");
        let mut process = Command::new("sh")
            .args(["-c", PIPED, program, "--headless=new", "--remote-debugging-pipe", "--no-first-run"])
            // Tests may run as root, where it starts only so. It sees nothing but pages of this repository.
            .arg("--no-sandbox")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let requests = process.stdin.take().expect("stdin is a pipe").into();
        let answers = process.stdout.take().expect("stdout is a pipe");
        let (sender, messages) = channel();
        thread::spawn(move || read(answers, &sender));
        Self { process, requests, messages, events: RefCell::default(), asked: Cell::default(), _profile: profile }
    }

    /// Opens a page of `width` and `height` pixels and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str, width: u32, height: u32) -> Page<'_> {
        let target = self.ask(None, "Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.ask(None, "Target.attachToTarget", attach);
        let session = attached["sessionId"].as_str().expect("a page has a session").to_owned();
        let page = Page { browser: self, session };
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        page.ask("Emulation.setDeviceMetricsOverride", size);
        // Only one page has the keyboard otherwise.
        page.ask("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        for domain in ["Page.enable", "Network.enable", "Log.enable", "Runtime.enable"] {
            page.ask(domain, json!({}));
        }
        if url.starts_with("https:") {
            // It is one of a certificate that the tests have made, which no browser knows.
            page.ask("Security.setIgnoreCertificateErrors", json!({"ignore": true}));
        }
        page.ask("Page.navigate", json!({"url": url}));
        self.wait_for_event(&page.session, "Page.loadEventFired");
        page
    }

    /// Asks for something, and waits for the answer to it.
    #[track_caller]
    fn ask(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let id = self.asked.get() + 1;
        self.asked.set(id);
        let mut request = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        self.requests.borrow_mut().write_all(format!("{request}\0").as_bytes()).expect("the browser reads");
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let message = self.receive(&request, deadline);
            if message["id"] == id {
                assert_eq!(message["error"], Value::Null, "{request}");
                return message["result"].clone();
            }
            self.events.borrow_mut().push(message);
        }
    }

    #[track_caller]
    fn wait_for_event(&self, session: &str, method: &str) {
        let awaited = |event: &Value| event["sessionId"] == session && event["method"] == method;
        let deadline = Instant::now() + TIMEOUT;
        while !self.events.borrow().iter().any(awaited) {
            let message = self.receive(&method.into(), deadline);
            self.events.borrow_mut().push(message);
        }
        self.events.borrow_mut().retain(|event| !awaited(event));
    }

    #[track_caller]
    fn receive(&self, awaiting: &Value, deadline: Instant) -> Value {
        // A page that is told something each second has events without end.
        let received = self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        received.unwrap_or_else(|error| panic!("the browser says nothing to {awaiting}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // So it ends all its processes. It may have ended by itself.
        let _ = self.requests.borrow_mut().write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        while self.messages.recv_timeout(TIMEOUT).is_ok() {}
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Page<'_> {
    /// The value of an expression in JavaScript, of the promise's where it is one.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let evaluated = self.ask("Runtime.evaluate", params);
        assert_eq!(evaluated["exceptionDetails"], Value::Null, "{expression}");
        evaluated["result"]["value"].clone()
    }

    /// Waits until it is loaded once more, by itself.
    #[track_caller]
    pub fn wait_for_reload(&self) {
        self.browser.wait_for_event(&self.session, "Page.loadEventFired");
    }

    /// Waits until an expression holds, which it looks at whenever the document changes.
    #[track_caller]
    pub fn wait_until(&self, condition: &str) {
        self.evaluate(&format!(
            "new Promise((holds) => {{
                const look = () => {{ if ({condition}) {{ watcher.disconnect(); holds(); }} }};
                const watcher = new MutationObserver(look);
                watcher.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
                look();
            }})"
        ));
    }

    /// Types into the field of a name, as a person does.
    #[track_caller]
    pub fn type_into(&self, name: &str, text: &str) {
        self.evaluate(&format!("document.getElementsByName({}).item(0).focus()", json!(name)));
        self.ask("Input.insertText", json!({"text": text}));
    }

    /// Presses Enter where the keyboard is.
    #[track_caller]
    pub fn press_enter(&self) {
        self.press("Enter", 13, "\r");
    }

    /// Presses Tab: the keyboard is where the next control is.
    #[track_caller]
    pub fn press_tab(&self) {
        self.press("Tab", 9, "");
    }

    #[track_caller]
    fn press(&self, name: &str, code: u32, text: &str) {
        let key = |event: &str| json!({"type": event, "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text});
        self.ask("Input.dispatchKeyEvent", key(if text.is_empty() { "rawKeyDown" } else { "keyDown" }));
        self.ask("Input.dispatchKeyEvent", key("keyUp"));
    }

    /// Makes it as large as this.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", size);
    }

    /// Has it shown without scrollbars, as on a phone.
    #[track_caller]
    pub fn hide_scrollbars(&self) {
        self.ask("Emulation.setScrollbarsHidden", json!({"hidden": true}));
    }

    /// The URLs that it has asked for so far.
    #[track_caller]
    pub fn requested(&self) -> Vec<String> {
        let url = |event: &Value| event["params"]["request"]["url"].as_str().expect("it has a URL").to_owned();
        self.events("Network.requestWillBeSent", url)
    }

    /// What the browser has complained about so far: violations of its policy, exceptions, and what its script has logged.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let text = |event: &Value| event["params"].to_string();
        let logged = ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"];
        logged.into_iter().flat_map(|method| self.events(method, text)).collect()
    }

    #[track_caller]
    fn events<T>(&self, method: &str, map: impl Fn(&Value) -> T) -> Vec<T> {
        // An answer comes after the events before it.
        self.evaluate("1");
        let events = self.browser.events.borrow();
        events
            .iter()
            .filter(|event| event["sessionId"] == *self.session && event["method"] == method)
            .map(map)
            .collect()
    }

    /// Has it shown as to a person who prefers a colour scheme: `light` or `dark`.
    #[track_caller]
    pub fn prefer(&self, color_scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": color_scheme}]);
        self.ask("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// What it looks like: a PNG, in Base64.
    #[track_caller]
    pub fn picture(&self) -> String {
        let picture = self.ask("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": false}));
        picture["data"].as_str().expect("a picture is text").to_owned()
    }

    #[track_caller]
    fn ask(&self, method: &str, params: Value) -> Value {
        self.browser.ask(Some(&self.session), method, params)
    }
}

/// Passes on what the browser says, each message ended by NUL.
fn read(answers: ChildStdout, messages: &Sender<Value>) {
    for message in BufReader::new(answers).split(0).map_while(Result::ok) {
        let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
        if messages.send(message).is_err() {
            return;
        }
    }
}
