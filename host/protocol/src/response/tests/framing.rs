//! The exact bytes of every framing of RFC 9112 section 6.3, by version, option and status.

use super::{
    AfterResponse, Call, DATE, End, Http10, Http11, ResponseError, TestOptions, Version, check, keeps_alive, made,
    make, options,
};
use crate::http1::encoder::ChunkedCoding;

/// A version, the option `chunked`, whether the client allows keep-alive, and the expected framing and end.
type Row = (Version, bool, bool, &'static str, End);

fn check_rows(calls: &[Call], rows: &[Row]) {
    for &(version, chunked, keep_alive, expected, end) in rows {
        check(&TestOptions { version, chunked: chunked.into(), keep_alive, ..options() }, calls, expected, end);
    }
}

#[test]
fn a_body_on_its_own_is_chunked_or_has_its_length() {
    check_rows(
        &[Call::Body("abc")],
        &[
            (Http11, true, true, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", End::KeepAlive),
            (
                Http11,
                true,
                false,
                "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                End::Close,
            ),
            (Http11, false, true, "Content-Length: 3\r\n\r\nabc", End::KeepAlive),
            (Http11, false, false, "Content-Length: 3\r\nConnection: close\r\n\r\nabc", End::Close),
            (Http10, true, true, "Content-Length: 3\r\nConnection: keep-alive\r\n\r\nabc", End::KeepAlive),
            (Http10, true, false, "Content-Length: 3\r\nConnection: close\r\n\r\nabc", End::Close),
            (Http10, false, true, "Content-Length: 3\r\nConnection: keep-alive\r\n\r\nabc", End::KeepAlive),
            (Http10, false, false, "Content-Length: 3\r\nConnection: close\r\n\r\nabc", End::Close),
        ],
    );
}

#[test]
fn a_coding_that_is_used_if_needed_is_used_where_no_length_is_known() {
    let if_needed = TestOptions { chunked: ChunkedCoding::IfNeeded, ..options() };
    let of_head = TestOptions { head_only: true, ..if_needed.clone() };
    let http10 = TestOptions { version: Http10, ..if_needed.clone() };
    let (body, declared) = (Call::Body("abc"), Call::Field("content-length", "5"));
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let table: &[(&TestOptions, &[Call], &str, End)] = &[
        (&if_needed, &[body], "Content-Length: 3\r\n\r\nabc", End::KeepAlive),
        (&if_needed, &[Call::Body("")], "Content-Length: 0\r\n\r\n", End::KeepAlive),
        (&if_needed, &[Call::Write("")], "Content-Length: 0\r\n\r\n", End::KeepAlive),
        (&if_needed, &[Call::Write("abc"), Call::Body("de")], chunks, End::KeepAlive),
        (
            &if_needed,
            &[declared, Call::Write("abc"), Call::Body("de")],
            "Content-Length: 5\r\n\r\nabcde",
            End::KeepAlive,
        ),
        (&of_head, &[body], "Content-Length: 3\r\n\r\n", End::KeepAlive),
        (&of_head, &[Call::Write("abc")], "Transfer-Encoding: chunked\r\n\r\n", End::KeepAlive),
        (&http10, &[body], "Content-Length: 3\r\nConnection: keep-alive\r\n\r\nabc", End::KeepAlive),
        (&http10, &[Call::Write("abc"), Call::Body("de")], "Connection: close\r\n\r\nabcde", End::Close),
    ];
    for (options, calls, expected, end) in table {
        check(options, calls, expected, *end);
    }
}

#[test]
fn an_empty_body_is_one_with_a_length_too() {
    let rows: &[Row] = &[
        (Http11, true, true, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", End::KeepAlive),
        (Http11, false, true, "Content-Length: 0\r\n\r\n", End::KeepAlive),
        (Http10, true, true, "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n", End::KeepAlive),
        (Http10, false, false, "Content-Length: 0\r\nConnection: close\r\n\r\n", End::Close),
    ];
    check_rows(&[Call::Body("")], rows);
    check_rows(&[Call::Write("")], rows);
}

#[test]
fn writes_are_a_chunk_each_or_end_with_the_connection() {
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let last_chunks = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let rows: &[Row] = &[
        (Http11, true, true, chunks, End::KeepAlive),
        (Http11, true, false, last_chunks, End::Close),
        (Http11, false, true, "Connection: close\r\n\r\nabcde", End::Close),
        (Http11, false, false, "Connection: close\r\n\r\nabcde", End::Close),
        (Http10, true, true, "Connection: close\r\n\r\nabcde", End::Close),
        (Http10, true, false, "Connection: close\r\n\r\nabcde", End::Close),
        (Http10, false, true, "Connection: close\r\n\r\nabcde", End::Close),
        (Http10, false, false, "Connection: close\r\n\r\nabcde", End::Close),
    ];
    check_rows(&[Call::Write("abc"), Call::Write("de"), Call::Write("")], rows);
    check_rows(&[Call::Write("abc"), Call::Body("de")], rows);
    check_rows(&[Call::Write("abc"), Call::Write("de"), Call::Body("")], rows);
}

#[test]
fn the_size_of_a_chunk_is_in_lower_case_hexadecimal_without_leading_zeros() {
    let options = TestOptions { buffer_size: 1 << 20, ..options() };
    for (size, digits) in [(1, "1"), (10, "a"), (15, "f"), (16, "10"), (255, "ff"), (4096, "1000"), (1 << 20, "100000")]
    {
        let mut response = made(&options, &[Call::Write("a")]);
        response.advance(response.output().len());
        let piece = vec![b'x'; size];
        assert_eq!(response.write(&piece, DATE), Ok(()));
        let expected = [digits.as_bytes(), b"\r\n", &piece, b"\r\n"].concat();
        assert!(response.output() == expected, "{size}");
    }
}

#[test]
fn a_declared_length_takes_the_place_of_every_other_framing() {
    let close = "Content-Length: 5\r\nConnection: close\r\n\r\nabcde";
    let rows: &[Row] = &[
        (Http11, true, true, "Content-Length: 5\r\n\r\nabcde", End::KeepAlive),
        (Http11, true, false, close, End::Close),
        (Http11, false, true, "Content-Length: 5\r\n\r\nabcde", End::KeepAlive),
        (Http10, true, true, "Content-Length: 5\r\nConnection: keep-alive\r\n\r\nabcde", End::KeepAlive),
        (Http10, false, false, close, End::Close),
    ];
    let declared = Call::Field("content-LENGTH", "005");
    check_rows(&[declared, Call::Body("abcde")], rows);
    check_rows(&[declared, Call::Write("ab"), Call::Write("cde"), Call::Write("")], rows);
    check_rows(&[declared, Call::Write("ab"), Call::Body("cde")], rows);
}

#[test]
fn a_body_shorter_than_declared_is_truncated_and_a_longer_one_refused() {
    let declared = Call::Field("content-length", "5");
    check(&options(), &[declared, Call::Write("ab"), Call::Write("")], "Content-Length: 5\r\n\r\nab", End::Truncated);
    check(&options(), &[declared, Call::Write("")], "Content-Length: 5\r\n\r\n", End::Truncated);
    let mut response = made(&options(), &[declared, Call::Write("ab")]);
    assert_eq!(make(&mut response, Call::Write("cdef")), Err(ResponseError::Invalid));
    assert_eq!(make(&mut response, Call::Write("cde")), Ok(()));
    assert_eq!(make(&mut response, Call::Write("f")), Err(ResponseError::Invalid));
    assert_eq!(make(&mut response, Call::Write("")), Ok(()));
    assert_eq!((response.body_bytes(), keeps_alive(&response)), (5, true));
    assert!(response.output().ends_with(b"\r\n\r\nabcde"));
}

// RFC 9110 section 9.3.2: the fields of the response to GET, as far as they are known, and no body.
#[test]
fn a_head_request_gets_the_head_alone() {
    let declared = Call::Field("content-length", "5");
    let table: &[(Version, bool, &[Call], &str)] = &[
        (Http11, true, &[Call::Body("abc")], "Transfer-Encoding: chunked\r\n\r\n"),
        (Http11, true, &[Call::Write("abc")], "Transfer-Encoding: chunked\r\n\r\n"),
        (Http11, true, &[Call::Write("")], "Transfer-Encoding: chunked\r\n\r\n"),
        (Http11, false, &[Call::Body("abc")], "Content-Length: 3\r\n\r\n"),
        (Http11, false, &[Call::Body("")], "Content-Length: 0\r\n\r\n"),
        (Http11, false, &[Call::Write("abc")], "\r\n"),
        (Http10, true, &[Call::Body("abc")], "Content-Length: 3\r\nConnection: keep-alive\r\n\r\n"),
        (Http10, true, &[Call::Write("abc")], "Connection: keep-alive\r\n\r\n"),
        (Http11, true, &[declared, Call::Body("")], "Content-Length: 5\r\n\r\n"),
        (Http11, true, &[declared, Call::Write("a")], "Content-Length: 5\r\n\r\n"),
        (Http11, true, &[declared, Call::Write("abcdef")], "Content-Length: 5\r\n\r\n"),
    ];
    for &(version, chunked, calls, expected) in table {
        let options = TestOptions { version, chunked: chunked.into(), head_only: true, ..options() };
        check(&options, calls, expected, End::KeepAlive);
        let mut response = made(&options, calls);
        assert_eq!(make(&mut response, Call::Write("a")), Err(ResponseError::Closed), "{calls:?}");
        assert_eq!(response.body_bytes(), 0);
    }
}

// RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5, RFC 9112 section 6.3
#[test]
fn a_status_without_a_body_frames_none() {
    let table = [
        (204, "204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        (
            205,
            "205 Reset Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n",
        ),
        (304, "304 Not Modified\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
    ];
    let declared = Call::Field("content-length", "5");
    let calls: &[&[Call]] =
        &[&[Call::Body("abcde")], &[Call::Write("a")], &[Call::Write("")], &[declared, Call::Body("")]];
    for (code, head) in table {
        for calls in calls {
            for (version, connection) in [(Http11, ""), (Http10, "Connection: keep-alive\r\n")] {
                for head_only in [false, true] {
                    let options = TestOptions { version, head_only, ..options() };
                    let response = made(&options, &[&[Call::Status(code)], *calls].concat());
                    let output = String::from_utf8_lossy(response.output());
                    assert_eq!(output, format!("HTTP/1.1 {head}{connection}\r\n"), "{calls:?}");
                    assert!(keeps_alive(&response), "{code} {calls:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_truncated_never_looks_complete() {
    let http10 = TestOptions { version: Http10, ..options() };
    let coalesced = TestOptions { coalesce: 8, ..options() };
    let declared = Call::Field("content-length", "5");
    let table: &[(&TestOptions, &[Call], &str, End)] = &[
        (
            &options(),
            &[Call::Write("abc"), Call::Truncate],
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            End::Truncated,
        ),
        (&coalesced, &[Call::Write("abc"), Call::Truncate], "Transfer-Encoding: chunked\r\n\r\n", End::Truncated),
        (&options(), &[declared, Call::Write("abc"), Call::Truncate], "Content-Length: 5\r\n\r\nabc", End::Truncated),
        (&http10, &[Call::Write("abc"), Call::Truncate], "Connection: close\r\n\r\nabc", End::Reset),
        // A complete response cannot be truncated.
        (&options(), &[Call::Body(""), Call::Truncate], "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", End::KeepAlive),
    ];
    for (options, calls, expected, end) in table {
        check(options, calls, expected, *end);
    }
}

#[test]
fn what_is_truncated_before_its_head_sends_not_one_byte() {
    let response = made(&options(), &[Call::Status(201), Call::Field("a", "b"), Call::Truncate]);
    assert_eq!(response.output(), b"");
    assert!(response.is_truncated() && matches!(response.connection(), AfterResponse::Close(_)));
}

#[test]
fn a_close_finishes_what_was_written() {
    let chunks = "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    check(&options(), &[Call::Write("a"), Call::Close], chunks, End::Close);
    let http10 = TestOptions { version: Http10, ..options() };
    check(&http10, &[Call::Write("a"), Call::Close], "Connection: close\r\n\r\na", End::Close);
    let head = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n";
    check(&options(), &[Call::Close], head, End::Close);
}

#[test]
fn coalesced_writes_wait_until_they_are_worth_a_chunk() {
    let options = TestOptions { coalesce: 4, buffer_size: 8, ..options() };
    let head = "Transfer-Encoding: chunked\r\n\r\n";
    let table: &[(&[Call], &str, End)] = &[
        (&[Call::Write("abc")], "", End::Open),
        (&[Call::Write("abc"), Call::Flush], "3\r\nabc\r\n", End::Open),
        (&[Call::Write("abc"), Call::Write("d")], "4\r\nabcd\r\n", End::Open),
        (&[Call::Write("abcd"), Call::Write("e")], "4\r\nabcd\r\n", End::Open),
        (&[Call::Write("abc"), Call::Write("defgh")], "8\r\nabcdefgh\r\n", End::Open),
        // A piece is never larger than the buffer size.
        (&[Call::Write("abc"), Call::Write("defghi")], "3\r\nabc\r\n6\r\ndefghi\r\n", End::Open),
        (&[Call::Write("abc"), Call::Write("")], "3\r\nabc\r\n0\r\n\r\n", End::KeepAlive),
        (&[Call::Write("a"), Call::Body("b")], "2\r\nab\r\n0\r\n\r\n", End::KeepAlive),
        (&[Call::Write("abc"), Call::Truncate], "", End::Truncated),
    ];
    for (calls, expected, end) in table {
        check(&options, calls, &format!("{head}{expected}"), *end);
        let plain: String =
            calls.iter().map(|call| if let Call::Write(text) | Call::Body(text) = call { text } else { "" }).collect();
        assert_eq!(made(&options, calls).body_bytes(), plain.len() as u64, "{calls:?}");
    }
    let close_delimited = TestOptions { version: Http10, ..options };
    check(&close_delimited, &[Call::Write("abc")], "Connection: close\r\n\r\n", End::Open);
    check(&close_delimited, &[Call::Write("abc"), Call::Body("d")], "Connection: close\r\n\r\nabcd", End::Close);
}
