//! HTTP/2 in a real browser, which speaks it over TLS alone. `make test-browser` installs the browser.

use serde_json::json;

use crate::support::{Browser, RoutesDir, TestServer, guest};

/// What a page needs for its tests.
const HELPERS: &str = "
    window.ask = async (steps) => (await fetch('/script?' + steps, {cache: 'no-store'})).text();
    window.message = (source) => new Promise((told) =>
        source.addEventListener('message', (event) => told(event.data), {once: true}));
    true";

fn server() -> TestServer {
    TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).tls().start()
}

/// Protocols of what the page has loaded, without repetition. What has failed has none.
const PROTOCOLS: &str = "[...new Set(performance.getEntries()
    .filter((entry) => ['navigation', 'resource'].includes(entry.entryType) && entry.nextHopProtocol !== '')
    .map((entry) => entry.nextHopProtocol))]";

/// How many requests have waited for a connection of their own.
const CONNECTED: &str =
    "performance.getEntriesByType('resource').filter((entry) => entry.connectEnd > entry.connectStart).length";

#[test]
fn a_browser_page_has_many_streams_on_one_connection() {
    let Some(browser) = Browser::start() else { return };
    let server = server();
    let page = browser.open(&format!("{}/script?body=page", server.urls()[0]), 400, 300);
    page.evaluate(HELPERS);
    assert_eq!(page.evaluate("document.body.textContent"), "page");
    let bodies = page.evaluate(
        "Promise.all([...Array(100).keys()].map((number) => ask(`body-bytes=${number * 1000}`)))
            .then((bodies) => bodies.map((body) => body.length))",
    );
    assert_eq!(bodies, json!((0..100).map(|number| number * 1000).collect::<Vec<_>>()));
    assert_eq!(page.evaluate(PROTOCOLS), json!(["h2"]));
    assert_eq!(page.evaluate(CONNECTED), 0);
    // A body that it sends, in place of what it gets.
    let sent =
        page.evaluate("fetch('/script?count', {method: 'POST', body: 'x'.repeat(300000)}).then((it) => it.text())");
    assert_eq!(sent, "300000");
}

#[test]
fn a_browser_page_hears_more_event_sources_than_it_may_have_connections() {
    let Some(browser) = Browser::start() else { return };
    let server = server();
    let page = browser.open(&format!("{}/script?body=page", server.urls()[0]), 400, 300);
    page.evaluate(HELPERS);
    // A browser has six connections of HTTP/1.1 to a server.
    let first = page.evaluate(
        "window.sources = [...Array(20).keys()].map((number) => new EventSource(
            `/script?set=content-type:text/event-stream&subscribe=sse&write=data: first ${number}%0A%0A&manual`));
        Promise.all(sources.map(message))",
    );
    assert_eq!(first, json!((0..20).map(|number| format!("first {number}")).collect::<Vec<_>>()));
    let second = page.evaluate(
        "const heard = Promise.all(sources.map(message));
        ask('publish=sse:data: second%0A%0A&body=').then(() => heard)",
    );
    assert_eq!(second, json!(vec!["second"; 20]));
    page.evaluate("sources.forEach((source) => source.close()); true");
    super::wait_for_parked(&server, 0);
    assert_eq!(page.evaluate(PROTOCOLS), json!(["h2"]));
}

#[test]
fn a_browser_page_reads_a_response_while_it_is_made_and_cancels_another() {
    let Some(browser) = Browser::start() else { return };
    let server = server();
    let page = browser.open(&format!("{}/script?body=page", server.urls()[0]), 400, 300);
    page.evaluate(HELPERS);
    page.evaluate(
        "window.start = async (topic) => {
            const response = await fetch(`/script?subscribe=${topic}&write=first&manual`);
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            return {reader, read: async () => (await reader.read()).value ?? 'end'};
        };
        true",
    );
    let read = page.evaluate(
        "(async () => {
            const stream = window.stream = await start('feed');
            const first = await stream.read();
            await ask('publish=feed:second&body=');
            const second = await stream.read();
            await ask('finish=feed&body=');
            return [first, second, await stream.read()];
        })()",
    );
    assert_eq!(read, json!(["first", "second", "end"]));
    page.evaluate("(async () => { window.other = await start('other'); await other.read(); return true; })()");
    super::wait_for_parked(&server, 1);
    page.evaluate("other.reader.cancel().then(() => true)");
    super::wait_for_parked(&server, 0);
    assert_eq!(page.evaluate("ask('body=after')"), "after");
    // A response that is truncated is an error, and no end.
    let truncated = page.evaluate(
        "fetch('/script?write=part&trap').then((it) => it.text()).then(() => 'whole', (error) => error.name)",
    );
    assert_eq!(truncated, "TypeError");
    assert_eq!(page.evaluate(PROTOCOLS), json!(["h2"]));
}
