//! The fields that a component of wasi:http makes.

use crate::support::log;
use crate::support::wire::INTERNAL_SERVER_ERROR_CLOSE;

use super::worlds::{WASI_02, WORLDS, reported};

/// Fields of the connection, which only the host sets.
const FORBIDDEN: [&str; 6] = ["Connection", "keep-alive", "proxy-connection", "te", "Transfer-Encoding", "upgrade"];

#[test]
fn fields_of_the_connection_are_forbidden_in_heads_and_trailers() {
    for world in WORLDS {
        let server = world.serve("forbidden", "");
        for name in FORBIDDEN {
            let steps = format!("append={name}:x&replace={name}:x&trailer={name}:x");
            let report = ["append", "replace", "trailer"].map(|call| format!("{call}: HeaderError::Forbidden"));
            assert_eq!(reported(&server, &steps), report, "{name}, {world:?}");
        }
    }
}

#[test]
fn what_a_response_says_of_its_trailers_is_the_hosts_to_say() {
    for world in WORLDS {
        let server = world.serve("announces", "");
        let response = server.get("/script?append=Trailer:x-t&append=x-a:b&report");
        assert!(response.contains("append: ok\nappend: ok\n") && response.contains("\r\nx-a: b\r\n"), "{response}");
        assert!(!response.to_ascii_lowercase().contains("\r\ntrailer:"), "{response}");
        assert_eq!(reported(&server, "append=trailer:a%0D%0Ab"), ["append: HeaderError::InvalidSyntax"], "{world:?}");
    }
}

#[test]
fn a_field_that_is_none_is_refused() {
    for world in WORLDS {
        let server = world.serve("no_fields", "");
        for field in ["a%20b:x", ":x", "a%0D%0Ab:x", "x-a:a%0D%0Ab:%20c", "x-a:a%00b", "content-length:five"] {
            let steps = format!("append={field}&replace={field}");
            let report = ["append", "replace"].map(|call| format!("{call}: HeaderError::InvalidSyntax"));
            assert_eq!(reported(&server, &steps), report, "{field}, {world:?}");
        }
    }
}

#[test]
fn too_many_or_too_large_fields_are_an_error_and_no_trap() {
    for world in WORLDS {
        let error = if world.name == WASI_02.name { "Forbidden" } else { "SizeExceeded" };
        let server = world.serve("too_large", "");
        for step in ["append-fields=100000", "append-bytes=100000"] {
            let name = step.split('=').next().expect("a step has a name");
            let response = server.get(&format!("/script?{step}&report"));
            assert!(response.contains(&format!("\r\n{name}: HeaderError::{error}\n\r\n0\r\n\r\n")), "{response}");
        }
    }
}

#[test]
fn fields_that_a_component_keeps_in_the_host_are_bounded_together() {
    let server = WASI_02.serve("hoards_fields", "reuse = 10");
    // What is dropped counts no longer.
    for _ in 0..2 {
        assert_eq!(reported(&server, "hoard-fields=100&hoard-fields=100"), ["hoard-fields: 8", "hoard-fields: 8"]);
        assert_eq!(reported(&server, "hoard-headers=7"), ["hoard-headers: 7"]);
    }
    assert_eq!(server.get("/script?hoard-headers=100&report"), INTERNAL_SERVER_ERROR_CLOSE);
    log().wait_for(&["ERROR", &WASI_02.route("hoards_fields"), "its fields take more than 262144 bytes together"]);
}

#[test]
fn the_fields_of_a_response_cannot_be_changed() {
    for world in WORLDS {
        let server = world.serve("immutable", "");
        let report = reported(&server, "append=x-a:1&status=200&append=x-a:2&replace=x-a:2&delete=x-a");
        let errors = ["append", "replace", "delete"].map(|call| format!("{call}: HeaderError::Immutable"));
        assert_eq!(report[2..], errors, "{world:?}");
    }
}

#[test]
fn a_host_field_of_a_response_is_dropped() {
    for world in WORLDS {
        let response = world.serve("host_field", "").get("/script?append=host:other&append=x-a:1&set-without-body");
        assert_eq!(response, untyped!("x-a: 1\r\nContent-Length: 0\r\nConnection: close\r\n", ""), "{world:?}");
    }
}

#[test]
fn fields_are_sent_as_they_were_set() {
    for world in WORLDS {
        let server = world.serve("sent", "");
        let steps = "append=x-one:1&append=x-one:2&replace=x-two:3&append=x-three:4&delete=X-THREE&append=date:now\
            &append=content-type:a/b&append=content-length:0&set-without-body";
        assert_eq!(
            server.get(&format!("/script?{steps}")),
            "HTTP/1.1 200 OK\r\nx-one: 1\r\nx-one: 2\r\nx-two: 3\r\ndate: now\r\ncontent-type: a/b\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            "{world:?}"
        );
    }
}
