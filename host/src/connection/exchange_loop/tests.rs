//! Exchanges run over a connection in memory. Each time the loop waits, the client or the server does the next act.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::body_reader::BodyReader;
use crate::config::{ErrorDetail, Timeouts};
use crate::connection::io::ConnectionIo;
use crate::exchange::tests::exchange_until;
use crate::exchange::{BodyError, Exchange};
use crate::http1::framing::BodyFraming;
use crate::http1::server::RequestFraming;
use crate::net::Stream;
use crate::net::memory::memory_stream;
use crate::pump::Pump;
use crate::response::ResponseError;
use crate::worker::Shutdown;

/// Longer than any of these tests.
const HOUR: Duration = Duration::from_secs(3600);

/// What happens when the loop waits.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The client sends bytes.
    Send(&'static str),
    /// The client reads what was sent to it.
    Read,
    /// The client closes its sending side.
    CloseWrite,
    /// The client resets the connection.
    Reset,
    /// The server tells its connections to end.
    Drain,
}

/// A request on a connection in memory.
struct TestRequest {
    body: BodyFraming,
    /// How many bytes the connection takes before the client reads some.
    capacity: usize,
    /// The time of its handler.
    timeout: Duration,
    timeouts: Timeouts,
    acts: VecDeque<Act>,
}

/// How an exchange has ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    received: String,
    end: ExchangeEnd,
    /// Whether the connection reads another request, or why it ends.
    next: Result<(), CloseReason>,
    /// Whether the handler was left to go on.
    is_handler_left: bool,
}

impl TestRequest {
    fn new(body: BodyFraming, acts: impl IntoIterator<Item = Act>) -> Self {
        let timeouts = Timeouts { grace: Duration::ZERO, ..Timeouts::default() };
        Self { body, capacity: 1 << 20, timeout: HOUR, timeouts, acts: acts.into_iter().collect() }
    }

    fn exchange(&self) -> Arc<Exchange> {
        Arc::new(exchange_until(Instant::now() + self.timeout, self.body != BodyFraming::None))
    }

    /// Serves it with a handler that `handle` makes.
    fn serve<G>(self, handle: impl FnOnce(Arc<Exchange>) -> G) -> Ended
    where
        G: Future<Output = Result<Outcome, CallError>>,
    {
        let exchange = self.exchange();
        let handler = handle(exchange.clone());
        self.serve_as(&exchange, handler, |_| ())
    }

    /// Serves it, after `prepare` has changed the loop.
    fn serve_as<G>(
        mut self,
        exchange: &Arc<Exchange>,
        handler: G,
        prepare: impl for<'c> FnOnce(&mut ExchangeLoop<'c, G>),
    ) -> Ended
    where
        G: Future<Output = Result<Outcome, CallError>>,
    {
        let (stream, client) = memory_stream(self.capacity);
        let (socket, stopping) = (Stream::Memory(stream), Shutdown::default());
        let (mut input, mut timer, mut half_closed) = (BytesMut::new(), Timer::default(), false);
        let framing = RequestFraming { body: self.body, ..RequestFraming::CLOSING };
        let body_reader = BodyReader::new(framing.body(1000), 64, None, &self.timeouts);
        let mut handler = pin!(Some(handler));
        let mut received = String::new();
        let finished = {
            let io = ConnectionIo {
                socket: &socket,
                input: &mut input,
                timer: &mut timer,
                half_closed: &mut half_closed,
                timeouts: &self.timeouts,
                stopping: &stopping,
                error_detail: ErrorDetail::Public,
            };
            let pump = Pump::new(None, &self.timeouts);
            let mut exchange_loop = ExchangeLoop::new(io, exchange.clone(), handler.as_mut(), None, body_reader, pump);
            prepare(&mut exchange_loop);
            let mut run = pin!(exchange_loop.run());
            // It is polled again only if it is woken, as by the runtime.
            let run = poll_fn(|cx| {
                let run = run.as_mut().poll(cx);
                if run.is_pending() {
                    match self.acts.pop_front() {
                        Some(Act::Send(bytes)) => client.send(bytes.as_bytes()),
                        Some(Act::Read) => received.push_str(&client.receive()),
                        Some(Act::CloseWrite) => client.close_write(),
                        Some(Act::Reset) => client.reset(),
                        Some(Act::Drain) => stopping.drain(),
                        None => {}
                    }
                }
                run
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), run).await })
        };
        let Finished { end, next } = finished.expect("the exchange ends");
        received.push_str(&client.receive());
        let next = next.map(|next| assert!(matches!(next, Next::Request)));
        Ended { received, end, next, is_handler_left: handler.is_some() }
    }
}

impl Ended {
    fn status(&self) -> &str {
        self.received.split(' ').nth(1).unwrap_or_default()
    }

    /// The decoded body, and whether its last chunk was received.
    fn body(&self) -> (String, bool) {
        let body = self.received.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let whole = body.strip_suffix("0\r\n\r\n");
        let pieces = whole.unwrap_or(body).split("\r\n").enumerate().filter(|(at, _)| at % 2 == 1);
        (pieces.map(|(_, piece)| piece).collect(), whole.is_some())
    }

    #[track_caller]
    fn assert_whole(&self, status: &str, body: &str) {
        assert_eq!((self.status(), self.body()), (status, (body.to_owned(), true)), "{self:?}");
        assert_eq!((self.end, self.next), (ExchangeEnd::Complete, Ok(())), "{self:?}");
    }
}

fn returned(body: impl Into<Bytes>) -> Result<Outcome, CallError> {
    Ok(Outcome::Body(body.into()))
}

fn failed() -> Result<Outcome, CallError> {
    Err(CallError::Failed("a reason".to_owned()))
}

async fn write(exchange: &Exchange, chunk: &[u8]) -> Result<(), ResponseError> {
    let mut offset = 0;
    while !exchange.write(chunk, &mut offset)? {
        exchange.writable().await;
    }
    Ok(())
}

/// The pieces of the request's body, and how it has ended.
async fn read(exchange: &Exchange) -> (Vec<Bytes>, Result<(), BodyError>) {
    let mut pieces = Vec::new();
    loop {
        match exchange.read(64).await {
            Ok(Some(piece)) => pieces.push(piece),
            Ok(None) => return (pieces, Ok(())),
            Err(error) => return (pieces, Err(error)),
        }
    }
}

/// Reads the request's body and answers with its pieces. Fails if the body does.
async fn echo(exchange: Arc<Exchange>) -> Result<Outcome, CallError> {
    let (pieces, end) = read(&exchange).await;
    end.map_err(|error| CallError::Failed(error.to_string()))?;
    returned(pieces.join(&b'|'))
}

#[test]
fn what_a_handler_returns_is_sent_and_the_connection_goes_on() {
    let ended = TestRequest::new(BodyFraming::None, []).serve(|_| async { returned("abc") });
    ended.assert_whole("200", "abc");
    assert!(!ended.is_handler_left);
}

#[test]
fn a_handler_that_writes_more_than_its_client_takes_waits_for_it_and_goes_on() {
    let request = TestRequest { capacity: 100, ..TestRequest::new(BodyFraming::None, [Act::Read; 1000]) };
    let ended = request.serve(|exchange| async move {
        for _ in 0..100 {
            write(&exchange, &[b'x'; 50]).await.expect("the client stays");
            let waiting = exchange.response(|response| response.output().len());
            assert!(waiting < 1000, "{waiting} bytes wait for the client");
        }
        returned("end")
    });
    ended.assert_whole("200", &format!("{}end", "x".repeat(5000)));
}

#[test]
fn each_piece_of_a_body_reaches_the_handler_when_it_arrives() {
    let acts = [Act::Send("abc"), Act::Send("de"), Act::Send("f")];
    TestRequest::new(BodyFraming::Length(6), acts).serve(echo).assert_whole("200", "abc|de|f");
    let acts = [Act::Send("3\r\nab"), Act::Send("c\r\n2\r\nde\r\n0"), Act::Send("\r\n\r\n")];
    TestRequest::new(BodyFraming::Chunked, acts).serve(echo).assert_whole("200", "ab|c|de");
}

#[test]
fn a_body_that_does_not_come_whole_is_the_fault_of_its_client() {
    let of = BodyFraming::Length(6);
    let rows: [(BodyFraming, &[Act], &str); 3] = [
        (of, &[Act::Send("abc"), Act::CloseWrite], "400"),
        (BodyFraming::Chunked, &[Act::Send("3\r\nabc\r\nx\r\n")], "400"),
        (BodyFraming::Chunked, &[Act::Send("3e9\r\n")], "413"),
    ];
    for (body, acts, status) in rows {
        let ended = TestRequest::new(body, acts.iter().copied()).serve(echo);
        assert_eq!((ended.status(), ended.end), (status, ExchangeEnd::Complete), "{acts:?}");
        assert!(ended.next.is_err(), "{acts:?}");
    }
}

#[test]
fn a_body_that_does_not_come_in_time_ends_with_its_time_out() {
    let mut request = TestRequest::new(BodyFraming::Length(6), []);
    request.timeouts.body = Duration::ZERO;
    assert_eq!(request.serve(echo).status(), "408");
}

#[test]
fn a_server_that_drains_gives_a_body_only_its_own_time() {
    let mut request = TestRequest::new(BodyFraming::Length(6), [Act::Send("abc"), Act::Drain]);
    (request.timeouts.body, request.timeouts.drain_request) = (HOUR, Duration::ZERO);
    assert_eq!(request.serve(echo).status(), "408");
}

#[test]
fn the_rest_of_a_body_that_its_handler_does_not_read_is_dropped_within_bounds() {
    let unread =
        |body, acts: &[Act]| TestRequest::new(body, acts.iter().copied()).serve(|_| async { returned("unread") });
    let acts = [Act::Send("abc"), Act::Send("def")];
    unread(BodyFraming::Length(6), &acts).assert_whole("200", "unread");
    let ended = unread(BodyFraming::Length(6), &[Act::Send("abc"), Act::CloseWrite]);
    assert_eq!((ended.body(), ended.next), (("unread".to_owned(), true), Err(CloseReason::BodyUnread)));
}

#[test]
fn a_client_that_is_gone_ends_a_handler_that_waits() {
    let ended = TestRequest::new(BodyFraming::None, [Act::Reset]).serve(|_| pending());
    assert_eq!((ended.end, ended.next), (ExchangeEnd::ClientGone, Err(CloseReason::ClientGone)));
    assert!(!ended.is_handler_left);
}

#[test]
fn a_client_that_takes_nothing_is_given_up_after_its_time_out() {
    let mut request = TestRequest { capacity: 10, ..TestRequest::new(BodyFraming::None, []) };
    request.timeouts.write = Duration::ZERO;
    let ended = request.serve(|_| async { returned("abc") });
    assert_eq!((ended.end, ended.next), (ExchangeEnd::ClientGone, Err(CloseReason::WriteTimeout)));
    assert_eq!(ended.received.len(), 10);
}

#[test]
fn a_handler_that_writes_nothing_to_a_half_closed_client_is_ended() {
    let mut request = TestRequest::new(BodyFraming::None, [Act::CloseWrite]);
    request.timeouts.half_close = Duration::ZERO;
    let ended = request.serve(|_| pending());
    assert_eq!((ended.status(), ended.end), ("504", ExchangeEnd::Complete));
}

#[test]
fn a_handler_that_passes_its_deadline_is_dropped_and_answered_for() {
    let request = TestRequest { timeout: Duration::ZERO, ..TestRequest::new(BodyFraming::None, []) };
    let ended = request.serve(|_| pending());
    assert_eq!((ended.status(), ended.end, ended.next), ("504", ExchangeEnd::Complete, Ok(())));
    assert!(!ended.is_handler_left);
}

#[test]
fn a_handler_that_fails_is_an_error_before_the_head_and_a_truncated_body_after_it() {
    let ended = TestRequest::new(BodyFraming::None, []).serve(|_| async { failed() });
    assert_eq!((ended.status(), ended.end, ended.next), ("500", ExchangeEnd::Complete, Ok(())));
    let ended = TestRequest::new(BodyFraming::None, []).serve(|exchange| async move {
        write(&exchange, b"abc").await.expect("the client stays");
        failed()
    });
    assert_eq!((ended.status(), ended.body()), ("200", ("abc".to_owned(), false)));
    assert_eq!((ended.end, ended.next), (ExchangeEnd::Truncated, Err(CloseReason::Truncated)));
}

#[test]
fn a_handler_that_closes_ends_the_connection_without_a_byte_or_after_what_it_wrote() {
    let ended = TestRequest::new(BodyFraming::None, []).serve(|_| async { Ok(Outcome::Close) });
    assert_eq!((ended.received.as_str(), ended.end), ("", ExchangeEnd::Closed));
    assert_eq!(ended.next, Err(CloseReason::Handler));
    let ended = TestRequest::new(BodyFraming::None, []).serve(|exchange| async move {
        write(&exchange, b"abc").await.expect("the client stays");
        Ok(Outcome::Close)
    });
    assert_eq!((ended.body(), ended.next), (("abc".to_owned(), true), Err(CloseReason::Handler)));
}

#[test]
fn no_byte_is_sent_before_middleware_has_seen_the_head() {
    for (verdict, status, body) in [(None, "200", "abcdef"), (Some("replaced"), "403", "replaced")] {
        let request = TestRequest::new(BodyFraming::None, []);
        let exchange = request.exchange();
        let (of_handler, of_review) = (exchange.clone(), exchange.clone());
        let handler = async move {
            match write(&of_handler, b"abc").await {
                Ok(()) => returned("def"),
                Err(_) => failed(),
            }
        };
        let review = async move {
            assert_eq!(of_review.response(|response| response.sent_bytes()), 0);
            if verdict.is_some() {
                of_review.set_status(403).expect("the head is not sent");
            }
            verdict.map(Bytes::from)
        };
        let ended = request.serve_as(&exchange, handler, |exchange_loop| exchange_loop.hold_head(Box::pin(review)));
        ended.assert_whole(status, body);
    }
}

#[test]
fn a_handler_that_may_go_on_is_left_once_its_response_is_sent() {
    for goes_on in [true, false] {
        let request = TestRequest::new(BodyFraming::None, [Act::Reset]);
        let exchange = request.exchange();
        let of_handler = exchange.clone();
        let handler = async move {
            write(&of_handler, b"abc").await.expect("the client stays");
            write(&of_handler, b"").await.expect("the client stays");
            pending().await
        };
        let ended = request.serve_as(&exchange, handler, |exchange_loop| {
            if goes_on {
                exchange_loop.let_handler_go_on();
            }
        });
        assert_eq!((ended.body(), ended.is_handler_left), (("abc".to_owned(), true), goes_on));
        let next = if goes_on { Ok(()) } else { Err(CloseReason::ClientGone) };
        assert_eq!(ended.next, next);
    }
}
