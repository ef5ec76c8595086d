//! Bytes to requests, and to what the head says of the connection.

use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{RefusedRequest, RequestError, RequestFraming, ServerConnection};
use crate::http::date::Date;
use crate::http::response_head::CloseCause;
use crate::http::version::Version;
use crate::http1::body::MAX_DRAIN;
use crate::http1::decode::{DecodeError, Decoded, Malformation};
use crate::http1::framing::{BodyFraming, FramingError, UnmetExpectation};
use crate::http1::head::{HeadError, HeadLimits};
use crate::response::{AfterResponse, Response, ResponseOptions};

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";

fn connection(bytes: &str) -> ServerConnection {
    let mut connection = ServerConnection::default();
    connection.input_mut().extend_from_slice(bytes.as_bytes());
    connection
}

/// What a head and what follows it say of the connection.
fn framing(bytes: &str) -> Result<RequestFraming, RefusedRequest> {
    let mut connection = connection(bytes);
    let head = connection.next_head(&HeadLimits::default()).expect("a good head").expect("a whole head");
    connection.framing(&head)
}

#[test]
fn a_head_says_how_its_body_is_framed_and_whether_the_connection_persists() {
    let (http11, none) = (RequestFraming { keep_alive: true, ..RequestFraming::CLOSING }, BodyFraming::None);
    let http10 = RequestFraming { version: Version::Http10, keep_alive: false, ..http11 };
    let table: &[(&str, RequestFraming)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", RequestFraming { body: none, ..http11 }),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", RequestFraming { head_only: true, ..http11 }),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", RequestFraming { keep_alive: false, ..http11 }),
        ("GET / HTTP/1.0\r\n\r\n", http10),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", RequestFraming { keep_alive: true, ..http10 }),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
            RequestFraming { body: BodyFraming::Length(3), awaits_continue: true, ..http11 },
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
            RequestFraming { body: BodyFraming::Chunked, ..http11 },
        ),
        (
            "POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
            RequestFraming { body: BodyFraming::Length(3), ..http10 },
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(framing(bytes), Ok(*expected), "{bytes}");
    }
}

#[test]
fn a_request_that_cannot_be_framed_is_refused_with_its_status() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    let table: &[(&str, RequestError, u16, BodyFraming)] = &[
        (
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            FramingError::LengthAndCoding.into(),
            400,
            BodyFraming::None,
        ),
        ("Transfer-Encoding: gzip, chunked\r\n\r\n", FramingError::CodingUnknown.into(), 501, BodyFraming::None),
        ("Content-Length: 1\r\nExpect: tea\r\n\r\n", UnmetExpectation.into(), 417, BodyFraming::Length(1)),
        (
            "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
            DecodeError::Malformed(Malformation::ChunkSize).into(),
            400,
            BodyFraming::None,
        ),
    ];
    for (rest, error, status, body) in table {
        let refused = framing(&format!("{head}{rest}")).expect_err(rest);
        assert_eq!((refused.error, refused.error.status(), refused.framing.body), (*error, *status, *body), "{rest}");
    }
}

#[test]
fn an_answer_to_a_head_that_cannot_be_read_closes_and_has_no_body_after_head() {
    for (bytes, head_only) in [("HEAD / HTTP/9.9\r\n", true), ("GET / HTTP/9.9\r\n", false), ("\x16\x03\x01", false)] {
        let mut connection = connection(bytes);
        assert!(connection.next_head(&HeadLimits::default()).is_err());
        assert_eq!(connection.closing_framing(), RequestFraming { head_only, ..RequestFraming::CLOSING });
    }
    let mut unfinished = connection("HEAD / HTTP/1.1\r\nHo");
    assert_eq!(unfinished.next_head(&HeadLimits::default()), Ok(None));
    assert!(unfinished.closing_framing().head_only);
}

#[test]
fn a_response_is_framed_as_its_request_asks() {
    let answer = |framing: RequestFraming| {
        let options = ResponseOptions { head_only: framing.head_only, status: 200, coalesce: 0, buffer_size: 16 };
        let mut response = Response::new(options, b"", framing.encoder(true, 16, BytesMut::new()));
        response.write(b"a", DATE).expect("it is not over");
        if !response.is_over() {
            response.finish(DATE).expect("it is not over");
        }
        let head = String::from_utf8_lossy(response.output()).into_owned();
        (head.contains("\r\nTransfer-Encoding: chunked\r\n"), head.contains("\r\n\r\n1\r\na"), response.connection())
    };
    let http11 = RequestFraming { keep_alive: true, ..RequestFraming::CLOSING };
    assert_eq!(answer(http11), (true, true, AfterResponse::KeepAlive));
    assert_eq!(answer(RequestFraming::CLOSING), (true, true, AfterResponse::Close(CloseCause::Client)));
    assert_eq!(answer(RequestFraming { head_only: true, ..http11 }), (true, false, AfterResponse::KeepAlive));
    assert_eq!(
        answer(RequestFraming { version: Version::Http10, ..http11 }),
        (false, false, AfterResponse::Close(CloseCause::CloseDelimited))
    );
    // The body may follow or not.
    let awaiting = RequestFraming { body: BodyFraming::Length(1), awaits_continue: true, ..http11 };
    assert_eq!(answer(awaiting), (true, true, AfterResponse::Close(CloseCause::Server)));
}

#[test]
fn a_connection_is_used_again_after_a_body_that_nobody_reads_within_bounds() {
    let http11 = RequestFraming { keep_alive: true, ..RequestFraming::CLOSING };
    let of = |length| RequestFraming { body: BodyFraming::Length(length), ..http11 };
    let chunked = RequestFraming { body: BodyFraming::Chunked, ..http11 };
    let table: &[(RequestFraming, &str, bool)] = &[
        (http11, "", true),
        (of(3), "abc", true),
        (of(MAX_DRAIN), "", true),
        (of(MAX_DRAIN + 1), "", false),
        (of(MAX_DRAIN + 1), "a", true),
        (RequestFraming { awaits_continue: true, ..of(3) }, "", false),
        (chunked, "3\r\nabc", true),
        (chunked, "zz\r\n", false),
        (chunked, "0\r\n\r\n", true),
    ];
    for (framing, input, expected) in table {
        let mut body = framing.body(u64::MAX);
        assert_eq!(body.abandon(&mut BytesMut::from(*input)), *expected, "{framing:?} {input:?}");
    }
    let mut ended = of(3).body(u64::MAX);
    ended.end();
    assert!(!ended.abandon(&mut BytesMut::new()), "its rest is not to be had");
}

/// The methods of the requests in `pieces` and their bodies, and the error that they end with.
fn requests(pieces: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, Option<HeadError>) {
    let (mut connection, mut requests, mut running) = (ServerConnection::default(), Vec::new(), None);
    for piece in pieces {
        connection.input_mut().extend_from_slice(piece);
        loop {
            if running.is_none() {
                match connection.next_head(&HeadLimits::default()) {
                    Ok(Some(head)) => {
                        let framing = connection.framing(&head).expect("requests of this test can be framed");
                        running = Some((head.method().to_owned(), Vec::new(), framing.body(u64::MAX)));
                    }
                    Ok(None) => break,
                    Err(error) => return (requests, Some(error)),
                }
            }
            let Some((_, bytes, body)) = &mut running else { break };
            match body.decode(connection.input_mut(), usize::MAX).expect("bodies of this test are well-formed") {
                Decoded::Piece(piece) => bytes.extend_from_slice(&piece),
                Decoded::NeedMore => break,
                Decoded::End => requests.extend(running.take().map(|(method, bytes, _)| (method, bytes))),
            }
        }
    }
    (requests, None)
}

proptest! {
    #[test]
    fn any_split_of_pipelined_requests_gives_the_same_ones(places in prop::collection::vec(any::<Index>(), 0..8)) {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHello\
            PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n\
            DELETE / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/3.0\r\n";
        let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len())).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        let made = |method: &str, body: &[u8]| (method.to_owned(), body.to_vec());
        let expected = vec![made("GET", b""), made("POST", b"Hello"), made("PUT", b"abcde"), made("DELETE", b"")];
        prop_assert_eq!(requests(&pieces), (expected, Some(HeadError::VersionUnsupported)));
    }
}
