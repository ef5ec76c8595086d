//! A connection that has become a WebSocket. It invokes the handler for each message, and sends published chunks.
//!
//! One message is handled at a time, and none while output waits for the client. Control frames are handled at any
//! time. No buffer is held while nothing is sent or received.

mod backlog;
mod held_input;
mod invocation_template;
mod pending_upgrade;
mod upload;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::client::Client;
use super::deadlines::{Deadline, Deadlines, earlier};
use super::failure::{explain, log_failure, remember_failure};
use super::io::ConnectionIo;
use super::quarantine::Subject;
use super::turns::{self, Policy, Turn};
use crate::close_reason::CloseReason;
use crate::guest::scheduler::{NextSlice, TIME_SLICE, note_poll};
use crate::guest::{CallError, MessageReply};
use crate::memory_budget;
use crate::metrics::OpenConnections;
use crate::net::{PeerState, Timer, WriteQueue};
use crate::options::Settings;
use crate::pump::Pump;
use crate::push::{InboxEnd, InboxItem};
use crate::websocket::message::{CloseFrame, Message, ping};
use crate::websocket::protocol::{Protocol, WebSocketEvent};
use crate::worker::ParkedPermit;

pub(super) use pending_upgrade::PendingUpgrade;

use backlog::Backlog;
use held_input::HeldInput;
use invocation_template::{InvocationTemplate, MessageCall};
use upload::Upload;

/// The most published chunks that are taken from the queue at once.
const BATCH: usize = 16;

/// How long the host waits for the client's close frame after it has sent its own.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// A WebSocket after its handshake.
pub(super) struct WebSocket {
    template: InvocationTemplate,
    protocol: Protocol,
    /// Frames that wait to be sent.
    queue: WriteQueue,
    pump: Pump,
    upload: Upload,
    /// The invocation for the current message.
    call: Option<MessageCall>,
    /// The number of bytes in the current message.
    answering: usize,
    /// The messages after the current one.
    backlog: Backlog,
    /// The memory that is reserved for messages that are not handled yet.
    held_input: HeldInput,
    /// When the last bytes arrived, when a ping was sent since then, and when the last message was received or sent.
    last_read: Instant,
    ping_sent_at: Option<Instant>,
    last_message: Instant,
    stopping: bool,
    /// Why the WebSocket ends, once that is known.
    reason: Option<CloseReason>,
    /// The deadline for the client's close frame.
    close_by: Option<Instant>,
    /// Whether the client is gone. Only the messages that it sent before are still handled.
    peer_gone: bool,
    /// The deadline for handling them, once the client is gone or has sent its close frame.
    grace: Option<Instant>,
    _place: ParkedPermit,
}

/// A WebSocket, and the parts of its connection that it uses.
struct WebSocketLoop<'c, S> {
    websocket: &'c mut WebSocket,
    io: ConnectionIo<'c>,
    /// Ready once the server stops and connections have to end.
    stopping: Pin<&'c mut S>,
}

impl WebSocket {
    /// The WebSocket of a handshake whose response is sent.
    pub(super) fn open(upgrade: PendingUpgrade, pump: Pump, place: ParkedPermit) -> Self {
        let (template, upload) = upgrade.into_parts();
        template.exchange.upgrade();
        let now = Instant::now();
        Self {
            protocol: Protocol::new(template.route.options.settings.max_message),
            template,
            queue: WriteQueue::default(),
            pump,
            upload: Upload::new(upload),
            call: None,
            answering: 0,
            backlog: Backlog::default(),
            held_input: HeldInput::default(),
            last_read: now,
            ping_sent_at: None,
            last_message: now,
            stopping: false,
            reason: None,
            close_by: None,
            peer_gone: false,
            grace: None,
            _place: place,
        }
    }

    /// Serves the WebSocket until it ends, and returns the reason.
    pub(super) async fn serve(mut self: Box<Self>, client: &mut Client) -> CloseReason {
        let worker = client.worker.clone();
        let _open = worker.counters().open(OpenConnections::WebSockets);
        let stopping = std::pin::pin!(worker.stopping().wait_for_turn());
        turns::run(&mut WebSocketLoop { websocket: &mut self, io: client.io(), stopping }).await
    }

    /// Takes one turn. Returns true if something has proceeded, so that another turn may proceed too. An error ends the
    /// WebSocket.
    fn turn(&mut self, cx: &mut Context<'_>, io: &mut ConnectionIo<'_>) -> Result<bool, CloseReason> {
        let answered = self.template.exchange.take_wake() && self.poll_call();
        if self.peer_gone {
            let begun = self.begin_next();
            return if self.call.is_some() { Ok(answered || begun) } else { Err(self.reason()) };
        }
        if self.stopping && self.call.is_none() {
            self.close(Some(CloseFrame::from_host(CloseFrame::AWAY, "the server stops")), CloseReason::Stopping);
        }
        let fed = self.feed(cx)?;
        let sent = self.send(cx, io)?;
        let begun = self.begin_next();
        let heard = if self.backlog.is_full() {
            self.watch(cx, io)?;
            false
        } else {
            self.listen(cx, io)?
        };
        self.count_input(io);
        Ok(answered || fed || sent || begun || heard)
    }

    /// Begins to handle the next message of the backlog, if the WebSocket is free for it.
    fn begin_next(&mut self) -> bool {
        let next = if self.is_free() { self.backlog.pop() } else { None };
        let begins = next.is_some();
        next.into_iter().for_each(|message| self.begin(message));
        begins
    }

    /// Whether the next message can be handled. It cannot while the client does not accept the earlier replies.
    fn is_free(&self) -> bool {
        self.call.is_none() && (self.peer_gone || self.queue.is_empty())
    }

    /// Records that the connection is lost. If messages are still to be handled, they get the grace period and `None`
    /// is returned, because the WebSocket does not end yet.
    fn lose(&mut self, reason: CloseReason, io: &ConnectionIo<'_>) -> Option<CloseReason> {
        if !self.protocol.is_closed() {
            self.backlog.clear();
        }
        if self.call.is_none() && self.backlog.is_empty() {
            return Some(reason);
        }
        if self.protocol.is_closed() {
            // The close frame was sent back, so the sending side can be closed. Messages that the client sent before
            // are still handled.
            let _ = io.socket.shutdown_write();
        }
        self.peer_gone = true;
        self.reason = Some(reason);
        self.begin_grace(io);
        None
    }

    /// Begins the grace period: the client is gone or has sent its close frame, and the messages that it sent before
    /// have to be handled by its end.
    fn begin_grace(&mut self, io: &ConnectionIo<'_>) {
        if self.grace.is_none() {
            self.grace = Some(Instant::now() + io.timeouts.grace);
            if self.call.is_some() {
                self.template.exchange.client_gone(io.timeouts.grace);
            }
        }
    }

    fn reason(&self) -> CloseReason {
        self.reason.unwrap_or(CloseReason::ClientClosed)
    }

    fn settings(&self) -> &Settings {
        &self.template.route.options.settings
    }

    /// Takes published chunks, if the earlier ones are sent. Returns true if there was one.
    fn feed(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if !self.protocol.is_open() {
            return Ok(false);
        }
        let exchange = &self.template.exchange;
        if !self.queue.is_empty() {
            let lagging = exchange.subscriber(|subscriber| subscriber.poll_lagging(cx).is_ready());
            return if lagging == Some(true) { Err(CloseReason::Lagging) } else { Ok(false) };
        }
        let mut fed = false;
        for _ in 0..BATCH {
            match exchange.subscriber(|subscriber| subscriber.poll_next(cx)) {
                Some(Poll::Ready(InboxItem::Chunk(chunk))) => {
                    self.queue.push(chunk.websocket_frame(|piece| Message::from_chunk(piece).into_frame()));
                    self.last_message = Instant::now();
                }
                Some(Poll::Ready(InboxItem::End(InboxEnd::Lagging))) => return Err(CloseReason::Lagging),
                Some(Poll::Ready(InboxItem::End(InboxEnd::Finished))) => {
                    self.close(Some(CloseFrame::from_host(CloseFrame::NORMAL, "")), CloseReason::NotKeptByServer);
                    return Ok(true);
                }
                Some(Poll::Pending) | None => break,
            }
            fed = true;
        }
        Ok(fed)
    }

    /// Sends the queue. Returns true once all of it is sent.
    fn send(&mut self, cx: &mut Context<'_>, io: &ConnectionIo<'_>) -> Result<bool, CloseReason> {
        match self.pump.poll(cx, io.socket, &mut self.queue) {
            Poll::Ready(Ok(())) => self.pump.rest(),
            Poll::Ready(Err(_)) => return Err(CloseReason::ClientGone),
            Poll::Pending => return Ok(false),
        }
        if self.protocol.is_closed() {
            return Err(self.reason());
        }
        if !self.protocol.is_open() {
            self.close_by.get_or_insert_with(|| Instant::now() + CLOSE_WAIT);
        }
        Ok(self.queue.release())
    }

    /// Takes the next frame and handles it. Returns true if there was a frame, or bytes that may be a part of one.
    fn listen(&mut self, cx: &mut Context<'_>, io: &mut ConnectionIo<'_>) -> Result<bool, CloseReason> {
        if !self.upload.may_go_on() {
            return Ok(false);
        }
        let mut answer = Vec::new();
        let Some(event) = self.protocol.read(io.input, &mut answer) else { return self.read(cx, io) };
        match event {
            WebSocketEvent::Message(message) if self.is_free() && self.backlog.is_empty() => self.begin(message),
            WebSocketEvent::Message(message) => self.backlog.push(message),
            // If several pings arrive while output waits, only the last gets a pong (RFC 6455 section 5.5.3).
            WebSocketEvent::Alive => self.queue.push_urgent(answer.into()),
            WebSocketEvent::Closed => self.answer_end(answer, io),
            WebSocketEvent::Violated(violation) => {
                self.backlog.clear();
                self.answer_end(answer, io);
                let (name, request) = (&*self.template.route.mount.name, self.template.id);
                tracing::debug!(target: "connection", route = name, request, "a client broke the protocol of its WebSocket: {violation}");
                self.reason.get_or_insert(CloseReason::Violation);
            }
        }
        Ok(true)
    }

    /// Queues the close frame `answer`, after what is already begun, as the last thing to send. It is empty if the host
    /// has already sent a close frame.
    fn answer_end(&mut self, answer: Vec<u8>, io: &ConnectionIo<'_>) {
        if !answer.is_empty() {
            self.queue.drop_unbegun();
            self.queue.push(answer.into());
        }
        self.begin_grace(io);
    }

    /// Reserves memory for the input that is not handled yet. If there is no memory for it, the WebSocket closes.
    fn count_input(&mut self, io: &ConnectionIo<'_>) {
        let bytes = io.input.len() + self.protocol.unfinished() + self.backlog.bytes() + self.answering;
        let counted = self.held_input.update(bytes, self.template.route.options.memory_owner());
        if let Err(shortage) = counted
            && self.protocol.is_open()
        {
            self.fail(&shortage.into());
        }
    }

    /// Reads more bytes. Returns true if some arrived.
    fn read(&mut self, cx: &mut Context<'_>, io: &mut ConnectionIo<'_>) -> Result<bool, CloseReason> {
        match io.socket.poll_read_at_most(cx, io.input, self.upload.piece()) {
            Poll::Ready(Ok(0)) => {
                *io.half_closed = true;
                Err(self.reason())
            }
            Poll::Ready(Ok(read)) => {
                self.upload.has_come(read);
                self.last_read = Instant::now();
                self.ping_sent_at = None;
                Ok(true)
            }
            Poll::Ready(Err(_)) => Err(CloseReason::ClientGone),
            Poll::Pending => {
                if io.input.is_empty() {
                    *io.input = BytesMut::new();
                }
                self.upload.rest();
                Ok(false)
            }
        }
    }

    /// Detects a client that disconnects while nothing is read from it. A client that closes its sending side ends the
    /// WebSocket.
    fn watch(&mut self, cx: &mut Context<'_>, io: &mut ConnectionIo<'_>) -> Result<(), CloseReason> {
        match io.watch_peer(cx) {
            Some(PeerState::HalfClosed) => Err(self.reason()),
            Some(PeerState::Gone) => Err(CloseReason::ClientGone),
            None => Ok(()),
        }
    }

    /// Begins the invocation for a message.
    fn begin(&mut self, message: Message) {
        self.answering = message.len();
        self.last_message = Instant::now();
        self.call = Some(self.template.begin(message, self.last_message, self.grace));
    }

    /// Polls the invocation. Returns true once it has ended.
    fn poll_call(&mut self) -> bool {
        let Some(call) = &mut self.call else { return false };
        let exchange = &self.template.exchange;
        let Poll::Ready(end) = exchange.poll_handler(&exchange.handler_waker(), call.as_mut()) else { return false };
        self.call = None;
        self.answering = 0;
        self.on_handler_done(end);
        true
    }

    /// Handles the end of an invocation, and queues its reply.
    fn on_handler_done(&mut self, end: Result<MessageReply, CallError>) {
        let most = self.settings().max_message;
        let end = match (end, self.template.exchange.take_failure()) {
            (Ok(_), Some(reason)) => Err(CallError::Failed(reason)),
            (Ok(MessageReply::Message(message)), None) if message.len() > most => {
                let length = message.len();
                Err(CallError::Failed(format!("it replied with {length} bytes, and `max_message` allows {most}")))
            }
            (end, Some(_) | None) => end,
        };
        let InvocationTemplate { exchange, route, .. } = &self.template;
        match &end {
            Ok(_) => Subject::target(route).succeeded(exchange),
            // What its client has sent before it went gets little time.
            Err(CallError::Deadline { .. }) if self.grace.is_some() => {}
            Err(error) => Subject::target(route).failed(exchange, error),
        }
        match end {
            Ok(MessageReply::Nothing) => {}
            Ok(MessageReply::Message(message)) if self.protocol.is_open() => {
                let owner = self.template.route.options.memory_owner();
                self.queue.push(memory_budget::counted(message.into_frame(), owner));
                self.last_message = Instant::now();
            }
            Ok(MessageReply::Message(_)) => {}
            Ok(MessageReply::Close(close)) => self.close(close, CloseReason::Handler),
            Err(CallError::Deadline { .. }) if self.grace.is_some() => {
                let (name, request) = (&*self.template.route.mount.name, self.template.id);
                tracing::info!(target: "handler", route = name, request, "handler {name} was ended: the client of its WebSocket has gone");
            }
            Err(CallError::Quarantined) => {
                let frame = CloseFrame::from_host(CloseFrame::OVERLOADED, "try again later");
                self.close(Some(frame), CloseReason::Overloaded);
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Logs why an invocation has failed, and closes the WebSocket.
    fn fail(&mut self, error: &CallError) {
        let InvocationTemplate { exchange, route, worker, id } = &self.template;
        log_failure(worker, route, *id, exchange, error);
        let report = explain(worker.error_detail(), &route.mount.name, exchange, error);
        remember_failure(worker, &route.mount.name, *id, report.as_ref());
        let (code, reason, ended) = match error {
            CallError::Busy(_) | CallError::NoMemory(_) | CallError::Quarantined => {
                (CloseFrame::OVERLOADED, "try again later", CloseReason::Overloaded)
            }
            CallError::Deadline { .. }
            | CallError::ProcessorTime { .. }
            | CallError::Trap { .. }
            | CallError::NoResponse(_)
            | CallError::Failed(_) => (CloseFrame::FAILED, "the handler failed", CloseReason::Failed),
        };
        self.close(Some(CloseFrame::from_host(code, reason)), ended);
    }

    /// Begins to close the WebSocket. What is queued is sent first.
    fn close(&mut self, close: Option<CloseFrame>, reason: CloseReason) {
        if self.protocol.is_open() {
            let mut frame = Vec::new();
            self.protocol.close(close, &mut frame);
            self.queue.push(frame.into());
            self.backlog.clear();
            self.reason.get_or_insert(reason);
        }
    }

    /// Ends the handler, whose deadline has passed. If it runs, it traps at its next epoch, with a backtrace. If it
    /// waits, it is dropped.
    fn expire_handler(&mut self) {
        if !self.poll_call() {
            self.call = None;
            self.answering = 0;
            self.on_handler_done(Err(CallError::Deadline {
                backtrace: "; it was waiting in a call to the host".to_owned(),
            }));
        }
    }
}

impl<S: Future<Output = ()>> Policy for WebSocketLoop<'_, S> {
    type End = CloseReason;

    const MAX_TURNS: usize = 32;

    fn begin(&mut self, cx: &mut Context<'_>) {
        note_poll();
        let websocket = &mut *self.websocket;
        websocket.stopping = websocket.stopping || self.stopping.as_mut().poll(cx).is_ready();
        websocket.template.exchange.begin_turn();
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Turn<CloseReason> {
        match self.websocket.turn(cx, &mut self.io) {
            Ok(true) => Turn::Again,
            Ok(false) => Turn::Wait,
            Err(reason) => self.websocket.lose(reason, &self.io).map_or(Turn::Again, Turn::End),
        }
    }

    fn deadlines(&mut self, _: &mut Context<'_>) -> Deadlines {
        let websocket = &*self.websocket;
        let handler = websocket.call.as_ref().and_then(|_| websocket.template.exchange.deadline());
        let close = websocket.close_by;
        if websocket.peer_gone {
            return Deadlines { handler, close, ..Deadlines::default() };
        }
        let (pump, upload) = (&websocket.pump, &websocket.upload);
        // While the rate limit delays the input, nothing is read. A client that waits for this is not silent.
        let reads = websocket.call.is_none() && websocket.queue.is_empty() && upload.paced_until().is_none();
        let quiet = reads && websocket.protocol.is_open();
        let settings = websocket.settings();
        let last_sign = websocket.ping_sent_at.unwrap_or(websocket.last_read);
        Deadlines {
            write_stall: pump.stalled_until(),
            handler,
            close,
            idle: settings.park_timeout.filter(|_| quiet).map(|timeout| websocket.last_message + timeout),
            heartbeat: settings.heartbeat.filter(|_| quiet).map(|every| last_sign + every),
            pacing: earlier(pump.paced_until(), upload.paced_until()),
            ..Deadlines::default()
        }
    }

    fn expire(&mut self, deadline: Deadline, _: &mut Context<'_>, now: Instant) -> Option<CloseReason> {
        let websocket = &mut *self.websocket;
        match deadline {
            Deadline::WriteStall => return websocket.lose(CloseReason::WriteTimeout, &self.io),
            Deadline::Handler => websocket.expire_handler(),
            Deadline::Close => return Some(websocket.reason()),
            Deadline::Idle => {
                websocket.close(Some(CloseFrame::from_host(CloseFrame::NORMAL, "idle")), CloseReason::Idle);
            }
            Deadline::Heartbeat if websocket.ping_sent_at.is_some() => return Some(CloseReason::ClientGone),
            Deadline::Heartbeat => {
                websocket.ping_sent_at = Some(now);
                websocket.queue.push(ping());
            }
            Deadline::Body | Deadline::HalfClose | Deadline::Pacing => {}
        }
        None
    }

    fn wait(&mut self, cx: &mut Context<'_>) {
        if self.websocket.call.is_some() {
            self.websocket.template.exchange.end_turn(cx);
        }
    }

    fn next_slice(&self) -> NextSlice {
        NextSlice::after(self.websocket.template.route.target.id(), TIME_SLICE, None)
    }

    fn timer(&mut self) -> &mut Timer {
        self.io.timer
    }
}
