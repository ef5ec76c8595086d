use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::exchange::ExchangeEnd;
use crate::http::version::Version;
use crate::meter::Cost;
use crate::net::Peer;
use crate::observe::LoggedRequestLine;

fn entry() -> EndedRequest {
    EndedRequest {
        time: UNIX_EPOCH + Duration::from_millis(784_111_777_042),
        client: Peer::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))).address(),
        proxy: None,
        trace: None,
        asked: Some(asked("/hello?a=b")),
        status: Some(200),
        body: 11,
        wire: 151,
        route: Some("hello".into()),
        request: 17,
        end: ExchangeEnd::Complete,
        took: Duration::from_micros(412),
        cost: Cost {
            queued: Duration::from_micros(1),
            instantiate: Duration::from_micros(9),
            run: Duration::from_nanos(2_999),
            paced: Duration::from_millis(300),
            upstream: Duration::from_micros(5),
            memory: 65_536,
        },
    }
}

fn asked(target: &str) -> LoggedRequestLine {
    LoggedRequestLine { method: "GET".into(), target: target.into(), version: Version::Http11, host: Some("it".into()) }
}

/// A request whose head could not be parsed.
fn unread() -> EndedRequest {
    let (asked, route, took, cost) = (None, None, Duration::ZERO, Cost::default());
    EndedRequest { asked, route, took, cost, status: Some(400), ..entry() }
}

fn line(format: Format, entry: &EndedRequest) -> String {
    let mut line = String::new();
    format.write(entry, &mut line);
    line
}

#[test]
fn a_line_of_text_has_six_words_and_then_names() {
    let expected = "1994-11-06T08:49:37.042Z 127.0.0.1 GET /hello?a=b HTTP/1.1 200 body=11 wire=151 route=hello \
                    request=17 end=complete took=412 queued=1 instantiate=9 run=2 paced=300000 upstream=5 \
                    host=it\n";
    assert_eq!(line(Format::Text, &entry()), expected);
    let expected = "1994-11-06T08:49:37.042Z 127.0.0.1 - - - 400 body=11 wire=151 route=- request=17 end=complete \
                    took=0 queued=0 instantiate=0 run=0 paced=0 upstream=0 host=-\n";
    assert_eq!(line(Format::Text, &unread()), expected);
}

#[test]
fn a_time_that_no_clock_should_show_is_logged_all_the_same() {
    let before_1970 = EndedRequest { time: UNIX_EPOCH - Duration::from_secs(1), ..entry() };
    assert!(line(Format::Text, &before_1970).starts_with("1970-01-01T00:00:00.000Z "));
}

#[test]
fn a_line_of_json_is_one_object() {
    let expected = "{\"body\":11,\"client\":\"127.0.0.1\",\"end\":\"complete\",\"host\":\"it\",\"instantiate\":9,\"method\":\"GET\",\
                    \"paced\":300000,\"queued\":1,\"request\":17,\"route\":\"hello\",\"run\":2,\"status\":200,\
                    \"target\":\"/hello?a=b\",\"time\":\"1994-11-06T08:49:37.042Z\",\"took\":412,\
                    \"upstream\":5,\"version\":\"HTTP/1.1\",\"wire\":151}\n";
    assert_eq!(line(Format::Json, &entry()), expected);
    let unread: serde_json::Value = serde_json::from_str(&line(Format::Json, &unread())).expect("it is JSON");
    assert_eq!((&unread["method"], &unread["status"]), (&serde_json::Value::Null, &400.into()));
}

proptest! {
    #[test]
    fn nobody_can_forge_a_line(target in any::<String>(), route in any::<String>()) {
        let entry = EndedRequest { asked: Some(asked(&target)), route: Some(route.as_str().into()), ..entry() };
        let text = line(Format::Text, &entry);
        prop_assert!(text.bytes().all(|byte| byte == b'\n' || byte.is_ascii_graphic() || byte == b' '));
        prop_assert_eq!(text.matches('\n').count(), 1);
        if !target.is_empty() {
            prop_assert_eq!(text.split_whitespace().count(), 18);
        }
        let json = line(Format::Json, &entry);
        prop_assert_eq!(json.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        prop_assert_eq!(json["target"].as_str(), Some(target.as_str()));
    }
}

#[test]
fn a_line_for_a_terminal_fits_it() {
    let terminal = Format::Terminal { colour: false };
    assert_eq!(line(terminal, &entry()), "08:49:37 GET /hello?a=b 200 0.4 ms\n");
    assert_eq!(line(terminal, &unread()), "08:49:37 - - 400 0.0 ms\n");
    let took = |took: Duration| line(terminal, &EndedRequest { took, ..entry() });
    assert!(took(Duration::from_micros(9_960)).ends_with(" 200 10 ms\n"));
    assert!(took(Duration::from_millis(3)).ends_with(" 200 3.0 ms\n"));
    assert!(took(Duration::from_millis(2_149)).ends_with(" 200 2.1 s\n"));
    let cut = line(terminal, &EndedRequest { end: ExchangeEnd::Truncated, ..entry() });
    assert!(cut.ends_with(" 200 0.4 ms truncated\n"), "{cut}");
    let long = asked(&format!("/{}", "a\u{e9} \u{1b}[2J".repeat(40)));
    let long = LoggedRequestLine { method: "M".repeat(200).into(), ..long };
    let long = line(terminal, &EndedRequest { asked: Some(long), took: Duration::from_secs(3_000), ..entry() });
    assert_eq!(long.trim_end_matches('\n').chars().count(), 100, "{long}");
    assert!(long.contains("… 200 3000.0 s\n") && !long.contains('\u{1b}'), "{long}");
    let coloured = line(Format::Terminal { colour: true }, &EndedRequest { status: Some(500), ..entry() });
    assert!(coloured.contains(" GET /hello?a=b \u{1b}[31m500\u{1b}[0m"), "{coloured}");
}
