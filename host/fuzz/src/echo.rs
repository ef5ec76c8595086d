//! A server of one connection without a socket, whose handler sends the body and its trailers back.
//!
//! [`ServerConnection`] and [`Response`] decide all that the host's do, since they are the host's.

use bytes::BytesMut;

use protocol::http::date::Date;
use protocol::http1::body::RequestBody;
use protocol::http1::decode::{Decoded, MAX_LINE};
use protocol::http1::head::HeadLimits;
use protocol::http1::server::{RequestFraming, ServerConnection};
use protocol::response::{AfterResponse, Response, ResponseOptions};

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";

/// The bound of a body.
pub const MAX_BODY: u64 = 64 * 1024;
/// Small, so that bodies take several chunks.
const BUFFER_SIZE: usize = 16;

/// The bounds of a head: small, so that fuzzers reach them.
pub const LIMITS: HeadLimits = HeadLimits { max_bytes: 1024, max_fields: 16, max_target: 256 };

/// The server of one connection.
#[derive(Default)]
pub struct EchoServer {
    connection: ServerConnection,
    running: Option<Running>,
    closed: bool,
    /// What was sent.
    pub output: Vec<u8>,
    /// Whether each request that was answered has a response without a body: HEAD.
    pub head_only: Vec<bool>,
}

/// A request whose body is read.
struct Running {
    framing: RequestFraming,
    response: Response,
    body: RequestBody,
    received: Vec<u8>,
}

impl EchoServer {
    /// Bytes came from the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.connection.input_mut().extend_from_slice(bytes);
        while !self.closed && self.step() {}
        // What waits for more is bounded: a head, or a line of the chunked coding.
        assert!(self.connection.input().len() <= bytes.len() + LIMITS.max_bytes.max(MAX_LINE));
    }

    /// Whether the host has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// One step; false if more has to come first.
    fn step(&mut self) -> bool {
        if let Some(running) = self.running.take() {
            return self.read_body(running);
        }
        match self.connection.next_head(&LIMITS) {
            Ok(None) => return false,
            Ok(Some(head)) => match self.connection.framing(&head) {
                Ok(framing) => {
                    let chunked = !head.path().contains("length");
                    let (response, body) = (response(framing, chunked, b"text/plain"), framing.body(MAX_BODY));
                    self.running = Some(Running { framing, response, body, received: Vec::new() });
                }
                Err(refused) => self.refuse(refused.framing, refused.error.status(), &refused.error.to_string()),
            },
            Err(error) => self.refuse(self.connection.closing_framing(), error.status(), &error.to_string()),
        }
        true
    }

    fn read_body(&mut self, mut running: Running) -> bool {
        match running.body.decode(self.connection.input_mut(), BUFFER_SIZE) {
            Ok(Decoded::Piece(piece)) => {
                if running.body.take_awaits_continue() {
                    running.response.body_has_come();
                }
                running.received.extend_from_slice(&piece);
                assert!(running.received.len() as u64 <= MAX_BODY);
            }
            // The 100 depends on how bytes arrive, so none is sent here.
            Ok(Decoded::NeedMore) => {
                self.running = Some(running);
                return false;
            }
            Ok(Decoded::End) => {
                self.answer(running);
                return true;
            }
            Err(error) => {
                // As a request is refused whose body is known to be malformed when its head is read.
                running.response.forbid_keep_alive();
                let answered = running.response.answer(error.status(), &[], &format!("{error}\n"), DATE);
                assert_eq!(answered, Ok(()));
                self.send(&running.response, running.framing);
                return true;
            }
        }
        self.running = Some(running);
        true
    }

    fn answer(&mut self, running: Running) {
        let Running { framing, mut response, received, mut body } = running;
        let trailers = body.take_trailers().unwrap_or_default();
        assert_eq!(response.begin(Some(received.len() as u64), DATE), Ok(()));
        for piece in received.chunks(BUFFER_SIZE) {
            if !response.is_over() {
                assert_eq!(response.write(piece, DATE), Ok(()));
            }
        }
        if !response.is_over() {
            assert_eq!(response.finish_with_trailers(&trailers, DATE), Ok(()));
        }
        self.send(&response, framing);
    }

    fn refuse(&mut self, framing: RequestFraming, status: u16, text: &str) {
        let mut response = response(framing, false, b"");
        response.forbid_keep_alive();
        assert_eq!(response.answer(status, &[], &format!("{text}\n"), DATE), Ok(()));
        self.send(&response, framing);
    }

    fn send(&mut self, response: &Response, framing: RequestFraming) {
        assert!(response.is_over() && !response.is_truncated());
        self.closed = response.connection() != AfterResponse::KeepAlive;
        self.output.extend_from_slice(response.output());
        self.head_only.push(framing.head_only);
    }
}

fn response(framing: RequestFraming, chunked: bool, content_type: &[u8]) -> Response {
    let options = ResponseOptions { head_only: framing.head_only, status: 200, coalesce: 0, buffer_size: BUFFER_SIZE };
    Response::new(options, content_type, framing.encoder(chunked, BUFFER_SIZE, BytesMut::new()))
}
