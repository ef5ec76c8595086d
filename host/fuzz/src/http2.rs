//! A server of one HTTP/2 connection without a socket, whose handler sends the body and its trailers back.
//!
//! `h2` has the frames, and [`ReceivedRequest`], [`RequestFraming`] and [`Response`] decide all that the host's do, since they
//! are the host's.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use protocol::http::date::Date;
use protocol::http1::body::RequestBody;
use protocol::http1::decode::Decoded;
use protocol::http1::head::HeadLimits;
use protocol::http2::frames::FrameScanner;
use protocol::http2::request::{ListenerScheme, ReceivedRequest};
use protocol::http2::trailers::request_trailers;
use protocol::response::{Encoder, Response, ResponseOptions};

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";
/// The bound of a body.
const MAX_BODY: u64 = 64 * 1024;
const BUFFER_SIZE: usize = 16;
const MAX_STREAMS: u32 = 8;
/// The type of the frame.
const RST_STREAM: u8 = 3;

/// The bounds of a head: small, so that fuzzers reach them.
const LIMITS: HeadLimits = HeadLimits { max_bytes: 1024, max_fields: 16, max_target: 256 };

/// Both directions of the connection.
#[derive(Debug, Default)]
struct Pipes {
    input: VecDeque<u8>,
    has_ended: bool,
    output: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Pipes>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Pipes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut pipes = self.lock();
        if pipes.input.is_empty() && !pipes.has_ended {
            return Poll::Pending;
        }
        let read = pipes.input.len().min(buffer.remaining());
        let read: Vec<u8> = pipes.input.drain(..read).collect();
        buffer.put_slice(&read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

enum Frames {
    Opening(Handshake<Memory, Bytes>),
    Open(Connection<Memory, Bytes>),
    Ended,
}

/// A request whose body is read, or whose response is sent.
struct Running {
    receive: Option<RecvStream>,
    respond: Option<SendResponse<Bytes>>,
    send: Option<SendStream<Bytes>>,
    input: BytesMut,
    body: RequestBody,
    received: Vec<u8>,
    response: Response,
}

/// The server of one connection.
pub struct Http2Server {
    memory: Memory,
    frames: Frames,
    running: Vec<Running>,
    fed: usize,
    scanner: FrameScanner,
}

impl Default for Http2Server {
    fn default() -> Self {
        let memory = Memory::default();
        let list = u32::try_from(LIMITS.max_bytes + 32 * LIMITS.max_fields).expect("it is small");
        let mut builder = Builder::new();
        builder
            .max_concurrent_streams(MAX_STREAMS)
            .initial_window_size(4096)
            .max_header_list_size(list)
            .max_send_buffer_size(64)
            .max_local_error_reset_streams(Some(10));
        let frames = Frames::Opening(builder.handshake(memory.clone()));
        Self { memory, frames, running: Vec::new(), fed: 0, scanner: FrameScanner::default() }
    }
}

impl Http2Server {
    /// Bytes came from the client, behind the preface.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.fed += bytes.len();
        self.scanner.feed(bytes);
        self.memory.lock().input.extend(bytes);
        self.step();
    }

    /// The client has closed the connection.
    pub fn end(&mut self) {
        self.memory.lock().has_ended = true;
        self.step();
        self.check_output();
    }

    /// What comes before all else.
    pub fn open(&mut self) {
        self.memory.lock().input.extend(protocol::http2::PREFACE);
        self.step();
    }

    /// Polls all there is until nothing changes.
    fn step(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..1000 {
            let before = self.progress();
            self.poll_frames(&mut cx);
            let running = &mut self.running;
            running.retain_mut(|running| !running.poll(&mut cx));
            self.poll_frames(&mut cx);
            if before == self.progress() {
                return;
            }
        }
        panic!("it makes progress for ever");
    }

    /// What changes as long as there is progress.
    fn progress(&self) -> (usize, usize, usize) {
        let pipes = self.memory.lock();
        (pipes.output.len(), pipes.input.len(), self.running.len())
    }

    fn poll_frames(&mut self, cx: &mut Context<'_>) {
        if let Frames::Opening(handshake) = &mut self.frames {
            match Pin::new(handshake).poll(cx) {
                Poll::Ready(Ok(open)) => self.frames = Frames::Open(open),
                Poll::Ready(Err(_)) => self.frames = Frames::Ended,
                Poll::Pending => return,
            }
        }
        loop {
            let Frames::Open(frames) = &mut self.frames else { return };
            if self.running.len() >= MAX_STREAMS as usize {
                if frames.poll_closed(cx).is_ready() {
                    self.frames = Frames::Ended;
                }
                return;
            }
            match frames.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    if let Some(running) = Running::new(request, respond) {
                        self.running.push(running);
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => self.frames = Frames::Ended,
                Poll::Pending => return,
            }
        }
    }

    /// What was sent is a sequence of frames, on streams of the client alone, and not much more than what came.
    fn check_output(&self) {
        let pipes = self.memory.lock();
        let mut rest = &pipes.output[..];
        while rest.len() >= 9 {
            let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
            let stream = u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]);
            assert!(length <= 16_384 && rest.len() >= 9 + length, "a frame is whole");
            // A malformed head is reset on whatever stream it came.
            assert!(stream % 2 == 1 || stream == 0 || rest[3] == RST_STREAM, "type {} on stream {stream}", rest[3]);
            rest = &rest[9 + length..];
        }
        assert!(rest.is_empty(), "a frame is whole");
        assert!(pipes.output.len() <= 1024 + 64 * self.fed, "{} bytes for {}", pipes.output.len(), self.fed);
    }
}

impl Running {
    fn new(request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let received = ReceivedRequest {
            method: &parts.method,
            uri: &parts.uri,
            fields: &parts.headers,
            ends: body.is_end_stream(),
        };
        let checked = received.check(&LIMITS, ListenerScheme::Plain, |_| true);
        let framing = checked.as_ref().map_or(received.framing(), |checked| checked.framing);
        let refused = match &checked {
            Ok(request) => {
                assert!(request.head.path().starts_with('/') || request.head.path() == "*");
                assert!(request.head.fields().count() <= LIMITS.max_fields + 1);
                assert_eq!(request.head.values("host").count(), 1);
                None
            }
            Err(error) => match error.status() {
                Some(status) => Some((status, error.to_string())),
                None => {
                    respond.send_reset(Reason::PROTOCOL_ERROR);
                    return None;
                }
            },
        };
        let options =
            ResponseOptions { head_only: framing.head_only, status: 200, coalesce: 0, buffer_size: BUFFER_SIZE };
        let encoder = Encoder::for_request(&framing, true, BUFFER_SIZE, BytesMut::new);
        let mut response = Response::new(options, b"text/plain", encoder);
        if let Some((status, text)) = refused {
            assert_eq!(response.answer(status, &[], &text, DATE), Ok(()));
        }
        let receive = Some(body).filter(|_| !response.is_over());
        let (body, input) = (framing.body(MAX_BODY), BytesMut::new());
        Some(Self { receive, respond: Some(respond), send: None, input, body, received: Vec::new(), response })
    }

    /// Whether the stream is done.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.response.is_over() && !self.poll_body(cx) {
            return false;
        }
        self.send(cx).unwrap_or(true)
    }

    /// Whether the body is read to its end, or cannot be.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match self.body.decode(&mut self.input, BUFFER_SIZE) {
                Ok(Decoded::Piece(piece)) => {
                    self.received.extend_from_slice(&piece);
                    assert!(self.received.len() as u64 <= MAX_BODY);
                }
                Ok(Decoded::End) => {
                    self.answer();
                    return true;
                }
                Ok(Decoded::NeedMore) => {
                    let Some(receive) = &mut self.receive else { return true };
                    match receive.poll_data(cx) {
                        Poll::Ready(Some(Ok(data))) => {
                            self.input.extend_from_slice(&data);
                            let _ = receive.flow_control().release_capacity(data.len());
                        }
                        Poll::Ready(Some(Err(_))) => {
                            self.response.truncate();
                            return true;
                        }
                        Poll::Ready(None) => match receive.poll_trailers(cx) {
                            Poll::Ready(Ok(trailers)) => {
                                let trailers = trailers.map_or(Ok(None), |trailers| request_trailers(&trailers));
                                self.body.end_with_stream(trailers.unwrap_or_default());
                            }
                            Poll::Ready(Err(_)) => {
                                self.response.truncate();
                                return true;
                            }
                            Poll::Pending => return false,
                        },
                        Poll::Pending => return false,
                    }
                }
                Err(error) => {
                    assert_eq!(self.response.answer(error.status(), &[], "refused", DATE), Ok(()));
                    return true;
                }
            }
        }
    }

    fn answer(&mut self) {
        let trailers = self.body.take_trailers().unwrap_or_default();
        assert_eq!(self.response.begin(None, DATE), Ok(()));
        for piece in self.received.chunks(BUFFER_SIZE) {
            if !self.response.is_over() {
                assert_eq!(self.response.write(piece, DATE), Ok(()));
            }
        }
        if !self.response.is_over() {
            assert_eq!(self.response.finish_with_trailers(&trailers, DATE), Ok(()));
        }
    }

    /// Sends what the windows allow. Whether all is sent.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<bool, h2::Error> {
        if self.response.is_truncated() {
            return Ok(true);
        }
        let Some(encoder) = self.response.http2() else { return Ok(true) };
        if let Some((head, ends)) = encoder.take_head(0) {
            let Some(mut respond) = self.respond.take() else { return Ok(true) };
            let mut parts = http::Response::new(());
            *parts.status_mut() = http::StatusCode::from_u16(head.status).expect("it is a status");
            *parts.headers_mut() = head.fields;
            self.send = Some(respond.send_response(parts, ends)?);
            if ends {
                return Ok(true);
            }
        }
        let Some(send) = &mut self.send else { return Ok(true) };
        loop {
            let waiting = self.response.output().len();
            if waiting == 0 {
                break;
            }
            send.reserve_capacity(waiting);
            match send.capacity().min(waiting) {
                0 => match send.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(_)) | None) => return Ok(true),
                    Poll::Pending => return Ok(false),
                },
                allowed => {
                    let (payload, ends) = self.response.take_payload(allowed, 0).unwrap_or_default();
                    assert_eq!(payload.len(), allowed);
                    send.send_data(payload, ends)?;
                    if ends {
                        return Ok(true);
                    }
                }
            }
        }
        match self.response.http2().and_then(|encoder| encoder.take_end()) {
            Some(Some(trailers)) => send.send_trailers(*trailers)?,
            Some(None) => send.send_data(Bytes::new(), true)?,
            None => {}
        }
        Ok(true)
    }
}
