//! The pump is driven over a socket on loopback.

use std::future::poll_fn;
use std::num::NonZeroU64;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::date::Date;
use crate::http::version::Version;
use crate::http1::encoder::{Http1Encoder, Http1Options};
use crate::rate::Budget;
use crate::response::{Response, ResponseOptions};

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";

fn budget(per_second: u64, burst: u64, now: Instant) -> Budget {
    Budget::new(rate(per_second), burst, now)
}

fn rate(per_second: u64) -> NonZeroU64 {
    NonZeroU64::new(per_second).expect("the rates of these tests are above 0")
}

/// A response of `body`, whole in the output, and its length there.
fn answered(body: &[u8]) -> (Exchange, usize) {
    let buffer_size = body.len();
    let framing = Http1Options {
        version: Version::Http11,
        keep_alive: true,
        awaits_continue: false,
        chunked: false.into(),
        buffer_size,
    };
    let options = ResponseOptions { head_only: false, status: 200, coalesce: 0, buffer_size };
    let mut response = Response::new(options, b"text/plain", Http1Encoder::new(framing, BytesMut::new()));
    response.begin(Some(body.len() as u64), DATE).expect("nothing is sent");
    response.write(body, DATE).expect("as long as declared");
    response.finish(DATE).expect("not over");
    let length = response.output().len();
    (Exchange::answered(response), length)
}

/// Both ends of a connection: the server's and the client's.
async fn connected() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (server, _) = accepted.expect("a client");
    // Until the runtime has seen that it can, a socket says that it would block.
    server.writable().await.expect("an open socket");
    (Stream::Tcp(server), client.expect("a server"))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

#[test]
fn all_of_the_output_reaches_the_client() {
    block_on(async {
        let (server, mut client) = connected().await;
        let body = vec![b'x'; 4 * 1024 * 1024];
        let (exchange, length) = answered(&body);
        let mut pump = Pump::new(None, &Timeouts::default());
        let mut received = vec![0; length];
        let pumped = poll_fn(|cx| pump.poll(cx, &server, &exchange));
        let (pumped, read) = tokio::join!(pumped, client.read_exact(&mut received));
        pumped.expect("a client that reads");
        assert_eq!(read.expect("a server that writes"), length);
        assert!(received.ends_with(&body));
        assert!(!pump.is_stalled());
    });
}

#[test]
fn a_client_that_takes_nothing_is_known_as_stalled_until_it_reads() {
    block_on(async {
        let (server, mut client) = connected().await;
        let (exchange, length) = answered(&vec![b'x'; 64 * 1024 * 1024]);
        let mut pump = Pump::new(None, &Timeouts::default());
        // The socket takes what its buffers hold, and then nothing.
        poll_fn(|cx| {
            assert!(pump.poll(cx, &server, &exchange).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(pump.is_stalled());
        let drained = async { tokio::io::copy(&mut (&mut client).take(length as u64), &mut tokio::io::sink()).await };
        let (pumped, read) = tokio::join!(poll_fn(|cx| pump.poll(cx, &server, &exchange)), drained);
        pumped.expect("a client that reads");
        assert_eq!(read.expect("a server that writes"), length as u64);
        assert!(!pump.is_stalled());
    });
}

#[test]
fn no_more_than_the_rate_allows_is_written() {
    block_on(async {
        let (server, mut client) = connected().await;
        let (exchange, length) = answered(b"abc");
        // Two pieces pass at once, and the third after seven seconds.
        let start = Instant::now();
        let mut pump = Pump::new(Some(Pacer::new(budget(1, 14, start), 7)), &Timeouts::default());
        poll_fn(|cx| {
            assert!(pump.poll(cx, &server, &exchange).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(exchange.response(|response| response.output().len()), length - 14);
        assert!(pump.paced_until().is_some_and(|at| at > start));
        assert!(!pump.is_stalled());
        drop(server);
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.expect("the end of the server");
        assert_eq!(received, b"HTTP/1.1 200 O");
    });
}

#[test]
fn a_client_that_is_gone_is_an_error() {
    block_on(async {
        let (server, client) = connected().await;
        client.set_zero_linger().expect("an open socket");
        drop(client);
        let (exchange, _) = answered(&vec![b'x'; 64 * 1024 * 1024]);
        let mut pump = Pump::new(None, &Timeouts::default());
        assert!(poll_fn(|cx| pump.poll(cx, &server, &exchange)).await.is_err());
    });
}
