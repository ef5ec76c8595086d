//! Requests to servers that answer raw bytes, by names that a stub looks up.

mod limits;
mod pool;
mod reach;
mod tls;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks up the names that it was given, and counts.
#[derive(Debug, Default)]
struct StubResolver {
    names: HashMap<String, Vec<IpAddr>>,
    lookups: AtomicUsize,
}

impl StubResolver {
    fn new(names: &[(&str, &[&str])]) -> Arc<Self> {
        let addresses = |all: &[&str]| all.iter().map(|text| text.parse().expect("an address")).collect();
        let names = names.iter().map(|(name, all)| ((*name).to_owned(), addresses(all))).collect();
        Arc::new(Self { names, lookups: AtomicUsize::new(0) })
    }
}

impl Resolve for StubResolver {
    fn resolve(&self, name: &str, _: LookupPermit) -> ResolveFuture {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let found = self.names.get(name).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("there is no such name")) })
    }
}

/// A server on a free port of this machine.
struct Upstream {
    port: u16,
    /// What its connections were sent, in the order in which they were opened.
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Calls `serve` with each connection and its number, from 0.
    async fn new<F, S>(serve: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(usize, Accepted) -> F + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                log.lock().expect("the log").push(Vec::new());
                tokio::spawn(serve(number, Accepted { stream, number, log: log.clone() }));
            }
        });
        Self { port, received, task }
    }

    /// Answers each request with the same bytes.
    async fn answering(answer: &'static [u8]) -> Self {
        Self::new(move |_, mut accepted| async move {
            while accepted.request().await {
                accepted.write(answer).await;
            }
        })
        .await
    }

    fn connections(&self) -> usize {
        self.received.lock().expect("the log").len()
    }

    fn requests(&self) -> Vec<String> {
        let received = self.received.lock().expect("the log");
        received.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn grant(&self) -> Arc<HttpGrant> {
        self.limited(HttpLimits::default())
    }

    fn limited(&self, limits: HttpLimits) -> Arc<HttpGrant> {
        grant(&[&self.url("")], limits, StubResolver::new(&[]))
    }
}

/// A connection that a server has accepted.
struct Accepted {
    stream: TcpStream,
    number: usize,
    log: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Accepted {
    /// Reads a request up to the end of its head. False at the end of the connection.
    async fn request(&mut self) -> bool {
        self.read_until(b"\r\n\r\n").await
    }

    /// Reads until these bytes come.
    async fn read_until(&mut self, end: &[u8]) -> bool {
        let mut read = Vec::new();
        while !read.ends_with(end) {
            let mut byte = [0];
            if !matches!(self.stream.read(&mut byte).await, Ok(1)) {
                return false;
            }
            read.push(byte[0]);
            self.log.lock().expect("the log")[self.number].push(byte[0]);
        }
        true
    }

    async fn write(&mut self, bytes: &[u8]) {
        // The client may have gone.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Writes until the client takes no more.
    async fn write_for_ever(&mut self, bytes: &[u8]) {
        while self.stream.write_all(bytes).await.is_ok() {}
    }

    /// Waits until the client has gone.
    async fn closed(mut self) {
        drain(&mut self.stream).await;
    }
}

async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    while !matches!(stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {}
}

fn grant(patterns: &[&str], limits: HttpLimits, resolver: Arc<StubResolver>) -> Arc<HttpGrant> {
    grant_of(UpstreamClient::default().with_resolver(resolver), patterns, limits)
}

fn grant_of(client: UpstreamClient, patterns: &[&str], limits: HttpLimits) -> Arc<HttpGrant> {
    let patterns = patterns.iter().map(|pattern| pattern.parse().expect("a pattern")).collect();
    HttpGrant::new(Arc::new(client), patterns, limits)
}

fn request(method: &str, url: &str, body: UpstreamBody) -> UpstreamRequest {
    UpstreamRequest {
        method: Method::from_bytes(method.as_bytes()).expect("a method"),
        target: url.parse().expect("a URL"),
        fields: HeaderMap::new(),
        body,
        timeouts: CallTimeouts::default(),
    }
}

/// Sends a request in an invocation of its own, and reads its whole response.
async fn call(grant: &Arc<HttpGrant>, request: UpstreamRequest) -> Result<(u16, Vec<u8>), UpstreamFailure> {
    read_all(grant.start(&InvocationCalls::new(grant.limits()), request).await?).await
}

async fn get(grant: &Arc<HttpGrant>, url: &str) -> Result<(u16, Vec<u8>), UpstreamFailure> {
    call(grant, request("GET", url, UpstreamBody::Empty)).await
}

async fn read_all(mut response: UpstreamResponse) -> Result<(u16, Vec<u8>), UpstreamFailure> {
    let mut body = Vec::new();
    while let Some(piece) = response.read(usize::MAX).await? {
        body.extend_from_slice(&piece);
    }
    Ok((response.status(), body))
}

/// Runs a test as a worker runs its connections.
fn on_a_worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test has ended") });
}

fn ok(body: &str) -> Result<(u16, Vec<u8>), UpstreamFailure> {
    Ok((200, body.as_bytes().to_vec()))
}

#[test]
fn a_request_goes_out_as_it_was_made_and_its_response_comes_back() {
    on_a_worker(async {
        let upstream = Upstream::answering(
            b"HTTP/1.1 201 x\r\nX-A: 1\r\nConnection: x-b\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await;
        let mut request = request("PUT", &upstream.url("/a?b#c"), UpstreamBody::Whole(Bytes::from_static(b"body")));
        request.fields.insert("x-c", "3".parse().expect("a value"));
        request.fields.insert("host", "evil.example".parse().expect("a value"));
        request.fields.insert("transfer-encoding", "chunked".parse().expect("a value"));
        let grant = upstream.grant();
        let response = grant.start(&InvocationCalls::new(grant.limits()), request).await.expect("a response");
        assert_eq!(response.fields().get("x-a").map(|value| value.as_bytes()), Some(&b"1"[..]));
        assert!(!response.fields().contains_key("x-b"), "the connection has named it");
        assert_eq!(read_all(response).await, Ok((201, b"hi".to_vec())));
        let sent = &upstream.requests()[0];
        assert!(sent.starts_with("PUT /a?b HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains(&format!("host: 127.0.0.1:{}\r\n", upstream.port)), "{sent}");
        assert!(sent.contains("content-length: 4\r\n") && sent.contains("x-c: 3\r\n"), "{sent}");
        assert!(!sent.contains("evil") && !sent.contains("transfer-encoding"), "{sent}");
    });
}

#[test]
fn a_body_that_is_written_piece_by_piece_is_sent_in_chunks_with_its_trailers() {
    on_a_worker(async {
        let upstream = Upstream::new(|_, mut accepted| async move {
            if accepted.read_until(b"\r\n0\r\nx-t: 1\r\n\r\n").await {
                accepted
                    .write(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-u: 2\r\n\r\n")
                    .await;
            }
        })
        .await;
        let (writer, body) = UpstreamBody::written(None);
        let grant = upstream.grant();
        let mut request = request("POST", &upstream.url("/"), body);
        request.fields.insert("trailer", "x-t".parse().expect("a value"));
        let pending = grant.start(&InvocationCalls::new(grant.limits()), request);
        for _ in 0..3 {
            assert_eq!(writer.write(&[b'x'; 100_000]), Ok(MAX_WAITING), "no more than that waits");
            assert_eq!(writer.room(), Ok(0));
            writer.writable().await;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-t", "1".parse().expect("a value"));
        writer.finish(Some(trailers)).expect("it is whole");
        let mut response = pending.await.expect("a response");
        assert_eq!(response.read(1).await, Ok(Some(Bytes::from_static(b"h"))));
        assert_eq!(response.read(9).await, Ok(Some(Bytes::from_static(b"i"))));
        assert_eq!(response.read(9).await, Ok(None));
        assert!(response.take_trailers().is_some_and(|trailers| trailers.contains_key("x-u")));
    });
}

#[test]
fn a_body_of_another_length_than_was_said_fails_the_request() {
    on_a_worker(async {
        let upstream = Upstream::new(|_, accepted| accepted.closed()).await;
        let grant = upstream.grant();
        for (length, written) in [(3, "four"), (5, "four")] {
            let (writer, body) = UpstreamBody::written(Some(length));
            let mut request = request("POST", &upstream.url("/"), body);
            request.fields.insert("content-length", length.into());
            let pending = grant.start(&InvocationCalls::new(grant.limits()), request);
            let ended = writer.write(written.as_bytes()).and_then(|_| writer.finish(None));
            assert_eq!(ended, Err(UpstreamFailure::RequestLength));
            assert_eq!(pending.await.err(), Some(UpstreamFailure::RequestLength));
        }
    });
}

#[test]
fn a_length_without_its_body_is_never_sent() {
    on_a_worker(async {
        let upstream = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok").await;
        let grant = upstream.grant();
        for (length, body) in [
            ("5", UpstreamBody::Empty),
            ("5", UpstreamBody::Whole(Bytes::from_static(b"four"))),
            ("+4", UpstreamBody::Whole(Bytes::from_static(b"four"))),
        ] {
            let mut request = request("POST", &upstream.url("/"), body);
            request.fields.insert("content-length", length.parse().expect("a value"));
            assert_eq!(call(&grant, request).await, Err(UpstreamFailure::RequestLength));
        }
        assert_eq!(upstream.connections(), 0);
    });
}
