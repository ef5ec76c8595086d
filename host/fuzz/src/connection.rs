//! A connection without a socket: the host's request loop over bytes, with a handler that sends the body back.
//!
//! It makes the calls of the host's `connection` to `http`, in its order. It must not decide anything that `http`
//! decides.

use bytes::BytesMut;

use protocol::http::date::Date;
use protocol::http::head::RequestHead;
use protocol::http::version::Version;
use protocol::http1::decode::{BodyDecoder, Decoded};
use protocol::http1::encoder::{Http1Encoder, Http1Options};
use protocol::http1::framing::{BodyFraming, Expectation, expectation, keep_alive, request_framing};
use protocol::http1::head::{HeadLimits, HeadParser};
use protocol::response::{AfterResponse, Response, ResponseOptions};

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";

/// The bound of a body.
pub const MAX_BODY: u64 = 64 * 1024;
/// Small, so that bodies take several chunks.
const BUFFER_SIZE: usize = 16;

/// The bounds of a head: small, so that fuzzers reach them.
pub const LIMITS: HeadLimits = HeadLimits { max_bytes: 1024, max_fields: 16, max_target: 256 };

/// One connection.
#[derive(Default)]
pub struct Connection {
    input: BytesMut,
    parser: HeadParser,
    running: Option<Running>,
    closed: bool,
    /// What was sent.
    pub output: Vec<u8>,
    /// Whether each request that was answered has a response without a body: HEAD.
    pub head_only: Vec<bool>,
}

/// A request whose body is read.
struct Running {
    response: Response,
    head_only: bool,
    decoder: BodyDecoder,
    awaits_continue: bool,
    body: Vec<u8>,
}

/// Why a request is refused: a status, and a line of text.
type HostResponse = (u16, String);

impl Connection {
    /// Bytes came from the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.input.extend_from_slice(bytes);
        while !self.closed && self.step() {}
        // What waits for more is bounded: a head, or a line of the chunked coding.
        assert!(self.input.len() <= bytes.len() + LIMITS.max_bytes.max(protocol::http1::decode::MAX_LINE));
    }

    /// Whether the host has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// One step; false where more has to come first.
    fn step(&mut self) -> bool {
        if let Some(running) = self.running.take() {
            return self.read_body(running);
        }
        match self.parser.parse(&mut self.input, &LIMITS) {
            Ok(None) => false,
            Ok(Some(head)) => {
                self.begin(&head);
                true
            }
            Err(error) => {
                let head_only = self.parser.refused_head_request();
                self.refuse(options(Version::Http11, head_only), (error.status(), error.to_string()));
                true
            }
        }
    }

    fn begin(&mut self, head: &RequestHead) {
        let (options, mut framing_options) = options(head.version(), head.is_head());
        match terms(head) {
            Ok((framing, expectation)) => {
                framing_options.keep_alive = keep_alive(head);
                framing_options.chunked = !head.path().contains("length");
                let mut response =
                    Response::new(options, b"text/plain", Http1Encoder::new(framing_options, BytesMut::new()));
                let awaits_continue = expectation == Expectation::Continue;
                if awaits_continue {
                    response.expect_continue();
                }
                let decoder = BodyDecoder::new(framing, MAX_BODY);
                self.running =
                    Some(Running { response, head_only: head.is_head(), decoder, awaits_continue, body: Vec::new() });
            }
            Err(refusal) => self.refuse((options, framing_options), refusal),
        }
    }

    fn read_body(&mut self, mut running: Running) -> bool {
        match running.decoder.decode(&mut self.input, BUFFER_SIZE) {
            Ok(Decoded::Piece(piece)) => {
                if std::mem::take(&mut running.awaits_continue) {
                    running.response.body_has_come();
                }
                running.body.extend_from_slice(&piece);
                assert!(running.body.len() as u64 <= MAX_BODY);
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
                running.response.forbid_keep_alive();
                let replaced = running.response.answer(error.status(), &[], "the body is wrong\n", DATE);
                assert_eq!(replaced, Ok(()));
                self.send(running.response, running.head_only);
                return true;
            }
        }
        self.running = Some(running);
        true
    }

    fn answer(&mut self, running: Running) {
        let Running { mut response, head_only, body, .. } = running;
        assert_eq!(response.begin(Some(body.len() as u64), DATE), Ok(()));
        for piece in body.chunks(BUFFER_SIZE) {
            if !response.is_over() {
                assert_eq!(response.write(piece, DATE), Ok(()));
            }
        }
        if !response.is_over() {
            assert_eq!(response.finish(DATE), Ok(()));
        }
        self.send(response, head_only);
    }

    fn refuse(&mut self, (options, framing): (ResponseOptions, Http1Options), (status, text): HostResponse) {
        let head_only = options.head_only;
        let mut response = Response::new(options, b"", Http1Encoder::new(framing, BytesMut::new()));
        response.forbid_keep_alive();
        assert_eq!(response.answer(status, &[], &(text + "\n"), DATE), Ok(()));
        self.send(response, head_only);
    }

    fn send(&mut self, response: Response, head_only: bool) {
        assert!(response.is_over() && !response.is_truncated());
        self.closed = response.connection() != AfterResponse::KeepAlive;
        self.output.extend_from_slice(response.output());
        self.head_only.push(head_only);
    }
}

fn terms(head: &RequestHead) -> Result<(BodyFraming, Expectation), HostResponse> {
    let framing = request_framing(head).map_err(|error| (error.status(), error.to_string()))?;
    let expectation = expectation(head, framing).map_err(|error| (error.status(), error.to_string()))?;
    Ok((framing, expectation))
}

fn options(version: Version, head_only: bool) -> (ResponseOptions, Http1Options) {
    (
        ResponseOptions { head_only, status: 200, coalesce: 0, buffer_size: BUFFER_SIZE },
        Http1Options { version, keep_alive: false, chunked: false, buffer_size: BUFFER_SIZE },
    )
}
