//! Trailers end to end: of requests to the component, and of responses to the client, as a HEADERS frame that ends the stream.

use crate::support::Http2Client;
use crate::support::http2::{END_HEADERS, END_STREAM, HEADERS, PADDED, block, frame, request};
use crate::wasi_http::worlds::WORLDS;

/// The fields of a request whose client takes trailers.
fn taking(method: &'static str, target: &'static str) -> Vec<(&'static str, &'static str)> {
    [request(method, target), vec![("te", "trailers")]].concat()
}

#[test]
fn trailers_of_a_request_reach_the_component_after_the_body_and_those_that_are_forbidden_do_not() {
    let trailers = [("x-check", "1"), ("x-check", "2"), ("content-length", "9"), ("host", "other"), ("cookie", "a=b")];
    for world in WORLDS {
        let server = world.serve("http2_request_trailers", "");
        let mut client = Http2Client::open(server.connect());
        client.post(1, "/script?read&trailers&report");
        client.data(1, "abc", false);
        client.head(1, &trailers, true);
        assert_eq!(client.body_of(1).trim_end(), "read: 3 and closed\ntrailers: x-check=1;x-check=2;", "{world:?}");
        // A body of no bytes may have trailers too, and they may come in parts and with padding.
        client.post(3, "/script?read&trailers&report");
        let fields = block(&[("x-padded", "yes")]);
        client.frame(HEADERS, END_STREAM | PADDED, 3, [&[4], &fields[..5], &[0; 4]].concat());
        client.frame(9, END_HEADERS, 3, &fields[5..]);
        assert_eq!(client.body_of(3).trim_end(), "read: 0 and closed\ntrailers: x-padded=yes;", "{world:?}");
        client.post(5, "/script?read&trailers&report");
        client.data(5, "abc", true);
        assert_eq!(client.body_of(5).trim_end(), "read: 3 and closed\ntrailers: none", "{world:?}");
    }
}

#[test]
fn trailers_that_are_malformed_do_not_reach_the_component() {
    let of_connection = block(&[("connection", "close")]);
    let pseudo = block(&[(":path", "/other")]);
    for world in WORLDS {
        let server = world.serve("http2_malformed_trailers", "");
        let mut client = Http2Client::open(server.connect());
        client.post(1, "/script?read&trailers&report");
        client.data(1, "abc", false);
        client.frame(HEADERS, END_HEADERS | END_STREAM, 1, of_connection.clone());
        assert_eq!(client.until_end_of(1), ["RST_STREAM 1 PROTOCOL_ERROR"], "{world:?}");
        // h2 drops fields of the head, so that no component sees them.
        client.post(3, "/script?read&trailers&report");
        client.data(3, "abc", false);
        client.frame(HEADERS, END_HEADERS | END_STREAM, 3, pseudo.clone());
        assert_eq!(client.body_of(3).trim_end(), "read: 3 and closed\ntrailers: none", "{world:?}");
        // Trailers that do not end the stream.
        client.post(5, "/script?read&trailers&report");
        client.frame(HEADERS, END_HEADERS, 5, block(&[("x-check", "1")]));
        assert_eq!(client.until_end_of(5), ["RST_STREAM 5 PROTOCOL_ERROR"], "{world:?}");
        client.expect_answer_to_ping();
        // A name in upper case is an error of the connection for h2, in a head and in trailers.
        client.post(7, "/script?read&trailers&report");
        client.head(7, &[("X-Check", "1")], true);
        assert_eq!(client.until_end_of(7), ["GOAWAY 7 PROTOCOL_ERROR"], "{world:?}");
    }
}

#[test]
fn trailers_of_a_response_are_a_head_that_ends_the_stream() {
    let target = "/script?trailer=x-sum:1&trailer=x-sum:2&set&write=a&finish";
    for world in WORLDS {
        let server = world.serve("http2_response_trailers", "");
        let mut client = Http2Client::open(server.connect());
        client.head(1, &taking("GET", target), true);
        client.expect(&["HEADERS 1 :status=200", "DATA 1 a", "HEADERS 1 x-sum=1 x-sum=2 END"]);
        // Of a client that does not say that it takes them, they are dropped.
        client.get(3, target);
        client.expect(&["HEADERS 3 :status=200"]);
        let lines = client.until_end_of(3);
        assert!(lines.iter().all(|line| line.starts_with("DATA 3")), "{world:?}: {lines:?}");
        // A declared length does not stand in their way, since nothing is framed by it.
        client.head(5, &taking("GET", "/script?append=content-length:1&trailer=x-sum:1&set&write=a&finish"), true);
        client.expect(&["HEADERS 5 :status=200 content-length=1", "DATA 5 a", "HEADERS 5 x-sum=1 END"]);
        client.head(7, &taking("HEAD", target), true);
        client.expect(&["HEADERS 7 :status=200 END"]);
    }
}

#[test]
fn trailers_of_a_response_that_are_forbidden_are_dropped() {
    let steps = "trailer=set-cookie:a&trailer=content-length:5&trailer=x-sum:1&trailer=date:now&set&write=a&finish";
    let target: &'static str = Box::leak(format!("/script?{steps}").into_boxed_str());
    for world in WORLDS {
        let server = world.serve("http2_late_fields", "");
        let mut client = Http2Client::open(server.connect());
        client.head(1, &taking("GET", target), true);
        client.expect(&["HEADERS 1 :status=200", "DATA 1 a", "HEADERS 1 x-sum=1 END"]);
    }
}

#[test]
fn trailers_wait_for_the_window_of_the_body_before_them() {
    for world in WORLDS {
        let server = world.serve("http2_paced_trailers", "");
        let mut client = Http2Client::open_with(server.connect(), &[(4, 2)]);
        client.head(1, &taking("GET", "/script?trailer=x-sum:1&set&write=abcd&finish"), true);
        client.expect(&["HEADERS 1 :status=200", "DATA 1 ab"]);
        client.expect_answer_to_ping();
        client.open_window(1, 2);
        client.expect(&["DATA 1 cd", "HEADERS 1 x-sum=1 END"]);
    }
}

#[test]
fn trailers_are_echoed_in_both_directions_on_many_streams_at_once() {
    for world in WORLDS {
        let server = world.serve("http2_echoes", "");
        let mut client = Http2Client::open(server.connect());
        let streams = [1, 3, 5, 7, 9];
        for stream in streams {
            client.head(stream, &taking("POST", "/script?set&echo&echo-trailers&finish"), false);
        }
        for stream in streams {
            let trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream, block(&[("x-of", &stream.to_string())]));
            client.send([frame(0, 0, stream, b"abc"), trailers].concat());
        }
        let mut ended = Vec::new();
        while ended.len() < streams.len() {
            let line = client.next();
            if line.ends_with(" END") {
                ended.push(line);
            }
        }
        ended.sort_unstable();
        assert_eq!(ended, streams.map(|stream| format!("HEADERS {stream} x-of={stream} END")), "{world:?}");
    }
}
