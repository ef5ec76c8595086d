//! What a host tells its operator of the engine.

use host::admin::AdminSettings;
use serde_json::{Value, json};

use super::*;
use crate::support::{Browser, log};

#[test]
fn metrics_and_statistics_tell_whether_the_engine_is_there_and_what_was_exchanged() {
    let mut redis = redis!(Redis::start());
    let (publisher, listener) = (connected(&redis), connected(&redis));
    let [of_publisher, of_listener] = [&publisher, &listener].map(|host| host.admin(AdminSettings::default()));
    let mut client = listener.park("subscribe=a&write=one", OPEN);
    wait_for_subscribers(&redis, "a", 1);
    report(&publisher, "publish=a:two&publish=a:three");
    client.expect("3\r\ntwo\r\n5\r\nthree\r\n");
    wait_until("it is counted", || stats(&publisher).published == 2);
    let messages = |outcome: &str| format!("vibrato_engine_messages_total{{outcome=\"{outcome}\"}}");
    let metrics = of_publisher.scrape();
    assert_eq!((metrics.value("vibrato_engine_up"), metrics.value(&messages("published"))), (1.0, 2.0));
    assert!(metrics.value("vibrato_engine_silence_seconds") < 3.0);
    assert_eq!(metrics.value("vibrato_engine_waiting_bytes"), 0.0);
    assert_eq!(of_listener.scrape().value(&messages("received")), 2.0);
    redis.kill();
    wait_until("it is noticed", || !stats(&publisher).is_up && !stats(&listener).is_up);
    report(&publisher, "publish=a:four");
    let metrics = of_publisher.scrape();
    assert_eq!((metrics.value("vibrato_engine_up"), metrics.value(&messages("dropped"))), (0.0, 1.0));
    // Who has no subscribers misses nothing.
    assert_eq!(
        (metrics.value("vibrato_engine_gaps_total"), of_listener.stats()["engine"]["gaps"].clone()),
        (0.0, json!(1))
    );
    assert_eq!(of_listener.stats()["engine"]["up"], json!(false));
}

#[test]
fn a_host_without_an_engine_tells_nothing_of_one() {
    let server = TestServer::start(RoutesDir::new().with(guest::SCRIPT));
    let admin = server.admin(AdminSettings::default());
    assert!(!admin.get("/metrics").contains("vibrato_engine"));
    assert_eq!(admin.stats()["engine"], Value::Null);
}

#[test]
fn the_dashboard_says_that_the_engine_is_away() {
    let mut redis = redis!(Redis::start());
    let Some(browser) = Browser::start() else { return };
    let server = connected(&redis);
    let admin = server.admin(AdminSettings::default());
    let page = browser.open(&format!("http://{}/", admin.address()), 1100, 900);
    page.wait_until("document.getElementById('state').textContent === 'Serving'");
    assert_eq!(page.evaluate("document.getElementById('notes').hidden"), json!(true));
    redis.kill();
    page.wait_until("document.getElementById('notes').textContent.startsWith('The engine is away')");
    redis.run();
    page.wait_until("document.getElementById('notes').hidden");
    // It is said once in the log, too.
    let place = redis.socket().display().to_string();
    assert_eq!(log().with(&[&place, "WARN", "is away"]).len(), 1);
}
