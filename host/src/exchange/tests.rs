use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::BytesMut;

use super::direct_write::MAX_RUN;
use super::*;
use crate::http::version::Version;
use crate::http1::decode::{BodyDecoder, Decoded};
use crate::http1::encoder::{Http1Encoder, Http1Options};
use crate::http1::framing::BodyFraming;
use crate::http1::head::{HeadLimits, HeadParser};
use crate::response::{AfterResponse, ResponseOptions};

mod trailers;
mod waits;

/// Longer than any of these tests.
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn options() -> ResponseOptions {
    ResponseOptions { head_only: false, status: 200, coalesce: 0, buffer_size: 64 }
}

fn response(options: ResponseOptions, content_type: &[u8]) -> Response {
    let buffer_size = options.buffer_size;
    let framing = Http1Options {
        version: Version::Http11,
        keep_alive: true,
        awaits_continue: false,
        chunked: true.into(),
        buffer_size,
    };
    Response::new(options, content_type, Http1Encoder::new(framing, BytesMut::new()))
}

#[derive(Debug)]
struct NoPeer;

impl RequestPeer for NoPeer {
    fn address(&self) -> String {
        "nobody".to_owned()
    }
}

fn request() -> Box<Request> {
    request_with("")
}

/// A request with more fields.
fn request_with(fields: &str) -> Box<Request> {
    let mut input = BytesMut::from(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
    let head = HeadParser::default().parse(&mut input, &HeadLimits::default());
    let head = head.expect("a good head").expect("a whole head");
    Box::new(Request { head, params: vec![], local_address: None, scheme: RequestScheme::Http, peer: NoPeer })
}

pub(crate) fn exchange(options: ResponseOptions) -> Arc<Exchange> {
    Arc::new(unshared(options))
}

/// An exchange whose handler has to end by `deadline`. Its request has a body if it `has_body`.
pub(crate) fn exchange_until(deadline: Instant, has_body: bool) -> Exchange {
    Exchange::new(request(), response(options(), b"text/plain"), has_body, deadline, None)
}

fn unshared(options: ResponseOptions) -> Exchange {
    Exchange::new(request(), response(options, b"text/plain"), true, Instant::now() + HOUR, None)
}

/// Lets the client take the whole output, and returns what follows the head.
fn take(exchange: &Exchange) -> String {
    exchange.response(|response| {
        let output = String::from_utf8_lossy(response.output()).into_owned();
        response.advance(output.len());
        output
            .split_once("\r\n\r\n")
            .filter(|(head, _)| head.starts_with("HTTP/1.1"))
            .map_or(output.clone(), |(_, body)| body.to_owned())
    })
}

/// Polls a handler once, even if it was not woken.
fn poll<F: Future>(exchange: &Arc<Exchange>, handler: Pin<&mut F>) -> Poll<F::Output> {
    let _ = exchange.take_wake();
    exchange.poll_handler(&exchange.handler_waker(), handler)
}

#[test]
fn a_chunk_is_cut_at_the_size_of_the_buffer() {
    let exchange = exchange(options());
    let (mut offset, piece) = (0, "x".repeat(64));
    assert_eq!(exchange.write(format!("{piece}yz").as_bytes(), &mut offset), Ok(true));
    assert_eq!(offset, 66);
    assert_eq!(take(&exchange), format!("40\r\n{piece}\r\n2\r\nyz\r\n"));
    assert_eq!(exchange.write(b"", &mut 0), Ok(true));
    assert_eq!(take(&exchange), "0\r\n\r\n");
    assert_eq!(exchange.write(b"a", &mut 0), Err(ResponseError::Closed));
    assert_eq!(exchange.write(b"", &mut 0), Err(ResponseError::Closed));
}

#[test]
fn a_write_waits_for_room_and_goes_on_where_it_was() {
    let exchange = exchange(options());
    let chunk: Vec<u8> = (0..4000_u32).map(|at| b'a' + (at % 26) as u8).collect();
    let (mut offset, mut body, mut waits) = (0, String::new(), 0);
    while exchange.write(&chunk, &mut offset) == Ok(false) {
        let mut room = pin!(exchange.writable());
        assert!(poll(&exchange, room.as_mut()).is_pending());
        assert!(!exchange.is_runnable());
        // Four pieces of 64 bytes, and one more that began below, as a chunk.
        assert!(exchange.response(|response| response.output().len()) < 4 * 64 + 64 + 6);
        body.push_str(&take(&exchange));
        assert!(exchange.is_runnable());
        assert!(poll(&exchange, room).is_ready());
        waits += 1;
    }
    body.push_str(&take(&exchange));
    let pieces: String = body.split("\r\n").enumerate().filter(|(at, _)| at % 2 == 1).map(|(_, piece)| piece).collect();
    assert_eq!(pieces.as_bytes(), chunk);
    assert!(waits > 10);
}

/// A client that takes `most` bytes at once, `left` times, and then no more.
#[derive(Debug)]
struct Client {
    most: usize,
    left: AtomicUsize,
    received: Mutex<Vec<u8>>,
}

impl Client {
    fn new(most: usize, times: usize) -> Arc<Self> {
        Arc::new(Self { most, left: AtomicUsize::new(times), received: Mutex::default() })
    }
}

impl DirectWriter for Client {
    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed).checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
        self.left.store(left, Ordering::Relaxed);
        let offered = slices.iter().flat_map(|slice| slice.to_vec());
        let taken: Vec<u8> = offered.take(self.most).collect();
        self.received.lock().expect("no test has panicked").extend_from_slice(&taken);
        Ok(taken.len())
    }
}

/// The size of a chunk that is written directly, and not through the output.
const LARGE: usize = 200_000;

fn large(client: &Arc<Client>) -> Arc<Exchange> {
    let mut exchange = unshared(ResponseOptions { buffer_size: 16 * 1024, ..options() });
    exchange.send_through(client.clone());
    Arc::new(exchange)
}

/// The body of the chunks in `coded`.
fn decoded(coded: &[u8]) -> Vec<u8> {
    let (mut decoder, mut coded) = (BodyDecoder::new(BodyFraming::Chunked, u64::MAX), BytesMut::from(coded));
    let mut body = Vec::new();
    while let Ok(Decoded::Piece(piece)) = decoder.decode(&mut coded, usize::MAX) {
        body.extend_from_slice(&piece);
    }
    body
}

#[test]
fn a_large_chunk_goes_past_the_output_to_a_client_that_takes_it() {
    let client = Client::new(usize::MAX, usize::MAX);
    let (exchange, chunk) = (large(&client), vec![b'x'; LARGE]);
    let mut offset = 0;
    while exchange.write(&chunk, &mut offset) == Ok(false) {
        assert!(poll(&exchange, pin!(exchange.writable())).is_ready(), "the client would take more");
    }
    assert_eq!(offset, LARGE);
    // The rest of the chunk is too small for a direct write.
    assert!(exchange.response(|response| response.output().len()) < 32 * 1024);
    let sent = client.received.lock().expect("no test has panicked").len();
    assert!(sent > LARGE - 32 * 1024);
    assert_eq!(exchange.response(|response| response.sent_bytes()), sent as u64);
}

#[test]
fn a_large_chunk_goes_on_as_output_where_its_client_stops_to_take_it() {
    for most in [0, 1, 100, 200, 16_384, 16_600, 50_000, 131_400] {
        let client = Client::new(most, 1);
        let exchange = large(&client);
        let chunk: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
        let (mut offset, mut received) = (0, Vec::new());
        loop {
            let whole = exchange.write(&chunk, &mut offset) == Ok(true);
            received.append(&mut client.received.lock().expect("no test has panicked"));
            exchange.response(|response| {
                assert!(response.output().len() < 64 * 1024 + 16 * 1024 + 300, "after {most} bytes");
                received.extend_from_slice(response.output());
                response.advance(response.output().len());
            });
            if whole {
                break;
            }
        }
        let head = received.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
        assert_eq!(decoded(&received[head + 4..]), chunk, "after {most} bytes");
    }
}

#[test]
fn the_first_write_to_a_response_without_a_body_is_taken_whatever_its_size() {
    for (head_only, status) in [(true, 200), (false, 204), (false, 304)] {
        for size in [1, 64, 65, 1000] {
            let exchange = exchange(ResponseOptions { head_only, status, ..options() });
            assert_eq!(exchange.write(&vec![b'x'; size], &mut 0), Ok(true), "{status} {size}");
            assert_eq!(take(&exchange), "", "{status} {size}");
            assert_eq!(exchange.write(b"a", &mut 0), Err(ResponseError::Closed));
            assert!(exchange.response(|response| response.connection() == AfterResponse::KeepAlive));
        }
    }
}

#[test]
fn a_chunk_that_is_longer_than_declared_is_refused_as_a_whole() {
    let exchange = exchange(options());
    assert_eq!(exchange.change_field("content-length", |fields| fields.set("content-length", b"100")), Ok(()));
    let mut offset = 0;
    assert_eq!(exchange.write(&[b'x'; 101], &mut offset), Err(ResponseError::Invalid));
    assert_eq!((offset, exchange.response(|response| response.is_building())), (0, true));
    assert_eq!(exchange.write(&[b'x'; 30], &mut 0), Ok(true));
    assert_eq!(exchange.write(&[b'y'; 71], &mut 0), Err(ResponseError::Invalid));
    assert_eq!(exchange.write(&[b'z'; 70], &mut 0), Ok(true));
    assert_eq!(exchange.write(b"", &mut 0), Ok(true));
    assert_eq!(take(&exchange), ["x".repeat(30), "z".repeat(70)].concat());
    assert!(exchange.response(|response| response.connection() == AfterResponse::KeepAlive));
}

#[test]
fn a_write_after_the_end_does_not_wait_for_room() {
    let exchange = exchange(options());
    let mut offset = 0;
    assert_eq!(exchange.write(&[b'x'; 1000], &mut offset), Ok(false));
    exchange.client_gone(HOUR);
    assert!(poll(&exchange, pin!(exchange.writable())).is_ready());
    assert_eq!(exchange.write(&[b'x'; 1000], &mut offset), Err(ResponseError::Closed));
}

#[test]
fn close_sends_nothing_or_finishes_what_was_written() {
    let silent = exchange(options());
    assert_eq!(silent.set_status(201), Ok(()));
    silent.close();
    silent.close();
    assert_eq!((take(&silent).as_str(), silent.is_closed_by_handler()), ("", true));
    assert_eq!(silent.set_status(200), Err(ResponseError::Closed));

    let written = exchange(options());
    assert_eq!(written.write(b"a", &mut 0), Ok(true));
    written.close();
    assert_eq!((take(&written).as_str(), written.is_closed_by_handler()), ("1\r\na\r\n0\r\n\r\n", true));
    assert!(!written.response(|response| response.connection() == AfterResponse::KeepAlive));

    let complete = exchange(options());
    assert_eq!(complete.write(b"", &mut 0), Ok(true));
    complete.close();
    assert_eq!((take(&complete).as_str(), complete.is_closed_by_handler()), ("0\r\n\r\n", false));
    assert!(complete.response(|response| response.connection() == AfterResponse::KeepAlive));
}

#[test]
fn a_handler_that_gave_up_changes_nothing_more_and_says_why_once() {
    let exchange = exchange(options());
    assert_eq!(exchange.fail(|| Err("no text")), Err("no text"));
    assert_eq!(exchange.set_status(201), Ok(()));
    assert_eq!(exchange.fail(|| Ok::<_, ()>("first".to_owned())), Ok(()));
    assert_eq!(exchange.fail(|| Err("no text")), Ok(()));
    assert_eq!(exchange.set_status(202), Err(ResponseError::Closed));
    assert_eq!(exchange.change_field("a", |fields| fields.set("a", b"b")), Err(ResponseError::Closed));
    for chunk in [&b"a"[..], b""] {
        assert_eq!(exchange.write(chunk, &mut 0), Err(ResponseError::Closed));
    }
    exchange.close();
    assert!(!exchange.is_closed_by_handler());
    assert_eq!(exchange.response(|response| (response.is_building(), response.head().status())), (true, 201));
    assert_eq!(exchange.take_failure().as_deref(), Some("first"));
    assert_eq!(exchange.take_failure(), None);
}

#[test]
fn the_body_comes_in_pieces_no_larger_than_asked_for() {
    let exchange = exchange(options());
    assert_eq!(exchange.requested(), None);
    let mut first = pin!(exchange.read(3));
    assert!(poll(&exchange, first.as_mut()).is_pending());
    assert_eq!((exchange.requested(), exchange.is_runnable()), (Some(3), false));
    exchange.push_piece(Bytes::from_static(b"abcde"));
    assert_eq!((exchange.requested(), exchange.is_runnable()), (None, true));
    assert_eq!(poll(&exchange, first), Poll::Ready(Ok(Some(Bytes::from_static(b"abc")))));
    assert_eq!(poll(&exchange, pin!(exchange.read(9))), Poll::Ready(Ok(Some(Bytes::from_static(b"de")))));
    let mut last = pin!(exchange.read(9));
    assert!(poll(&exchange, last.as_mut()).is_pending());
    exchange.end_body(Ok(()));
    assert_eq!(poll(&exchange, last), Poll::Ready(Ok(None)));
    assert_eq!(poll(&exchange, pin!(exchange.read(9))), Poll::Ready(Ok(None)));
    assert_eq!(exchange.body_error(), None);
}

#[test]
fn a_body_that_ends_badly_says_so_each_time() {
    for error in [BodyError::Incomplete, BodyError::Malformed, BodyError::TooLarge, BodyError::TimedOut] {
        let exchange = exchange(options());
        exchange.end_body(Err(error));
        for _ in 0..2 {
            assert_eq!(poll(&exchange, pin!(exchange.read(1))), Poll::Ready(Err(error)));
        }
        assert_eq!(exchange.body_error(), Some(error));
    }
    let statuses = [BodyError::Incomplete, BodyError::Malformed, BodyError::TooLarge, BodyError::TimedOut];
    assert_eq!(statuses.map(BodyError::status), [400, 400, 413, 408]);
}

#[test]
fn a_request_without_a_body_has_none_at_once() {
    let exchange = Arc::new(Exchange::new(request(), response(options(), b""), false, Instant::now(), None));
    assert_eq!(poll(&exchange, pin!(exchange.read(1))), Poll::Ready(Ok(None)));
    assert_eq!(exchange.request().map(|request| request.head.method()), Some("POST"));
    assert!(Exchange::answered(response(options(), b"")).request().is_none());
}

#[test]
fn nothing_of_a_response_is_encoded_before_its_head_was_seen() {
    let exchange = exchange(options());
    exchange.hold_head();
    let mut offset = 0;
    assert_eq!((exchange.write(b"abc", &mut offset), offset), (Ok(false), 0));
    assert!(exchange.is_head_requested() && exchange.is_head_held());
    let mut room = pin!(exchange.writable());
    assert!(poll(&exchange, room.as_mut()).is_pending());
    exchange.begin_review(HOUR);
    // A middleware that sees the response cannot write.
    assert_eq!(exchange.write(b"x", &mut 0), Err(ResponseError::Closed));
    assert!(poll(&exchange, room.as_mut()).is_pending());
    assert_eq!(exchange.response(|response| response.output().len()), 0);
    assert!(exchange.deadline().is_some(), "it is the chain's time, not the client's");
    exchange.release_head();
    assert!(poll(&exchange, room.as_mut()).is_ready());
    assert_eq!(exchange.write(b"abc", &mut offset), Ok(true));
    assert_eq!(take(&exchange), "3\r\nabc\r\n");
}

#[test]
fn the_time_of_a_middleware_is_within_that_of_the_route() {
    let exchange = exchange(options());
    let route = exchange.deadline().expect("it waits for nobody");
    exchange.enter("it".into(), 2 * HOUR);
    assert_eq!(exchange.deadline(), Some(route));
    exchange.enter("it".into(), HOUR / 2);
    assert!(exchange.deadline() < Some(route));
    exchange.leave();
    assert_eq!((exchange.deadline(), exchange.middleware()), (Some(route), None));
}

#[test]
fn notes_are_bounded_in_number_names_and_bytes() {
    let exchange = exchange(options());
    for number in 0..64 {
        assert_eq!(exchange.set_context_value(&format!("{number:02}"), b""), Ok(()));
    }
    assert_eq!(exchange.set_context_value("64", b""), Err(ContextError::TooLarge));
    let (fits, too_long) = (vec![b'x'; 65_536 - 128], vec![b'x'; 65_536 - 127]);
    assert_eq!(exchange.set_context_value("00", &too_long), Err(ContextError::TooLarge));
    assert_eq!(exchange.context_value("00").as_deref(), Some(&b""[..]), "it is as it was");
    assert_eq!(exchange.set_context_value("00", &fits), Ok(()));
    assert_eq!(exchange.set_context_value("01", b"x"), Err(ContextError::TooLarge));
    assert_eq!(exchange.set_context_value("00", b""), Ok(()));
    let named = |bytes| "n".repeat(bytes);
    let other = self::exchange(options());
    assert_eq!(other.set_context_value(&named(256), b"v"), Ok(()));
    assert_eq!(other.set_context_value(&named(257), b"v"), Err(ContextError::TooLarge));
    assert_eq!(other.context_value("n"), None);
}

#[test]
fn a_handler_that_writes_for_a_while_should_yield_after_a_write() {
    let (exchange, begun, run) = (exchange(options()), Instant::now(), MAX_RUN);
    let should_yield = |now| exchange.should_yield(|| now);
    (0..YieldBudget::UNTIMED).for_each(|_| assert!(!exchange.should_yield(|| panic!("the clock was read"))));
    assert!(!should_yield(begun));
    assert!(!should_yield(begun + run - Duration::from_nanos(1)));
    assert!(should_yield(begun + run));
    assert!(!should_yield(begun + run + run / 2), "it has just yielded");
    assert!(should_yield(begun + 2 * run));
}
