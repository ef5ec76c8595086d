//! Clients that go on sending after the last response (RFC 9112 section 9.6).

use std::time::{Duration, Instant};

use crate::support::{Client, End, RoutesDir, TIMEOUT, TestServer, guest};

const LARGE: usize = 16 * 1024 * 1024;

fn request(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: it\r\nContent-Length: {LARGE}\r\n\r\n")
}

/// Sends until the server takes no more.
#[track_caller]
fn send_without_end(client: &mut Client) {
    let start = Instant::now();
    while client.try_send([b'x'; 1_000]).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "it is read without bound");
    }
}

#[test]
fn a_client_that_sends_a_large_body_first_still_reads_the_early_answer() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("account/script.wasm", guest::SCRIPT);
    let routes = routes.with_file("account/script.toml", "path = '/account'").with_file("script.toml", "max_body = 10");
    let auth = include_str!("../../../examples/auth/route.toml");
    let routes = routes.with_as("account/_middleware.wasm", guest::AUTH).with_file("account/_middleware.toml", auth);
    let server = TestServer::start(routes);
    let body = vec![b'x'; LARGE];
    for (target, status) in [("/script", "413"), ("/none", "404"), ("/account", "401")] {
        let mut client = server.connect();
        client.send(request(target));
        client.send(&body);
        let (answer, end) = client.read_until_end();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        assert_eq!(end, End::Closed, "{target}");
    }
}

#[test]
fn a_client_that_sends_without_end_is_read_within_bounds() {
    let server = |bytes, time| {
        let builder = TestServer::builder(RoutesDir::new().with(guest::SCRIPT));
        let builder = builder.limits(|limits| limits.linger_bytes = bytes);
        builder.timeouts(|timeouts| timeouts.linger = time).start()
    };
    let long = Duration::from_secs(3_600);
    for server in [server(0, long), server(100_000, long), server(u64::MAX, Duration::from_millis(200))] {
        let mut client = server.connect();
        client.send(request("/none"));
        send_without_end(&mut client);
    }
}
