use bytes::BytesMut;

use super::{AfterResponse, Response, ResponseError, ResponseOptions};
use crate::http::date::Date;
use crate::http::fields::FieldError;
use crate::http::response_head::CloseCause;
use crate::http::version::Version::{self, Http10, Http11};
use crate::http1::encoder::{ChunkedCoding, Http1Encoder, Http1Options};

mod framing;
mod property;
mod range;
mod trailers;
mod upgrade;

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";

/// What the request and the route fix about the response and its framing.
#[derive(Debug, Clone)]
struct TestOptions {
    version: Version,
    head_only: bool,
    keep_alive: bool,
    awaits_continue: bool,
    chunked: ChunkedCoding,
    status: u16,
    coalesce: usize,
    buffer_size: usize,
}

/// The start of each head in these tests, unless its status differs.
const START: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n";

/// One call on a response, by the handler or by the connection.
#[derive(Debug, Clone, Copy)]
enum Call {
    Status(u16),
    Field(&'static str, &'static str),
    Write(&'static str),
    /// The whole body or its last piece, as a handler returns it.
    Body(&'static str),
    Close,
    Truncate,
    Flush,
    Continue,
}

/// The state of a response after all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is not over.
    Open,
    /// Complete, and the connection can carry another request.
    KeepAlive,
    /// Complete, and the connection closes.
    Close,
    /// Truncated, and the framing shows it.
    Truncated,
    /// Truncated, and only a reset shows it.
    Reset,
}

/// The options for an HTTP/1.1 GET request to a route without options.
fn options() -> TestOptions {
    TestOptions {
        version: Http11,
        head_only: false,
        keep_alive: true,
        awaits_continue: false,
        chunked: ChunkedCoding::Preferred,
        status: 200,
        coalesce: 0,
        buffer_size: 16,
    }
}

fn new(options: &TestOptions, content_type: &[u8]) -> Response {
    let TestOptions { version, head_only, keep_alive, awaits_continue, chunked, status, coalesce, buffer_size } =
        *options;
    let encoder =
        Http1Encoder::new(Http1Options { version, keep_alive, awaits_continue, chunked, buffer_size }, BytesMut::new());
    Response::new(ResponseOptions { head_only, status, coalesce, buffer_size }, content_type, encoder)
}

fn response(options: &TestOptions) -> Response {
    new(options, b"text/plain")
}

fn keeps_alive(response: &Response) -> bool {
    response.connection() == AfterResponse::KeepAlive
}

/// Makes all of `calls`. None of them may be refused.
fn made(options: &TestOptions, calls: &[Call]) -> Response {
    let mut response = response(options);
    for call in calls {
        assert_eq!(make(&mut response, *call), Ok(()), "{call:?} of {calls:?}");
    }
    response
}

fn make(response: &mut Response, call: Call) -> Result<(), ResponseError> {
    match call {
        Call::Status(code) => return response.set_status(code),
        Call::Field(name, value) => response.fields_mut()?.set(name, value.as_bytes())?,
        Call::Write(piece) => return response.write(piece.as_bytes(), DATE),
        Call::Body(body) => {
            response.begin(Some(body.len() as u64), DATE)?;
            if !body.is_empty() {
                response.write(body.as_bytes(), DATE)?;
            }
            if !response.is_over() {
                response.finish(DATE)?;
            }
        }
        Call::Close => {
            response.forbid_keep_alive();
            return response.finish(DATE);
        }
        Call::Truncate => response.truncate(),
        Call::Flush => response.flush_coalesced(),
        Call::Continue => response.interim_continue(),
    }
    Ok(())
}

fn end(response: &Response) -> End {
    assert_eq!(response.is_over(), response.is_truncated() || !matches!(open_or_complete(response), End::Open));
    match (response.is_truncated(), response.connection() == AfterResponse::Reset) {
        (true, true) => End::Reset,
        (true, false) => End::Truncated,
        (false, _) => open_or_complete(response),
    }
}

fn open_or_complete(response: &Response) -> End {
    match (response.is_over(), keeps_alive(response)) {
        (false, _) => End::Open,
        (true, true) => End::KeepAlive,
        (true, false) => End::Close,
    }
}

/// Checks the bytes after [`START`], and the state at the end.
fn check(options: &TestOptions, calls: &[Call], expected: &str, expected_end: End) {
    let response = made(options, calls);
    let output = String::from_utf8_lossy(response.output());
    assert_eq!(output, format!("{START}{expected}"), "{options:?} {calls:?}");
    assert_eq!(end(&response), expected_end, "{options:?} {calls:?}");
}

#[test]
fn a_status_is_a_final_one() {
    for code in [0, 100, 101, 199, 600, 999, u16::MAX] {
        assert_eq!(response(&options()).set_status(code), Err(ResponseError::Invalid), "{code}");
    }
    for (code, line) in [(200, "200 OK"), (299, "299 "), (404, "404 Not Found"), (599, "599 ")] {
        let response = made(&options(), &[Call::Status(code), Call::Body("a")]);
        assert_eq!(response.head().status(), code);
        assert!(response.output().starts_with(format!("HTTP/1.1 {line}\r\n").as_bytes()), "{code}");
    }
    let route = TestOptions { status: 201, ..options() };
    assert!(made(&route, &[Call::Body("a")]).output().starts_with(b"HTTP/1.1 201 Created\r\n"));
    assert!(made(&route, &[Call::Status(202), Call::Body("a")]).output().starts_with(b"HTTP/1.1 202 Accepted\r\n"));
}

#[test]
fn fields_follow_those_of_the_host_or_take_their_place() {
    let tail = "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let table: &[(&[Call], &str)] = &[
        (&[], "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"),
        (
            &[Call::Field("X-One", "1"), Call::Field("a", "")],
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\nX-One: 1\r\na: \r\n",
        ),
        (&[Call::Field("date", "never")], "Content-Type: text/plain\r\ndate: never\r\n"),
        (
            &[Call::Field("CONTENT-TYPE", "image/png")],
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nCONTENT-TYPE: image/png\r\n",
        ),
    ];
    for (calls, fields) in table {
        let response = made(&options(), &[*calls, &[Call::Body("a")]].concat());
        let expected = format!("HTTP/1.1 200 OK\r\n{fields}{tail}");
        assert_eq!(String::from_utf8_lossy(response.output()), expected, "{calls:?}");
    }
}

#[test]
fn a_route_without_a_content_type_names_none() {
    let mut response = new(&options(), b"");
    assert_eq!(response.write(b"", DATE), Ok(()));
    let expected =
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(response.output(), expected);
}

#[test]
fn each_call_is_refused_from_its_moment_on() {
    use ResponseError::{Closed, HeadSent};
    let calls = [Call::Status(201), Call::Field("a", "b"), Call::Write("c"), Call::Write("")];
    type Row<'r> = (&'r [Call], [Result<(), ResponseError>; 4]);
    let table: &[Row<'_>] = &[
        (&[], [Ok(()); 4]),
        (&[Call::Write("a")], [Err(HeadSent), Err(HeadSent), Ok(()), Ok(())]),
        (&[Call::Body("a")], [Err(Closed); 4]),
        (&[Call::Write("")], [Err(Closed); 4]),
        (&[Call::Write("a"), Call::Write("")], [Err(Closed); 4]),
        (&[Call::Truncate], [Err(Closed); 4]),
        (&[Call::Write("a"), Call::Truncate], [Err(Closed); 4]),
    ];
    for (before, expected) in table {
        let results = calls.map(|call| make(&mut made(&options(), before), call));
        assert_eq!(results, *expected, "{before:?}");
    }
}

#[test]
fn a_refused_call_leaves_the_response_as_it_was() {
    let table: &[(&[Call], Call, ResponseError)] = &[
        (&[], Call::Status(100), ResponseError::Invalid),
        (&[Call::Field("content-length", "2"), Call::Write("a")], Call::Write("bc"), ResponseError::Invalid),
        (&[Call::Field("content-length", "2")], Call::Write("abc"), ResponseError::Invalid),
        (&[], Call::Field("a", "b\r\nc: d"), ResponseError::Field(FieldError::Invalid)),
        (&[], Call::Field("connection", "close"), ResponseError::Field(FieldError::Forbidden)),
        (&[Call::Write("a")], Call::Status(100), ResponseError::HeadSent),
        (&[Call::Body("a")], Call::Body("b"), ResponseError::Closed),
    ];
    for (before, call, expected) in table {
        let (untouched, mut refused) = (made(&options(), before), made(&options(), before));
        assert_eq!(make(&mut refused, *call), Err(*expected), "{before:?} {call:?}");
        assert_eq!(refused.output(), untouched.output(), "{before:?} {call:?}");
        assert_eq!(end(&refused), end(&untouched), "{before:?} {call:?}");
        assert_eq!(refused.body_bytes(), untouched.body_bytes(), "{before:?} {call:?}");
        assert_eq!(refused.is_building(), untouched.is_building(), "{before:?} {call:?}");
    }
}

#[test]
fn an_answer_of_the_host_takes_the_place_of_what_a_handler_set() {
    let set = [Call::Status(201), Call::Field("X-One", "1"), Call::Field("Content-Length", "7")];
    let start = "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let described = "Content-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n";
    let head = TestOptions { head_only: true, ..options() };
    let coalesced = TestOptions { coalesce: 8, ..options() };
    let table: &[(&TestOptions, &str, String)] = &[
        (&options(), "busy\n", format!("{start}{described}Content-Length: 5\r\n\r\nbusy\n")),
        (&coalesced, "busy\n", format!("{start}{described}Content-Length: 5\r\n\r\nbusy\n")),
        (&options(), "", format!("{start}Retry-After: 1\r\nContent-Length: 0\r\n\r\n")),
        (&head, "busy\n", format!("{start}{described}Content-Length: 5\r\n\r\n")),
    ];
    for (options, text, expected) in table {
        let mut response = made(options, &set);
        response.fields_mut().expect("the head is not sent").clear();
        assert_eq!(response.answer(503, &[("Retry-After", "1")], text, DATE), Ok(()));
        assert_eq!(String::from_utf8_lossy(response.output()), *expected);
        assert_eq!(end(&response), End::KeepAlive);
    }
    let mut sent = made(&options(), &[Call::Write("a")]);
    assert_eq!(sent.answer(500, &[], "", DATE), Err(ResponseError::HeadSent));
    assert_eq!(made(&options(), &[Call::Truncate]).answer(500, &[], "", DATE), Err(ResponseError::Closed));
}

// RFC 9110 section 10.1.1
#[test]
fn a_final_response_in_place_of_an_awaited_interim_one_ends_the_connection() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let (close, keep) = ("Connection: close\r\n", "");
    let expects = TestOptions { awaits_continue: true, ..options() };
    let table: &[(&TestOptions, &[Call], &str, &str, End)] = &[
        (&expects, &[], "", close, End::Close),
        (&expects, &[Call::Continue], interim, keep, End::KeepAlive),
        (&options(), &[Call::Write("a"), Call::Continue], "", keep, End::KeepAlive),
    ];
    for (options, calls, before, connection, expected_end) in table {
        let response = made(options, &[*calls, &[Call::Body("b")]].concat());
        let output = String::from_utf8_lossy(response.output());
        let rest = output.strip_prefix(&format!("{before}{START}Transfer-Encoding: chunked\r\n{connection}\r\n1\r\n"));
        assert!(rest.is_some(), "{calls:?} {output}");
        assert_eq!(end(&response), *expected_end, "{calls:?}");
    }
    let refused = TestOptions { keep_alive: false, ..expects };
    assert_eq!(end(&made(&refused, &[Call::Continue, Call::Body("")])), End::Close);
}

#[test]
fn the_output_is_forgotten_as_it_is_sent() {
    let mut response = made(&options(), &[Call::Write("abc")]);
    response.advance(response.output().len() - 5);
    assert_eq!(response.output(), b"abc\r\n");
    response.advance(5);
    assert_eq!(make(&mut response, Call::Write("")), Ok(()));
    assert_eq!(response.output(), b"0\r\n\r\n");
    let buffer = response.take_buffer();
    assert_eq!(buffer.len(), 0);
    assert!(buffer.capacity() > 0);
}

#[test]
fn there_is_room_for_four_pieces_and_within_64_kib_unless_one_is_larger() {
    let table = [(1, 4), (16, 64), (16_384, 65_536), (20_000, 65_536), (65_536, 65_536), (100_000, 100_000)];
    for (buffer_size, high_water) in table {
        let mut response = made(&TestOptions { buffer_size, ..options() }, &[Call::Write("a")]);
        assert_eq!(response.max_piece(), buffer_size);
        response.advance(response.output().len());
        while response.has_room() {
            // A chunk of one byte takes six bytes.
            assert!(response.output().len() < high_water, "{buffer_size}");
            assert_eq!(make(&mut response, Call::Write("a")), Ok(()));
        }
        assert_eq!(response.output().len(), high_water.div_ceil(6) * 6, "{buffer_size}");
    }
}

#[test]
fn keep_alive_that_is_forbidden_is_not_won_back_by_a_body_that_comes() {
    type Come = fn(&mut Response);
    for come in [Response::interim_continue as Come, Response::body_has_come as Come] {
        let mut response = new(&TestOptions { awaits_continue: true, ..options() }, b"");
        response.forbid_keep_alive_in_head();
        come(&mut response);
        response.finish(DATE).expect("it is not over");
        let head = String::from_utf8_lossy(response.output()).into_owned();
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert_eq!(response.connection(), AfterResponse::Close(CloseCause::Server));
    }
}

#[test]
fn keep_alive_stands_once_the_head_has_said_so() {
    let mut response = new(&options(), b"");
    response.write(b"Hello", DATE).expect("it is not over");
    response.forbid_keep_alive_in_head();
    response.finish(DATE).expect("it is not over");
    assert!(keeps_alive(&response));
}

#[test]
fn a_buffer_that_is_emptied_in_part_does_not_grow_past_what_can_wait() {
    for (buffer_size, most) in [(16_384, 65_536 + 16_384), (100_000, 200_000), (1, 16)] {
        let mut response = made(&TestOptions { buffer_size, ..options() }, &[]);
        let piece = "x".repeat(buffer_size);
        for _ in 0..100 {
            while response.has_room() {
                assert_eq!(response.write(piece.as_bytes(), DATE), Ok(()));
            }
            response.advance(response.output().len() / 3);
        }
        // The buffer has the head too.
        assert!(!response.take_buffer().try_reclaim(most + 512), "{buffer_size}");
    }
}

#[test]
fn a_declared_length_is_contradicted_by_any_other_until_the_head_is_sent() {
    let mut declared = made(&options(), &[Call::Field("content-length", "3")]);
    assert_eq!([2, 3, 4].map(|length| declared.contradicts(length)), [true, false, true]);
    assert!(!response(&options()).contradicts(0));
    assert!(!made(&TestOptions { head_only: true, ..options() }, &[Call::Field("content-length", "3")]).contradicts(0));
    assert_eq!(make(&mut declared, Call::Write("a")), Ok(()));
    assert!(!declared.contradicts(0));
}
