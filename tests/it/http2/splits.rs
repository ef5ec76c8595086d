//! The client of the crate `h2` agrees with the host, however its bytes and its bodies are split.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::support::{TIMEOUT, TestServer};
use crate::wasi_http::worlds::WASI_02;

/// Sends what it receives back, with the trailers.
static SERVER: LazyLock<TestServer> = LazyLock::new(|| WASI_02.serve("http2_splits", ""));

const TARGET: &str = "/script?set&echo&echo-trailers&finish";

/// A socket that takes and gives few bytes at a time: one number after the other, and then from the first again.
struct SplitSocket {
    socket: TcpStream,
    sizes: Vec<usize>,
    next: usize,
}

impl SplitSocket {
    fn next(&mut self) -> usize {
        self.next += 1;
        self.sizes[self.next % self.sizes.len()]
    }
}

impl AsyncRead for SplitSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut bytes = vec![0; self.next().min(buffer.remaining())];
        let mut part = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut part);
        buffer.put_slice(part.filled());
        read
    }
}

impl AsyncWrite for SplitSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let size = self.next().min(bytes.len());
        Pin::new(&mut self.socket).poll_write(cx, &bytes[..size])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// A request: its body in pieces, each a DATA frame or several, and a trailer.
type Sent = (Vec<Vec<u8>>, Option<String>);

/// What came of it: the body, and the trailer.
type Received = (Vec<u8>, Option<String>);

/// Sends requests side by side on one connection.
async fn exchange(server: SocketAddr, sizes: Vec<usize>, window: u32, requests: Vec<Sent>) -> Vec<Received> {
    let socket = TcpStream::connect(server).await.expect("the server accepts");
    socket.set_nodelay(true).expect("a socket can be without delay");
    let socket = SplitSocket { socket, sizes, next: 0 };
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window);
    let (client, connection) = builder.handshake::<_, Bytes>(socket).await.expect("it is HTTP/2");
    tokio::task::spawn_local(connection);
    let mut running = Vec::new();
    for (pieces, trailer) in requests {
        let mut client = client.clone().ready().await.expect("it takes a request");
        running.push(tokio::task::spawn_local(async move {
            let request = Request::builder().method(Method::POST).uri(format!("http://it{TARGET}"));
            let request = request.header("te", "trailers").body(()).expect("it is a request");
            let (response, mut body) = client.send_request(request, false).expect("it is sent");
            let send = tokio::task::spawn_local(async move {
                for piece in pieces {
                    body.send_data(piece.into(), false).expect("it is queued");
                }
                let trailers = trailer.into_iter().map(|value| {
                    let value = value.parse().expect("it is a value");
                    (http::HeaderName::from_static("x-trailer"), value)
                });
                body.send_trailers(trailers.collect::<HeaderMap>()).expect("they are queued");
            });
            let mut body = response.await.expect("it is answered").into_body();
            let mut received = Vec::new();
            while let Some(data) = body.data().await {
                let data = data.expect("it is not reset");
                received.extend_from_slice(&data);
                body.flow_control().release_capacity(data.len()).expect("it was received");
            }
            let trailers = body.trailers().await.expect("they are well-formed").unwrap_or_default();
            send.await.expect("it is sent");
            let trailer = trailers.get("x-trailer").map(|value| value.to_str().expect("it is text").to_owned());
            (received, trailer)
        }));
    }
    let mut received = Vec::new();
    for request in running {
        received.push(request.await.expect("it is received"));
    }
    received
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_sent_on_streams_comes_back_on_them_however_it_is_split(
        sizes in prop::collection::vec(1_usize..60, 1..8),
        window in 1_u32..2000,
        requests in prop::collection::vec(
            (
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..4),
                prop::option::of("[a-z]{1,20}"),
            ),
            1..5,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there are threads");
        let expected: Vec<Received> =
            requests.iter().map(|(pieces, trailer)| (pieces.concat(), trailer.clone())).collect();
        let served = async { tokio::time::timeout(TIMEOUT, exchange(SERVER.address(), sizes, window, requests)).await };
        let received = tokio::task::LocalSet::new().block_on(&runtime, served);
        prop_assert_eq!(received.expect("it is answered in time"), expected);
    }
}
