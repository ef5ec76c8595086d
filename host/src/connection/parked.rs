//! A parked response: its handler has ended, and published chunks are sent on it until it is finished or its client
//! disconnects.
//!
//! Owns how long a response stays parked and how a lost client is detected. A parked response holds no buffer while
//! nothing is sent, so that many of them need little memory.

use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::client::Client;
use super::deadlines::{Deadline, Deadlines};
use super::error_page::{ErrorPage, RETRY};
use super::finished::Finished;
use super::request_log::ParkedLog;
use super::turns::{self, Policy, Turn};
use crate::clock;
use crate::close_reason::CloseReason;
use crate::exchange::ExchangeEnd;
use crate::guest::scheduler::{NO_ROUTE, NextSlice, TIME_SLICE};
use crate::http::status;
use crate::http1::chunk::Chunk;
use crate::net::{Stream, Timer, WriteQueue, buffers};
use crate::options::Settings;
use crate::pump::{Output, Pump, http2};
use crate::push::{InboxEnd, InboxItem, Subscriber};
use crate::response::Response;
use crate::worker::{ParkedPermit, Shutdown};

/// The most chunks that are taken from the queue at once, and the number of bytes after which no further one is taken.
const BATCH: usize = 16;
const BATCH_BYTES: usize = 64 * 1024;

/// A comment of an event stream, which clients ignore.
static COMMENT: LazyLock<Chunk> = LazyLock::new(|| Chunk::new(b":\n\n"));

/// A parked response, with everything that is needed to serve it.
#[derive(Debug)]
pub(super) struct Parked {
    response: Response,
    /// The subscriber with the published chunks. It is `None` if the response has no topic.
    subscriber: Option<Subscriber>,
    pump: Pump,
    /// The chunks to send after the response's own output.
    chunks: WriteQueue,
    /// Set once no more chunks are taken from the topics. What is queued is still sent.
    ending: Option<ParkedEnd>,
    /// When the last chunk was taken from the queue, and when the last bytes were sent.
    last_chunk_at: Instant,
    last_sent_at: Instant,
    park_timeout: Option<Duration>,
    /// Whether comments can be sent between its events.
    takes_comments: bool,
    /// How long the response is silent before a comment is sent. It is `None` if the system probes the connection
    /// instead, or if there is no heartbeat.
    comments: Option<Duration>,
    _place: ParkedPermit,
    /// The log entry, which is written at its end.
    request_log: Option<Box<ParkedLog>>,
}

/// Why a parked response ends, if it is not finished by a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParkedEnd {
    /// It had no chunk for the whole idle timeout.
    Idle,
    /// The server stops.
    Stopping,
}

/// A parked response, and the parts of its connection that it uses.
struct ParkedLoop<'c, S> {
    parked: &'c mut Parked,
    socket: &'c Stream,
    timer: &'c mut Timer,
    stopping: &'c Shutdown,
    /// Ready once the server stops and connections have to end.
    reached: Pin<&'c mut S>,
}

impl Parked {
    /// Parks a response, after everything that the handler wrote is sent.
    pub(super) fn new(mut response: Response, subscriber: Option<Subscriber>, pump: Pump, place: ParkedPermit) -> Self {
        buffers::return_output(response.take_buffer());
        // This comes first, because `compact` drops the fields.
        let takes_comments = takes_comments(&response);
        response.compact();
        let now = Instant::now();
        Self {
            response,
            subscriber,
            pump,
            chunks: WriteQueue::default(),
            ending: None,
            last_chunk_at: now,
            last_sent_at: now,
            park_timeout: None,
            takes_comments,
            comments: None,
            _place: place,
            request_log: None,
        }
    }

    /// Applies the options of its route, and attaches its log entry.
    pub(super) fn watch(&mut self, settings: &Settings, socket: &Stream, request_log: Option<Box<ParkedLog>>) {
        self.request_log = request_log;
        self.update_log();
        self.park_timeout = settings.park_timeout;
        match settings.heartbeat {
            Some(every) if self.takes_comments => self.comments = Some(every),
            Some(every) => probe(socket, every),
            None => {}
        }
    }

    /// Serves the response until all of it is sent, or until the connection has to close.
    pub(super) async fn serve(mut self: Box<Self>, client: &mut Client) -> Result<(), CloseReason> {
        if !std::mem::take(client.http.input_mut()).is_empty() {
            self.response.forbid_keep_alive();
        }
        let stopping = client.worker.stopping();
        let reached = std::pin::pin!(stopping.wait_for_turn());
        let (socket, timer) = (&client.socket, &mut client.timer);
        let parked_loop = &mut ParkedLoop { parked: &mut self, socket, timer, stopping, reached };
        let Finished { end, next } = turns::run(parked_loop).await;
        self.update_log();
        if let Some(request_log) = self.request_log.take() {
            request_log.close(end);
        }
        next
    }

    /// Takes published chunks and sends output, once each.
    fn turn(&mut self, cx: &mut Context<'_>, socket: &Stream) -> Result<Turn<Finished<()>>, Finished<()>> {
        let has_read = self.watch_client(cx, socket)?;
        self.feed(cx)?;
        let output = ParkedOutput { response: &mut self.response, chunks: &mut self.chunks };
        match self.pump.poll(cx, socket, output) {
            Poll::Ready(sent) => {
                sent.map_err(|_| Finished::client_gone(CloseReason::ClientGone))?;
                if self.response.is_over() {
                    return Ok(Turn::End(self.ended()));
                }
                // There may be more chunks in the queue.
                if self.release() {
                    return Ok(Turn::Again);
                }
                self.pump.rest();
            }
            Poll::Pending => self.watch_queue(cx)?,
        }
        Ok(if has_read { Turn::Again } else { Turn::Wait })
    }

    /// Detects a client that disconnects. Bytes that it sends are dropped, so the connection can carry no further
    /// request. Returns whether bytes were dropped.
    fn watch_client(&mut self, cx: &mut Context<'_>, socket: &Stream) -> Result<bool, Finished<()>> {
        match socket.poll_discard(cx) {
            Poll::Ready(Ok(0)) => Err(Finished::closing(ExchangeEnd::LeftOpen, CloseReason::ClientClosed)),
            Poll::Ready(Ok(_)) => {
                self.response.forbid_keep_alive();
                Ok(true)
            }
            Poll::Ready(Err(_)) => Err(Finished::client_gone(CloseReason::ClientGone)),
            Poll::Pending => Ok(false),
        }
    }

    /// Takes the next chunks from the queue if the earlier ones are sent, or ends the response.
    fn feed(&mut self, cx: &mut Context<'_>) -> Result<(), Finished<()>> {
        if self.response.is_over() || self.waiting() > 0 {
            return Ok(());
        }
        let mut bytes = 0;
        while self.chunks.pieces() < BATCH && bytes < BATCH_BYTES && !self.response.is_over() {
            match self.poll_next(cx) {
                Poll::Ready(InboxItem::Chunk(chunk)) => match self.response.write_shared(&chunk, clock::date()) {
                    Ok(chunk) => {
                        bytes += chunk.len();
                        self.chunks.push(chunk);
                    }
                    // The chunk exceeds the declared length, so the response can never become complete.
                    Err(_) => self.response.truncate(),
                },
                Poll::Ready(InboxItem::End(InboxEnd::Lagging)) => {
                    return Err(Finished::client_gone(CloseReason::Lagging));
                }
                Poll::Ready(InboxItem::End(InboxEnd::Finished)) if self.chunks.is_empty() => self.finish(),
                Poll::Ready(InboxItem::End(InboxEnd::Finished)) | Poll::Pending => break,
            }
            self.last_chunk_at = Instant::now();
        }
        Ok(())
    }

    /// Checks whether the queue has overflowed because the client does not accept output.
    fn watch_queue(&mut self, cx: &mut Context<'_>) -> Result<(), Finished<()>> {
        let subscriber = self.subscriber.as_mut().filter(|_| !self.response.is_over());
        match subscriber.map(|subscriber| subscriber.poll_lagging(cx)) {
            Some(Poll::Ready(())) => Err(Finished::client_gone(CloseReason::Lagging)),
            Some(Poll::Pending) | None => Ok(()),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<InboxItem> {
        match &mut self.subscriber {
            Some(subscriber) => subscriber.poll_next(cx),
            None if self.ending.is_some() => Poll::Ready(InboxItem::End(InboxEnd::Finished)),
            None => Poll::Pending,
        }
    }

    /// Ends the response after the chunks that are queued.
    fn end(&mut self, ending: ParkedEnd) {
        self.ending = Some(ending);
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.finish();
        }
    }

    /// Finishes the response. If the server stops before the head is sent, the response becomes a 503.
    fn finish(&mut self) {
        if self.ending == Some(ParkedEnd::Stopping) && self.response.is_building() {
            let page = ErrorPage { status: 503, text: status::reason(503), ..ErrorPage::default() };
            return page.write(None::<std::iter::Empty<_>>, &[RETRY]).replace(&mut self.response);
        }
        // `finish` fails only if the response is already over.
        let _ = self.response.finish(clock::date());
    }

    /// How the response has ended, once all of it is sent.
    fn ended(&self) -> Finished<()> {
        let finished = Finished::after(&self.response, ());
        match (finished.next, self.ending) {
            (Err(reason), Some(ParkedEnd::Stopping)) if reason.is_not_persistent() => {
                Finished::closing(ExchangeEnd::Stopped, CloseReason::Stopping)
            }
            // So ends a stream of HTTP/2, whose connection persists until all of its streams have ended.
            (Ok(()), Some(ParkedEnd::Stopping)) => Finished::closing(ExchangeEnd::Stopped, CloseReason::Stopping),
            (Ok(()) | Err(_), _) => finished,
        }
    }

    /// Updates the log entry with what was sent.
    fn update_log(&mut self) {
        let unsent = self.chunks.bytes();
        if let Some(request_log) = &mut self.request_log {
            request_log.note(&self.response, unsent);
        }
    }

    /// The number of bytes that are encoded and not sent.
    fn waiting(&self) -> usize {
        self.response.output().len() + self.chunks.bytes()
    }

    /// Frees the buffers after all of the output is sent. Returns true if there was one.
    fn release(&mut self) -> bool {
        let has_sent = self.chunks.release() | self.response.has_buffer();
        if has_sent {
            self.response.compact();
            self.last_sent_at = Instant::now();
        }
        has_sent
    }

    /// Sends a heartbeat to a silent client, to check whether it is still there. Inside an event a comment would become
    /// part of the event, so the system probes the connection instead.
    fn beat(&mut self, socket: &Stream, now: Instant) {
        if self.response.is_between_events() {
            if let Ok(comment) = self.response.write_shared(&COMMENT, clock::date()) {
                self.chunks.push(comment);
            }
        } else if let Some(every) = self.comments {
            probe(socket, every);
            self.last_sent_at = now;
        }
    }
}

impl<S: Future<Output = ()>> Policy for ParkedLoop<'_, S> {
    type End = Finished<()>;

    const MAX_TURNS: usize = 8;

    fn begin(&mut self, cx: &mut Context<'_>) {
        let parked = &mut *self.parked;
        if parked.ending != Some(ParkedEnd::Stopping) && self.reached.as_mut().poll(cx).is_ready() {
            parked.response.forbid_keep_alive();
            parked.end(ParkedEnd::Stopping);
        }
        if self.stopping.is_set() {
            parked.response.forbid_keep_alive_in_head();
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Turn<Finished<()>> {
        self.parked.turn(cx, self.socket).unwrap_or_else(Turn::End)
    }

    fn deadlines(&mut self, _: &mut Context<'_>) -> Deadlines {
        let parked = &*self.parked;
        let quiet = parked.waiting() == 0 && parked.ending.is_none();
        Deadlines {
            write_stall: parked.pump.stalled_until(),
            idle: parked.park_timeout.filter(|_| quiet).map(|timeout| parked.last_chunk_at + timeout),
            heartbeat: parked.comments.filter(|_| quiet).map(|every| parked.last_sent_at + every),
            pacing: parked.pump.paced_until(),
            ..Deadlines::default()
        }
    }

    fn expire(&mut self, deadline: Deadline, _: &mut Context<'_>, now: Instant) -> Option<Self::End> {
        match deadline {
            Deadline::WriteStall => return Some(Finished::client_gone(CloseReason::WriteTimeout)),
            Deadline::Idle => self.parked.end(ParkedEnd::Idle),
            Deadline::Heartbeat => self.parked.beat(self.socket, now),
            Deadline::Body | Deadline::Handler | Deadline::Close | Deadline::HalfClose | Deadline::Pacing => {}
        }
        None
    }

    fn wait(&mut self, _: &mut Context<'_>) {}

    fn next_slice(&self) -> NextSlice {
        NextSlice::after(NO_ROUTE, TIME_SLICE, None)
    }

    fn timer(&mut self) -> &mut Timer {
        self.timer
    }
}

/// The output of a response, and the shared chunks after it.
struct ParkedOutput<'p> {
    response: &'p mut Response,
    chunks: &'p mut WriteQueue,
}

impl Output for ParkedOutput<'_> {
    fn waiting(&self) -> usize {
        self.response.output().len() + self.chunks.bytes()
    }

    fn begin(&mut self, socket: &Stream) -> io::Result<()> {
        match socket.http2() {
            Some(stream) => http2::send_head(stream, self.response, self.chunks.bytes()),
            None => Ok(()),
        }
    }

    fn end(&mut self, socket: &Stream) -> io::Result<()> {
        match socket.http2() {
            Some(stream) => http2::send_end(stream, self.response),
            None => Ok(()),
        }
    }

    fn send(&mut self, socket: &Stream, most: usize) -> io::Result<usize> {
        if let Some(stream) = socket.http2().filter(|_| !self.response.output().is_empty()) {
            return http2::send_payload(stream, self.response, most, self.chunks.bytes());
        }
        let sent = self.chunks.send_behind(self.response.output(), socket, most)?;
        let own = sent.min(self.response.output().len());
        self.response.advance(own);
        self.response.sent_shared(sent - own);
        Ok(sent)
    }
}

/// Whether comments can be sent between events. They can if the head is sent, the content type is an event stream, and
/// no length is declared, which comments would use up.
fn takes_comments(response: &Response) -> bool {
    let media_type = response.head().content_type().split(|byte| *byte == b';').next().unwrap_or_default();
    let is_event_stream = media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream");
    is_event_stream && !response.is_building() && response.fits_content_length(u64::MAX)
}

/// Enables TCP keepalive: the system sends a first probe after the client was silent for `every`, and then three times
/// as often. If the system cannot do this, a lost client is only detected by the next write.
fn probe(socket: &Stream, every: Duration) {
    if let Err(error) = socket.set_keepalive(every) {
        tracing::debug!(target: "connection", "cannot enable TCP keepalive: {error}");
    }
}
