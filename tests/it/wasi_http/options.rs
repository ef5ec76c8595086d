//! The options of a route hold whichever world its component is of: one table for all.

use std::time::{Duration, Instant};

use artifacts::Guest;

use crate::support::wire::TOO_MANY_REQUESTS_CLOSE;
use crate::support::{RoutesDir, TestServer, guest};

use super::worlds::WORLDS;

/// Options, what a component does, and what comes of it.
struct Effect {
    options: &'static str,
    /// The steps of the guest `script`, and those of the guests of wasi:http.
    steps: (&'static str, &'static str),
    /// The method, then the fields and the body.
    request: (&'static str, &'static str),
    /// The first line, and what follows the head.
    response: (&'static str, &'static str),
}

const OK: &str = "HTTP/1.1 200 OK";
const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large";
const TIMED_OUT: &str = "HTTP/1.1 504 Gateway Timeout";
const GET: (&str, &str) = ("GET", "");

#[rustfmt::skip]
const EFFECTS: &[Effect] = &[
    Effect { options: "status = 404", steps: ("write=a", "set&write=a&finish"), request: GET, response: ("HTTP/1.1 404 Not Found", "1\r\na\r\n0\r\n\r\n") },
    Effect { options: "status = 404", steps: ("status=202&write=a", "status=202&set&write=a&finish"), request: GET, response: ("HTTP/1.1 202 Accepted", "1\r\na\r\n0\r\n\r\n") },
    Effect { options: "chunked = true", steps: ("write=a&write=b", "set&write=a&write=b&finish"), request: GET, response: (OK, "1\r\na\r\n1\r\nb\r\n0\r\n\r\n") },
    Effect { options: "chunked = false", steps: ("write=a&write=b", "set&write=a&write=b&finish"), request: GET, response: (OK, "ab") },
    Effect { options: "chunked = \"auto\"", steps: ("write=a&write=b", "set&write=a&write=b&finish"), request: GET, response: (OK, "1\r\na\r\n1\r\nb\r\n0\r\n\r\n") },
    Effect { options: "stream = true\nbuffer_size = 8", steps: ("write=a&write=b", "set&write=a&write=b&finish"), request: GET, response: (OK, "1\r\na\r\n1\r\nb\r\n0\r\n\r\n") },
    // Gathered until half of the buffer is full.
    Effect { options: "stream = false\nbuffer_size = 8", steps: ("write=a&write=b&write=c&write=d&write=e", "set&write=a&write=b&write=c&write=d&write=e&finish"), request: GET, response: (OK, "4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n") },
    // A piece in either direction is no larger than the buffer.
    Effect { options: "buffer_size = 4", steps: ("write=HelloWorld", "set&write=HelloWorld&finish"), request: GET, response: (OK, "4\r\nHell\r\n4\r\noWor\r\n2\r\nld\r\n0\r\n\r\n") },
    Effect { options: "buffer_size = 4\nchunked = false", steps: ("read-one=1000&read-one=1000&read-one=1&report", "read-one=1000&read-one=1000&read-one=1&report"), request: ("POST", "Content-Length: 10\r\n\r\nHelloWorld"), response: (OK, "read-one: 4\nread-one: 4\nread-one: 1\n") },
    // The limits.
    Effect { options: "max_body = 4", steps: ("read", "set&echo&finish"), request: ("POST", "Content-Length: 4\r\n\r\nbody"), response: (OK, "4\r\nbody\r\n0\r\n\r\n") },
    Effect { options: "max_body = 4", steps: ("read", "set&echo&finish"), request: ("POST", "Content-Length: 5\r\n\r\nabody"), response: (TOO_LARGE, "the body is larger than 4 bytes\n") },
    Effect { options: "max_body = 4", steps: ("read", "set&echo&finish"), request: ("POST", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"), response: (OK, "4\r\nbody\r\n0\r\n\r\n") },
    Effect { options: "max_body = 4", steps: ("read", "read&trap"), request: ("POST", "Transfer-Encoding: chunked\r\n\r\n5\r\nabody\r\n0\r\n\r\n"), response: (TOO_LARGE, "Content Too Large\n") },
    Effect { options: "memory = 8_388_608", steps: ("allocate=1048576&report", "allocate=1048576&report"), request: GET, response: (OK, "d\r\nallocate: ok\n\r\n0\r\n\r\n") },
    Effect { options: "memory = 8_388_608", steps: ("allocate=16777216&report", "allocate=16777216&report"), request: GET, response: (OK, "12\r\nallocate: refused\n\r\n0\r\n\r\n") },
    Effect { options: "timeout = 0.2", steps: ("sleep=10000", "sleep=10000"), request: GET, response: (TIMED_OUT, "Gateway Timeout\n") },
    Effect { options: "timeout = 0.2", steps: ("spin", "spin"), request: GET, response: (TIMED_OUT, "Gateway Timeout\n") },
    Effect { options: "cpu = 100", steps: ("spin", "spin"), request: GET, response: (TIMED_OUT, "Gateway Timeout\n") },
];

/// The guest of each world, and which of an effect's steps are its.
fn worlds() -> impl Iterator<Item = (&'static str, Guest, fn(&Effect) -> &'static str)> {
    let own: fn(&Effect) -> &'static str = |effect| effect.steps.0;
    let wasi: fn(&Effect) -> &'static str = |effect| effect.steps.1;
    let others = WORLDS.into_iter().map(move |world| (world.name, world.script, wasi));
    std::iter::once(("vibrato", guest::SCRIPT, own)).chain(others)
}

#[test]
fn each_option_does_what_it_says_for_each_world() {
    for (world, script, steps) in worlds() {
        let routes = EFFECTS.iter().enumerate().fold(RoutesDir::new(), |routes, (number, effect)| {
            routes
                .with_as(&format!("{number}.wasm"), script)
                .with_file(&format!("{number}.toml"), &format!("path = '/{number}'\n{}", effect.options))
        });
        let server = TestServer::start(routes);
        assert_eq!(server.diagnostics(), []);
        for (number, effect) in EFFECTS.iter().enumerate() {
            let (steps, (method, rest)) = (steps(effect), effect.request);
            let end = if rest.is_empty() { "\r\n" } else { rest };
            let request = format!("{method} /{number}?{steps} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{end}");
            let received = server.exchange(request);
            let row = format!("{}: {steps} of {world}", effect.options);
            let (head, body) = received.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{received:?} of {row}"));
            assert_eq!((head.split("\r\n").next(), body), (Some(effect.response.0), effect.response.1), "{row}");
        }
    }
}

/// A server of a world's guest at `/script` with these options.
fn serve(name: &str, script: Guest, options: &str) -> TestServer {
    let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), script);
    TestServer::start(routes.with_file(&format!("{name}.toml"), &format!("path = '/script'\n{options}")))
}

#[test]
fn pieces_have_the_default_of_their_world_unless_the_operator_says_otherwise() {
    for (world, script, steps) in worlds() {
        let steps = steps(&Effect { steps: ("write-bytes=150000", "set&write-bytes=150000&finish"), ..EFFECTS[0] });
        // In the own world and 0.2 one write is cut at the default of all; the library of 0.3 has cut it at its own before.
        let default = if world == "wasi03" { "10000" } else { "4000" };
        for (options, largest) in [("", default), ("buffer_size = 16", "10")] {
            let server = serve("pieces", script, options);
            let response = server.get(&format!("/script?{steps}"));
            let (_, body) = response.split_once("\r\n\r\n").expect("a response has a head");
            assert!(body.starts_with(&format!("{largest}\r\n")), "{world}, {options:?}: {}", &body[..20]);
        }
    }
}

#[test]
fn no_more_than_the_concurrency_run_at_once() {
    for (world, script, steps) in worlds() {
        let server = serve("one_at_once", script, "concurrency = 1");
        let mut first = server.connect();
        let steps = steps(&Effect { steps: ("read", "set&echo&finish"), ..EFFECTS[0] });
        first.send(format!(
            "POST /script?{steps} HTTP/1.1\r\nHost: it\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        ));
        // So it runs.
        first.expect("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(server.get(&format!("/script?{steps}")), TOO_MANY_REQUESTS_CLOSE, "{world}");
        first.send("ok");
        assert!(first.read_to_end().ends_with("2\r\nok\r\n0\r\n\r\n"), "{world}");
    }
}

/// That a transfer takes the second that its rate allows, less the burst, and not less. How much more depends on the machine.
#[track_caller]
fn assert_paced(world: &str, transfer: impl FnOnce()) {
    let start = Instant::now();
    transfer();
    assert!(start.elapsed() > Duration::from_millis(800), "{:?} of {world}", start.elapsed());
}

#[test]
fn a_response_passes_at_the_rate() {
    for (world, script, steps) in worlds() {
        let server = serve("rate", script, "rate = 200_000");
        let steps = steps(&Effect { steps: ("write-bytes=200000", "set&write-bytes=200000&finish"), ..EFFECTS[0] });
        assert_paced(world, || {
            let response = server.get(&format!("/script?{steps}"));
            let (_, body) = response.split_once("\r\n\r\n").expect("a response has a head");
            assert_eq!(body.bytes().filter(|byte| *byte == b'x').count(), 200_000, "{world}");
        });
    }
}

#[test]
fn an_upload_passes_at_the_upload_rate() {
    for (world, script, steps) in worlds() {
        let server = serve("upload_rate", script, "upload_rate = 200_000");
        let steps = steps(&Effect { steps: ("count", "read&report"), ..EFFECTS[0] });
        assert_paced(world, || {
            let head = format!(
                "POST /script?{steps} HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
            );
            let response = server.exchange(head + &"x".repeat(200_000));
            assert!(response.contains("200000"), "{response} of {world}");
        });
    }
}

#[test]
fn a_component_of_wasi_http_takes_no_websockets_and_its_error_says_so() {
    for world in WORLDS {
        let server = TestServer::start(world.routes("websocket", "websocket = true"));
        let said = server.diagnostics();
        let [error] = said else { panic!("{said:?}") };
        assert_eq!(error.remedy, "leave the option out: wasi:http has no WebSockets", "{world:?}");
    }
}

#[test]
fn options_of_other_worlds_are_without_effect() {
    let options = "content_type = 'text/x'\nheartbeat = 1\npush_queue = 1\nmax_topics = 1\nown = 'value'";
    for world in WORLDS {
        let server = world.serve("without_effect", options);
        let response = server.get("/script?set&write=Hello&finish");
        assert_eq!(response, untyped_chunked_close!("5\r\nHello\r\n0\r\n\r\n"), "{world:?}");
    }
}
