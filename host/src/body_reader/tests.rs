//! The body is read from a socket on loopback.

use std::future::poll_fn;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::exchange::{Request, RequestPeer, RequestScheme};
use crate::http1::framing::BodyFraming;
use crate::http1::head::{HeadLimits, HeadParser};
use crate::http1::server::RequestFraming;
use crate::response::{Response, ResponseOptions};

/// Longer than any of these tests.
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct NoPeer;

impl RequestPeer for NoPeer {
    fn address(&self) -> String {
        "nobody".to_owned()
    }
}

/// An exchange whose request is chunked, and who reads its body.
fn chunked() -> (Exchange, BodyReader) {
    let mut input = BytesMut::from(&b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"[..]);
    let head = HeadParser::default().parse(&mut input, &HeadLimits::default());
    let head = head.expect("a good head").expect("a whole head");
    let request = Request { head, params: vec![], local_address: None, scheme: RequestScheme::Http, peer: NoPeer };
    let framing = RequestFraming { body: BodyFraming::Chunked, ..RequestFraming::CLOSING };
    let options = ResponseOptions { head_only: false, status: 200, coalesce: 0, buffer_size: 64 };
    let response = Response::new(options, b"", framing.encoder(true, 64, BytesMut::new()));
    let exchange = Exchange::new(Box::new(request), response, true, Instant::now() + HOUR, None);
    (exchange, BodyReader::new(framing.body(1000), 64, None, &Timeouts::default()))
}

/// Both ends of a connection: the server's and the client's.
async fn connected() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (Stream::Tcp(accepted.expect("a client").0), client.expect("a server"))
}

type Lines = Vec<(String, Vec<u8>)>;

/// Reads all of a body that comes as `sent`, and gives it, how it has ended, and its trailers.
fn read(sent: &'static [u8]) -> (Vec<u8>, Result<(), BodyError>, Lines) {
    let (exchange, mut reader) = chunked();
    let read = async {
        let (server, mut client) = connected().await;
        client.write_all(sent).await.expect("the server reads it");
        let (mut input, mut body) = (BytesMut::new(), Vec::new());
        loop {
            let supplied = poll_fn(|cx| reader.poll(cx, &server, &mut input, &exchange));
            let (piece, supplied) = tokio::join!(exchange.read(64), supplied);
            supplied.expect("the client stays");
            assert!(!matches!(piece, Ok(Some(_))) || exchange.take_request_trailers().is_none());
            match piece {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return (body, Ok(())),
                Err(error) => return (body, Err(error)),
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (body, end) = runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), read).await })
        .expect("the body comes to its end");
    let trailers = exchange.take_request_trailers().unwrap_or_default();
    (body, end, trailers.all().map(|(name, value)| (name.to_owned(), value.to_vec())).collect())
}

#[test]
fn the_trailers_of_a_body_reach_its_handler_with_its_end() {
    let trailers = vec![("A".to_owned(), b"b".to_vec()), ("c".to_owned(), b"".to_vec())];
    let whole = (b"abc".to_vec(), Ok(()), trailers);
    assert_eq!(read(b"3\r\nabc\r\n0\r\nA: b\r\nHost: c\r\nc:\r\n\r\nGET /"), whole);
}

#[test]
fn a_body_without_trailers_or_with_malformed_ones_has_none() {
    assert_eq!(read(b"3\r\nabc\r\n0\r\n\r\n"), (b"abc".to_vec(), Ok(()), vec![]));
    let malformed = (b"abc".to_vec(), Err(BodyError::Malformed), vec![]);
    assert_eq!(read(b"3\r\nabc\r\n0\r\nA: b\r\nc\r\n\r\n"), malformed);
}
