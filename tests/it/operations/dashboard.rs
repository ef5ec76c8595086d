//! The dashboard in a real browser: what it shows of a host, to everybody and however it is used. `make test-browser` installs the
//! browser.

use std::env;
use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use host::admin::AdminSettings;
use host::config::Config;
use host::options::Value as OptionValue;
use serde_json::{Value, json};

use crate::support::{Admin, Browser, Page, Relay, RoutesDir, TestServer, guest, wait_until};

const WIDTH: u32 = 1100;
const HEIGHT: u32 = 900;

/// A name that would be an element if it were taken for HTML.
const HOSTILE: &str = "<img src=x onerror=document.title=1>";

fn counted(routes: RoutesDir) -> (TestServer, Admin) {
    let server = TestServer::builder(routes).config(watched).start();
    let admin = server.admin(AdminSettings::default());
    (server, admin)
}

/// What `--admin` changes.
fn watched(config: &mut Config) {
    config.metrics = true;
    config.heartbeat = Some(Duration::from_secs(1));
}

/// The dashboard, once it has figures.
#[track_caller]
fn open<'b>(browser: &'b Browser, admin: &Admin) -> Page<'b> {
    let page = browser.open(&format!("http://{}/", admin.address()), WIDTH, HEIGHT);
    page.wait_until("document.getElementById('state').textContent === 'Serving'");
    page.wait_until("state.figures !== null");
    page
}

/// The cell of a route in a column.
fn cell(route: &str, column: &str) -> String {
    format!(
        "([...document.querySelectorAll('#routes tbody tr:not(.details)')]\
         .find((row) => row.querySelector('.route span').textContent === {})\
         ?.cells[COLUMNS.findIndex((it) => it.key === {})]?.textContent)",
        json!(route),
        json!(column),
    )
}

/// Opens the details of the only route.
#[track_caller]
fn open_details(page: &Page) {
    page.evaluate("[...document.querySelectorAll('.route')].find((it) => it.textContent !== '- (no route)').click()");
}

/// Sees that the page has asked for nothing from elsewhere, and that nothing was wrong with it.
#[track_caller]
fn is_clean(page: &Page, admin: &Admin) {
    let own = format!("http://{}/", admin.address());
    for url in page.requested() {
        assert!(url.starts_with(&own) || url == "data:,", "{url}");
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn requests_failures_and_details_are_shown_as_they_come() {
    let Some(browser) = Browser::start() else { return };
    let (server, admin) = counted(RoutesDir::new().with(guest::HELLO).with(guest::SCRIPT));
    let page = open(&browser, &admin);
    assert_eq!(page.evaluate(&cell("hello", "total")), json!("0"));
    assert_eq!(page.evaluate("document.getElementById('failures').children.length"), json!(0));
    for _ in 0..5 {
        server.get("/hello");
    }
    page.wait_until(&format!("{} === '5'", cell("hello", "total")));
    page.wait_until(&format!("{} !== '0' && {} !== '–'", cell("hello", "rate"), cell("hello", "p99")));
    server.get("/script?trap");
    page.wait_until(&format!("{} !== '0'", cell("script", "errors")));
    page.wait_until("document.querySelectorAll('#failures li').length === 1");
    let failure = page.evaluate("document.querySelector('#failures li').textContent");
    let failure = failure.as_str().expect("it is text");
    assert!(failure.contains("handler script") && failure.contains("wasm backtrace"), "{failure}");
    page.evaluate("[...document.querySelectorAll('.route')].find((it) => it.textContent === 'script').click()");
    page.wait_until("document.querySelector('tr.details:not([hidden])')?.textContent.includes('/script/{*rest}')");
    let details = page.evaluate("document.querySelector('tr.details:not([hidden])').textContent");
    let details = details.as_str().expect("it is text");
    for told in ["script.wasm", "GET 500", "instantiate", "timeout", "any method"] {
        assert!(details.contains(told), "{told}: {details}");
    }
    is_clean(&page, &admin);
}

#[test]
fn names_and_reasons_of_guests_are_text() {
    let Some(browser) = Browser::start() else { return };
    let (server, admin) = counted(RoutesDir::new().with_as(&format!("{HOSTILE}.wasm"), guest::SCRIPT));
    let reason = "%3Cimg+src=x+onerror=document.title=1%3E%3Cscript%3Edocument.title=2%3C/script%3E";
    server.get(&format!("/script?fail={reason}&body=x"));
    let page = open(&browser, &admin);
    page.wait_until("document.querySelectorAll('#failures li').length === 1");
    open_details(&page);
    page.wait_until("document.querySelector('tr.details:not([hidden])')?.textContent.includes('timeout')");
    let text = page.evaluate("document.querySelector('main').textContent");
    let text = text.as_str().expect("it is text");
    assert!(text.contains(HOSTILE), "{text}");
    assert!(text.contains("<script>document.title=2"), "{text}");
    assert_eq!(page.evaluate("document.querySelectorAll('main img, main script').length"), json!(0));
    assert!(page.evaluate("document.title").as_str().is_some_and(|title| title.ends_with("Vibrato")));
    is_clean(&page, &admin);
}

#[test]
fn no_value_of_a_grant_and_no_secret_is_told() {
    let file = "api_key = \"sk_live_1234567890\"\n[grant.config]\ngreeting = \"a value\"\n";
    let (_server, admin) = counted(RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", file));
    let (status, text) = admin.told("/routes.json");
    assert_eq!(status, 200);
    let told: Value = serde_json::from_str(&text).expect("it is JSON");
    let route = &told["routes"][0];
    assert_eq!(route["grants"], json!({"config": ["greeting"]}), "{route}");
    assert_eq!(route["options"]["api_key"], json!({"value": "…", "source": "file"}), "{route}");
    assert!(!text.contains("a value") && !text.contains("1234567890"), "{text}");
}

#[test]
fn failures_are_told_as_the_log_has_them_and_only_the_last() {
    let (server, admin) = counted(RoutesDir::new().with(guest::SCRIPT));
    for number in 0..7 {
        server.get(&format!("/script?fail=number+{number}&body=x"));
    }
    let (status, text) = admin.told("/failures.json");
    let told: Value = serde_json::from_str(&text).expect("it is JSON");
    let failures = told["failures"].as_array().expect("it is a list");
    // As in the log, those that come too fast are only counted.
    assert_eq!((status, failures.len()), (200, 5), "{text}");
    assert_eq!((&failures[0]["number"], &failures[0]["route"]), (&json!(5), &json!("script")));
    assert!(failures[0]["text"].as_str().is_some_and(|text| text.contains("number 4")), "{text}");
    assert_eq!(admin.stats()["logged_failures"], json!(5));
}

#[test]
fn a_route_in_quarantine_is_named() {
    let Some(browser) = Browser::start() else { return };
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT));
    let server = server.option("quarantine", OptionValue::Integer(3)).config(watched).start();
    let admin = server.admin(AdminSettings::default());
    wait_until("it is in quarantine", || server.get("/script?trap").starts_with("HTTP/1.1 503 "));
    let page = open(&browser, &admin);
    open_details(&page);
    page.wait_until("document.querySelector('tr.details:not([hidden])')?.textContent.includes('is in quarantine')");
    if admin.stats()["quarantined"].is_array() {
        page.wait_until("document.getElementById('notes').textContent.includes('In quarantine: script')");
    }
    is_clean(&page, &admin);
}

#[test]
fn it_says_when_the_host_is_away_and_goes_on_when_it_is_back() {
    let Some(browser) = Browser::start() else { return };
    let (server, admin) = counted(RoutesDir::new().with(guest::HELLO));
    let relay = Relay::to(admin.address());
    let page = open(&browser, &Admin::to(relay.address()));
    relay.lead_to(None);
    page.wait_until("document.getElementById('state').textContent === 'The host is away'");
    relay.lead_to(Some(admin.address()));
    page.wait_until("document.getElementById('state').textContent === 'Serving'");
    server.get("/hello");
    page.wait_until(&format!("{} === '1'", cell("hello", "total")));
    // Another run, whose counters begin anew.
    let (other, other_admin) = counted(RoutesDir::new().with(guest::HELLO));
    for _ in 0..3 {
        other.get("/hello");
    }
    relay.lead_to(Some(other_admin.address()));
    page.wait_until(&format!("{} === '3'", cell("hello", "total")));
    assert_eq!(page.evaluate("state.samples[0].started === state.stats.started"), json!(true));
}

#[test]
fn it_is_used_by_keyboard_alone() {
    let Some(browser) = Browser::start() else { return };
    let (server, admin) = counted(RoutesDir::new().with(guest::HELLO).with(guest::SCRIPT));
    let page = open(&browser, &admin);
    server.get("/hello");
    let focused =
        "document.activeElement.dataset.sort || document.activeElement.id || document.activeElement.className";
    let mut stops = Vec::new();
    while stops.last() != Some(&json!("name")) {
        page.press_tab();
        stops.push(page.evaluate(focused));
        assert!(stops.len() < 20, "{stops:?}");
        let is_visible = "getComputedStyle(document.activeElement).outlineStyle";
        assert_eq!(page.evaluate(is_visible), json!("solid"), "{stops:?}");
    }
    assert_eq!(stops, [json!("pause"), json!("filter"), json!("name")]);
    let sorted = "[...document.querySelectorAll('[aria-sort]')].map((it) => it.textContent + ' ' + it.ariaSort).join()";
    assert_eq!(page.evaluate(sorted), json!("Req/s descending"));
    let names = "[...document.querySelectorAll('.route span')].map((it) => it.textContent)";
    for (order, expected) in
        [("ascending", ["- (no route)", "hello", "script"]), ("descending", ["script", "hello", "- (no route)"])]
    {
        page.press_enter();
        assert_eq!(page.evaluate(sorted), json!(format!("Route {order}")));
        assert_eq!(page.evaluate(names), json!(expected));
    }
    while page.evaluate(focused) != json!("route") {
        page.press_tab();
    }
    page.press_enter();
    page.wait_until("document.activeElement.ariaExpanded === 'true'");
    page.wait_until("document.querySelector('tr.details:not([hidden])')?.textContent.includes('script.wasm')");
    page.press_enter();
    page.wait_until(
        "document.activeElement.ariaExpanded === 'false' && !document.querySelector('tr.details:not([hidden])')",
    );
    // While the keyboard is in the table, rows stay where they are.
    server.get("/hello");
    page.wait_until(&format!("{} === '2'", cell("hello", "total")));
    assert_eq!(page.evaluate("document.activeElement.textContent"), json!("script"));
    page.type_into("filter", "hel");
    page.wait_until(&format!("({names}).join() === 'hello'"));
}

#[test]
fn nothing_scrolls_sideways_on_a_phone_and_text_is_legible_in_light_and_dark() {
    let Some(browser) = Browser::start() else { return };
    let long = format!("{}.wasm", "a-route-with-a-long-name".repeat(3));
    let (server, admin) = counted(RoutesDir::new().with(guest::HELLO).with_as(&long, guest::SCRIPT));
    server.get("/script?trap");
    let page = open(&browser, &admin);
    page.wait_until("document.querySelectorAll('#failures li').length === 1");
    for button in ["summary", ".route"] {
        page.evaluate(&format!("document.querySelectorAll({}).forEach((it) => it.click())", json!(button)));
    }
    page.wait_until("[...document.querySelectorAll('tr.details')].every((it) => it.textContent.includes('timeout') || it.textContent === '')");
    for width in [320, 360, 700, WIDTH] {
        page.resize(width, HEIGHT);
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(page.evaluate(overflow), json!(0), "{width}");
    }
    for scheme in ["light", "dark"] {
        page.prefer(scheme);
        let poor = page.evaluate(POOR_CONTRAST);
        assert_eq!(poor, json!([]), "{scheme}");
    }
    is_clean(&page, &admin);
}

/// The texts whose colour differs too little from what is behind them: less than 4.5 to 1 (WCAG 2.2, 1.4.3).
const POOR_CONTRAST: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const light = (color) => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((it) => it / 255);
        const [r, g, b] = parts.map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let it = element; it; it = it.parentElement) {
            const color = getComputedStyle(it).backgroundColor;
            if (color !== 'rgba(0, 0, 0, 0)') return color;
        }
        return 'white';
    };
    const poor = [];
    for (const element of document.querySelectorAll('body *')) {
        const isText = [...element.childNodes].some((it) => it.nodeType === 3 && it.textContent.trim());
        if (!isText || !element.checkVisibility() || ['SCRIPT', 'NOSCRIPT'].includes(element.tagName)) continue;
        const style = getComputedStyle(element);
        const [a, b] = [light(element instanceof SVGElement ? style.fill : style.color), light(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) poor.push(`${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}: ${contrast}`);
    }
    return poor;
})()";

#[test]
fn nobody_is_told_each_second_what_has_not_changed() {
    let Some(browser) = Browser::start() else { return };
    let (_server, admin) = counted(RoutesDir::new().with(guest::HELLO));
    let page = open(&browser, &admin);
    let changes = page.evaluate(
        "new Promise((done) => {
            let changes = 0, ticks = state.ticks;
            const watchers = [...document.querySelectorAll('[role=status], [aria-live]')].map((region) => {
                const watcher = new MutationObserver((records) => { changes += records.length; });
                watcher.observe(region, { subtree: true, childList: true, characterData: true });
                return watcher;
            });
            const clock = setInterval(() => {
                if (state.ticks < ticks + 3) return;
                clearInterval(clock);
                done([changes, watchers.length > 0]);
            }, 50);
        })",
    );
    assert_eq!(changes, json!([0, true]));
}

#[test]
fn its_figures_are_those_of_the_examples_as_those_in_the_terminal_are() {
    let Some(browser) = Browser::start() else { return };
    let (_server, admin) = counted(RoutesDir::new());
    let page = open(&browser, &admin);
    let examples = include_str!("../../../host/src/admin/dashboard/examples.json");
    let differing = page.evaluate(&format!(
        "(() => {{
            const examples = {examples}, round = (value) => (value === null ? null : Math.round(value * 1e6) / 1e6);
            const of = (f) => ({{ requests: f.requests, errors: f.errors, sent: f.sent, waited: round(f.waited), rate: round(f.rate),
                errorRate: round(f.errorRate), p50: round(f.p50), p90: round(f.p90), p99: round(f.p99) }});
            const differing = [];
            for (const {{ from, to, expected }} of examples.figures) {{
                const figures = figuresBetween(sampleOf(examples.samples[from]), sampleOf(examples.samples[to]));
                const told = figures && {{ seconds: round(figures.seconds), cpu: round(figures.cpu), all: of(figures.all),
                    routes: Object.fromEntries([...figures.routes].map(([name, route]) => [name, of(route)])) }};
                if (JSON.stringify(told) !== JSON.stringify(expected)) differing.push([from, to, told]);
            }}
            for (const [name, write] of Object.entries({{ count, duration, bytes, age }})) {{
                for (const [value, text] of examples[name]) if (write(value) !== text) differing.push([name, value, write(value)]);
            }}
            return differing;
        }})()"
    ));
    assert_eq!(differing, json!([]));
}

#[test]
fn its_screenshot_is_that_of_the_book() {
    let Ok(file) = env::var("VIBRATO_DASHBOARD_SCREENSHOT") else { return };
    let browser = Browser::start().expect("there is a browser");
    let routes = RoutesDir::new().with(guest::HELLO).with(guest::ECHO);
    let routes = routes.with_as("checkout.wasm", guest::SCRIPT).with_file("checkout.toml", "path = \"/checkout\"");
    let server = TestServer::builder(routes).config(|config| {
        watched(config);
        config.workers = 2.try_into().expect("it is not 0");
    });
    let server = server.start();
    let admin = server.admin(AdminSettings::default());
    let page = open(&browser, &admin);
    page.hide_scrollbars();
    page.prefer(if env::var("VIBRATO_SCREENSHOT_DARK").is_ok() { "dark" } else { "light" });
    if let Ok(width) = env::var("VIBRATO_SCREENSHOT_WIDTH") {
        page.resize(width.parse().expect("it is a number"), 1500);
    }
    for second in 0..90_u32 {
        let many = 12.0 + (f64::from(second) / 9.0).sin() * 8.0 + f64::from(second * 7 % 5);
        for number in 0..many as u32 {
            server.get("/hello");
            if number % 3 == 0 {
                server.get(&format!("/checkout?sleep={}&body=ok", number % 4));
            }
        }
        match second {
            40 | 71 => _ = server.get("/checkout?fail=the+stock+of+item+4711+is+not+known&body=x"),
            55 => _ = server.get("/none"),
            _ => {}
        }
        page.evaluate("new Promise((done) => { const ticks = state.ticks, clock = setInterval(() => { if (state.ticks > ticks) { clearInterval(clock); done(1); } }, 20); })");
    }
    let picture = BASE64_STANDARD.decode(page.picture()).expect("a picture is Base64");
    assert!(picture.len() < 200 * 1024, "{}", picture.len());
    fs::write(file, picture).expect("the picture can be written");
}
