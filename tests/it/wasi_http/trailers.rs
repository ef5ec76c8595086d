//! Trailers of requests and responses of components of wasi:http.

use crate::support::wire::get_and_close;

use super::worlds::{WASI_02, WORLDS, report_in, reported};

#[test]
fn trailers_of_a_request_reach_the_component_after_the_body() {
    let body =
        "3\r\nabc\r\n0\r\nX-Check: 1\r\nx-check: 2\r\nConnection: close\r\nHost: other\r\nContent-Length: 9\r\n\r\n";
    for world in WORLDS {
        let server = world.serve("request_trailers", "");
        let post = |steps: &str| {
            let head = format!("POST /script?{steps}&report HTTP/1.1\r\nHost: it\r\nConnection: close\r\n");
            report_in(&server.exchange(format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}")))
        };
        let trailers = "trailers: x-check=1;x-check=2;";
        assert_eq!(post("read&trailers"), ["read: 3 and closed", trailers], "{world:?}");
        // In 0.2 the rest of the body is dropped. In 0.3 nobody reads it.
        let of_rest = if world.name == WASI_02.name { trailers } else { "trailers: none" };
        assert_eq!(post("read-one=1&trailers"), ["read-one: 1", of_rest], "{world:?}");
        assert_eq!(post("trailers"), [of_rest], "{world:?}");
        assert_eq!(reported(&server, "read&trailers"), ["read: 0 and closed", "trailers: none"], "{world:?}");
    }
}

#[test]
fn trailers_are_sent_to_a_client_that_takes_them_in_the_chunked_coding() {
    let steps = "trailer=x-sum:1&trailer=x-sum:2&set&write=a&finish";
    let with = untyped_chunked_close!("1\r\na\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n");
    let without = untyped_chunked_close!("1\r\na\r\n0\r\n\r\n");
    let closed = untyped!("Connection: close\r\n", "a");
    let declared = untyped!("Content-Length: 1\r\nConnection: close\r\n", "a");
    for world in WORLDS {
        let server = world.serve("response_trailers", "");
        let get = |fields: &str, version: &str, steps: &str| {
            server.exchange(format!(
                "GET /script?{steps} HTTP/{version}\r\nHost: it\r\nConnection: close{fields}\r\n\r\n"
            ))
        };
        assert_eq!(get(", te\r\nTE: trailers", "1.1", steps), with, "{world:?}");
        assert_eq!(get(", te\r\nTE: deflate, Trailers", "1.1", steps), with, "{world:?}");
        assert_eq!(get("", "1.1", steps), without, "{world:?}");
        assert_eq!(get("\r\nTE: deflate", "1.1", steps), without, "{world:?}");
        assert_eq!(get(", te\r\nTE: trailers", "1.0", steps), closed, "{world:?}");
        let steps = format!("append=content-length:1&{steps}");
        assert_eq!(get(", te\r\nTE: trailers", "1.1", &steps), declared, "{world:?}");
    }
}

#[test]
fn fields_that_come_too_late_in_trailers_are_dropped() {
    let steps = "trailer=set-cookie:a&trailer=content-length:5&trailer=x-sum:1&trailer=date:now&set&write=a&finish";
    let request = get_and_close(&format!("/script?{steps}")).replace("close", "close, te\r\nTE: trailers");
    for world in WORLDS {
        let response = world.serve("late_fields", "").exchange(&request);
        assert_eq!(response, untyped_chunked_close!("1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"), "{world:?}");
    }
}

#[test]
fn trailers_of_a_body_that_is_finished_before_the_response_is_set_are_sent() {
    let request = get_and_close("/script?trailer=x-sum:1&write=a&finish&set-without-body")
        .replace("close", "close, te\r\nTE: trailers");
    let response = WASI_02.serve("early_trailers", "").exchange(request);
    assert_eq!(response, untyped_chunked_close!("1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"));
}

#[test]
fn trailers_are_echoed() {
    for world in WORLDS {
        let server = world.serve("echoes", "");
        let response = server.exchange(
            "POST /script?set&echo&echo-trailers&finish HTTP/1.1\r\nHost: it\r\nConnection: close, te\r\nTE: trailers\r\n\
             Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Check: 1\r\n\r\n",
        );
        assert_eq!(response, untyped_chunked_close!("3\r\nabc\r\n0\r\nx-check: 1\r\n\r\n"), "{world:?}");
    }
}

#[test]
fn a_body_without_trailers_ends_as_ever() {
    for world in WORLDS {
        let server = world.serve("no_trailers", "");
        let request = get_and_close("/script?set&write=a&finish").replace("close", "close, te\r\nTE: trailers");
        assert_eq!(server.exchange(request), untyped_chunked_close!("1\r\na\r\n0\r\n\r\n"), "{world:?}");
    }
}
