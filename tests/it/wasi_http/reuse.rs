//! Components of wasi:http whose instances serve several requests: what a guest keeps of one is closed in the next.

use crate::support::wire::{INTERNAL_SERVER_ERROR, get_script};
use crate::support::{Client, TestServer, log};

use super::worlds::{WASI_02, WORLDS, World, report_in};

const EMPTY: &str = untyped!("Content-Length: 0\r\n", "");

fn serve(world: World, name: &str) -> TestServer {
    world.serve(name, "reuse = 100")
}

/// The report of these steps, on a connection that is kept.
#[track_caller]
fn report(client: &mut Client, steps: &str) -> Vec<String> {
    client.send(get_script(&format!("{steps}&report")));
    report_in(&client.read_response())
}

#[test]
fn an_instance_serves_as_many_requests_as_its_route_says() {
    for world in WORLDS {
        for (options, calls) in [("", [1, 1, 1, 1]), ("reuse = 3", [1, 2, 3, 1])] {
            let server = world.serve("counts", options);
            let mut client = server.connect();
            let reports = calls.map(|_| report(&mut client, "calls"));
            assert_eq!(reports, calls.map(|calls| [format!("calls: {calls}")]), "{options:?} of {world:?}");
        }
    }
}

#[test]
fn an_instance_that_trapped_or_passed_its_timeout_serves_nothing_more() {
    for world in WORLDS {
        let server = world.serve("traps_reused", "reuse = 100\ntimeout = 0.2");
        for last in ["trap", "spin", "sleep=3600000", "set&write=Hello&trap", "set&write=Hello&finish&trap"] {
            assert_eq!(report(&mut server.connect(), "calls"), ["calls: 1"], "before {last} of {world:?}");
            server.get(&format!("/script?{last}"));
        }
    }
}

#[test]
fn an_instance_whose_component_failed_serves_nothing_more() {
    for world in WORLDS {
        let server = serve(world, "fails_reused");
        for last in ["set-error=internal-error", "set&drop-body", "set&write=Hello&drop-body", ""] {
            assert_eq!(report(&mut server.connect(), "calls"), ["calls: 1"], "before {last} of {world:?}");
            server.get(&format!("/script?{last}"));
        }
    }
}

#[test]
fn a_body_kept_from_another_request_says_closed() {
    for world in WORLDS {
        let server = serve(world, "keeps_bodies");
        let mut first = server.connect();
        // One is not read at all.
        for steps in ["keep&read-one=1&set-without-body", "keep&read&set-without-body", "keep&set-without-body"] {
            first.send(format!("POST /script?{steps} HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nabcde"));
            first.expect(EMPTY);
            let mut second = server.connect();
            second
                .send("POST /script?kept=read-one:10&read&report HTTP/1.1\r\nHost: it\r\nContent-Length: 3\r\n\r\nxyz");
            let report = report_in(&second.read_response());
            assert_eq!(report, ["kept read-one: closed", "read: 3 and closed"], "after {steps} of {world:?}");
        }
    }
}

#[test]
fn a_stream_kept_from_another_request_is_closed_and_waits_for_nothing() {
    let server = serve(WASI_02, "keeps_streams");
    let mut client = server.connect();
    // The second response is written and never set.
    client.send(get_script("set&write=Hello&finish&another&append=x-secret:1&write=secret&ready-body&keep"));
    client.expect(untyped_chunked!("5\r\nHello\r\n0\r\n\r\n"));
    let steps =
        "kept=check&kept=ready-room&kept=ready-body&kept=write:late&kept=pour:1&kept=write-zeroes:1&kept=read-now:1";
    let closed = [
        "kept check: closed",
        "kept ready-room: true",
        "kept ready-body: true",
        "kept write: closed",
        "kept pour: closed",
        "kept write-zeroes: closed",
        "kept read-now: closed",
    ];
    assert_eq!(report(&mut client, steps), closed);
    let finished = report(&mut client, "kept=finish");
    assert!(finished[0].starts_with("kept finish: ErrorCode::"), "{finished:?}");
    client.send(get_script("set&write=own&finish"));
    client.expect(untyped_chunked!("3\r\nown\r\n0\r\n\r\n"));
}

#[test]
fn a_response_with_a_body_kept_from_another_request_is_a_500() {
    let server = serve(WASI_02, "keeps_responses");
    let mut client = server.connect();
    client.send(get_script("set&write=Hello&finish&another&append=x-secret:1&write=secret&keep"));
    client.expect(untyped_chunked!("5\r\nHello\r\n0\r\n\r\n"));
    client.send(get_script("set-kept"));
    client.expect(INTERNAL_SERVER_ERROR);
    log().wait_for(&["ERROR", &WASI_02.route("keeps_responses"), "for another request", "request=2"]);
}

#[test]
fn nothing_of_one_clients_request_reaches_another() {
    for world in WORLDS {
        let server = serve(world, "secrets");
        let mut first = server.connect();
        first.send(
            "POST /script?keep&ask=field:authorization&set-without-body HTTP/1.1\r\nHost: first.example\r\n\
             Authorization: secret\r\nCookie: secret\r\nContent-Length: 6\r\n\r\nsecret",
        );
        first.expect(EMPTY);
        let mut second = server.connect();
        let steps = "kept=ask:path&kept=ask:authority&kept=ask:fields&kept=ask:field:authorization&kept=read-one:10\
            &ask=fields&ask=authority&read";
        let report = report(&mut second, steps);
        let seen = report.join("\n");
        assert!(!seen.contains("secret") && !seen.contains("first.example"), "{seen} of {world:?}");
        assert_eq!(report[report.len() - 3..], ["fields: ", "authority: it", "read: 0 and closed"], "{world:?}");
    }
}

#[test]
fn what_is_kept_over_many_requests_is_bounded() {
    let server = WASI_02.serve("hoards", "reuse = 10_000");
    let mut client = server.connect();
    // Each drops what the one before it has kept.
    for _ in 0..100 {
        client.send(get_script("set-without-body&another&append-bytes=30000&write-bytes=60000&keep"));
        client.expect(EMPTY);
    }
    assert_eq!(report(&mut client, "append-bytes=30000&calls"), ["append-bytes: ok", "calls: 101"]);
}
