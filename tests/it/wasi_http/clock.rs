//! Nothing that a component of wasi:http waits for stops its clock, but its client alone. Every server has one worker.

use std::time::Duration;

use crate::support::wire::{GATEWAY_TIMEOUT_CLOSE, HELLO_RESPONSE_CLOSE, get_script};
use crate::support::{Client, TestServer, guest, log};

use super::worlds::{WASI_02, WORLDS, World};

/// The guest at `/script` with a time-out, and an example that others ask for meanwhile.
fn serve(world: World, name: &str, timeout: f64) -> TestServer {
    TestServer::start(world.routes(name, &format!("timeout = {timeout}\ncpu = 60_000")).with(guest::HELLO))
}

/// A request whose body never comes.
fn without_its_body(server: &TestServer, steps: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("POST /script?{steps} HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"));
    client
}

/// That these steps, for a request whose body never comes, end by the time-out, and that others are served meanwhile.
#[track_caller]
fn assert_ended_by_the_timeout(world: World, name: &str, steps: &str, response: &str) {
    // Long enough for what comes before, also on a busy machine.
    let server = serve(world, name, 1.0);
    let mut client = without_its_body(&server, steps);
    for _ in 0..20 {
        assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE, "beside {steps} of {world:?}");
    }
    assert_eq!(client.read_to_end(), response, "{steps} of {world:?}");
    log().wait_for(&["ERROR", &format!("handler {} passed its timeout", world.route(name))]);
}

#[test]
fn a_poll_of_body_and_timer_is_time_of_the_component() {
    for world in WORLDS {
        assert_ended_by_the_timeout(world, "poll_spin", "poll-body=10&spin", GATEWAY_TIMEOUT_CLOSE);
        let polls = "poll-body=50&".repeat(1_000);
        assert_ended_by_the_timeout(world, "polls", &polls, GATEWAY_TIMEOUT_CLOSE);
        assert_ended_by_the_timeout(world, "poll_long", "poll-body=3600000", GATEWAY_TIMEOUT_CLOSE);
    }
}

#[test]
fn a_pollable_that_was_asked_and_dropped_does_not_stop_the_clock() {
    for world in WORLDS {
        assert_ended_by_the_timeout(world, "ready_spin", "ready-body&spin", GATEWAY_TIMEOUT_CLOSE);
        assert_ended_by_the_timeout(world, "ready_sleep", "ready-body&sleep=3600000", GATEWAY_TIMEOUT_CLOSE);
        assert_ended_by_the_timeout(world, "ready_drop", "ready-body&drop-request&spin", GATEWAY_TIMEOUT_CLOSE);
    }
    assert_ended_by_the_timeout(WASI_02, "read_now", "read-now=10&spin", GATEWAY_TIMEOUT_CLOSE);
}

#[test]
fn a_component_that_spins_or_sleeps_after_its_response_ends_by_its_timeout() {
    let hello = untyped_chunked_close!("5\r\nHello\r\n0\r\n\r\n");
    for world in WORLDS {
        for (name, last) in [("spins_on", "spin"), ("sleeps_on", "sleep=3600000"), ("polls_on", "ready-body&spin")] {
            let server = serve(world, name, 1.0);
            let steps = format!("set&write=Hello&finish&{last}");
            let mut client = without_its_body(&server, &steps);
            client.expect(hello);
            assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE, "beside {steps} of {world:?}");
            log().wait_for(&["ERROR", &format!("handler {} passed its timeout", world.route(name))]);
        }
    }
}

#[test]
fn a_response_that_passes_its_timeout_after_bytes_is_truncated() {
    for world in WORLDS {
        for (name, last) in [("cut_spin", "spin"), ("cut_sleep", "sleep=3600000"), ("cut_ready", "ready-body&spin")] {
            let steps = format!("set&write=Hello&{last}");
            assert_ended_by_the_timeout(world, name, &steps, untyped_chunked_close!("5\r\nHello\r\n"));
        }
    }
}

#[test]
fn a_pollable_of_a_full_stream_that_was_asked_and_dropped_does_not_stop_the_clock() {
    for world in WORLDS {
        let server = serve(world, "full", 4.0);
        let mut client = server.connect_with_small_window();
        client.send(get_script("set&fill&ready-room&log&spin"));
        log().wait_for(&[&world.route("full"), "ready-room: "]);
        log().wait_for(&["ERROR", &format!("handler {} passed its timeout", world.route("full"))]);
    }
}

#[test]
fn a_wait_for_nothing_but_the_client_is_not_time_of_the_component() {
    for world in WORLDS {
        let server = serve(world, "waits", 1.0);
        let mut client = without_its_body(&server, "read&set-without-body");
        client.expect_silence(Duration::from_millis(1_500));
        client.send("Hello");
        assert_eq!(client.read_to_end(), untyped!("Content-Length: 0\r\nConnection: close\r\n", ""), "{world:?}");
    }
}
