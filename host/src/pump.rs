//! Moves encoded output to the socket, no faster than its rate.
//!
//! Owns pacing and the write timeout. All output that waits for a client is sent here; output that need not wait may bypass it
//! through a [`DirectWriter`].

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::config::Timeouts;
use crate::exchange::Exchange;
use crate::net::{Stream, WriteQueue};
use crate::rate::Pacer;
use crate::rate::min_rate_timeout::MinRateTimeout;

pub(crate) mod http2;
#[cfg(test)]
mod tests;

/// Encoded bytes that wait to be sent, in order.
pub trait Output {
    /// How many there are.
    fn waiting(&self) -> usize;

    /// Sends what comes before them and is no payload: the head of a response on a stream of HTTP/2. Else does nothing.
    ///
    /// # Errors
    /// What the socket says.
    fn begin(&mut self, _: &Stream) -> io::Result<()> {
        Ok(())
    }

    /// Sends the end of a response on a stream of HTTP/2, if it has ended and all before it is sent. Else does nothing.
    ///
    /// # Errors
    /// What the socket says.
    fn end(&mut self, _: &Stream) -> io::Result<()> {
        Ok(())
    }

    /// Sends the first of them, `most` at most, as far as the socket takes them at once, and forgets what it took.
    ///
    /// # Errors
    /// What the socket says.
    fn send(&mut self, socket: &Stream, most: usize) -> io::Result<usize>;
}

impl Output for &Exchange {
    fn waiting(&self) -> usize {
        self.response(|response| response.output().len())
    }

    #[inline]
    fn begin(&mut self, socket: &Stream) -> io::Result<()> {
        match socket.http2() {
            Some(stream) => self.response(|response| http2::send_head(stream, response, 0)),
            None => Ok(()),
        }
    }

    #[inline]
    fn end(&mut self, socket: &Stream) -> io::Result<()> {
        match socket.http2() {
            Some(stream) => self.response(|response| http2::send_end(stream, response)),
            None => Ok(()),
        }
    }

    fn send(&mut self, socket: &Stream, most: usize) -> io::Result<usize> {
        self.response(|response| {
            if let Some(stream) = socket.http2() {
                return http2::send_payload(stream, response, most, 0);
            }
            let sent = socket.try_write(&response.output()[..most])?;
            response.advance(sent);
            Ok(sent)
        })
    }
}

impl Output for &mut WriteQueue {
    fn waiting(&self) -> usize {
        self.bytes()
    }

    fn send(&mut self, socket: &Stream, most: usize) -> io::Result<usize> {
        self.send_behind(&[], socket, most)
    }
}

/// The way of one response to its client.
#[derive(Debug)]
pub struct Pump {
    /// In a box, as few responses have one.
    pacer: Option<Box<Pacer>>,
    timeout: MinRateTimeout,
    /// How many bytes the stream itself held when it was written to last: see [`Stream::unsent`].
    unsent: usize,
}

impl Pump {
    /// A pump for one response, paced if there is a pacer. It waits for its client as long as `timeouts` say.
    #[must_use]
    pub fn new(pacer: Option<Pacer>, timeouts: &Timeouts) -> Self {
        let timeout = MinRateTimeout::new(timeouts.write, timeouts.min_write_rate);
        Self { pacer: pacer.map(Box::new), timeout, unsent: 0 }
    }

    /// The pump, for who goes on with the response; what stays sends nothing.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let left = Self { pacer: None, timeout: self.timeout.clone(), unsent: 0 };
        std::mem::replace(self, left)
    }

    /// Sends the output there is. Ready once the system has all of it; to be polled again at [`Self::paced_until`], or when the
    /// socket can take more.
    ///
    /// # Errors
    /// What the socket says: the client is gone.
    pub fn poll(&mut self, cx: &mut Context<'_>, socket: &Stream, mut output: impl Output) -> Poll<io::Result<()>> {
        output.begin(socket)?;
        loop {
            let waiting = output.waiting();
            if waiting == 0 {
                output.end(socket)?;
                let Poll::Ready(flushed) = socket.poll_flush(cx) else { return self.stall(socket) };
                self.note_taken(0, socket);
                self.timeout.end(0, Instant::now);
                return Poll::Ready(flushed);
            }
            let allowed = match &mut self.pacer {
                Some(pacer) => match socket.http2() {
                    None => ready!(pacer.poll(waiting, Instant::now())),
                    Some(stream) => match http2::poll_pacer(cx, stream, pacer, waiting) {
                        Poll::Ready(allowed) => allowed?,
                        Poll::Pending if pacer.waiting_until().is_some() => return Poll::Pending,
                        Poll::Pending => return self.stall(socket),
                    },
                },
                None => waiting,
            };
            match output.send(socket, allowed) {
                Ok(sent) => {
                    self.note_taken(sent, socket);
                    if let Some(pacer) = &mut self.pacer {
                        pacer.spend(sent);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if socket.poll_write_ready(cx)?.is_pending() {
                        return self.stall(socket);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Notes what the client has taken, after `sent` more bytes were written: those that the stream holds are not taken yet.
    #[inline]
    fn note_taken(&mut self, sent: usize, socket: &Stream) {
        let unsent = socket.unsent();
        let taken = (self.unsent + sent).saturating_sub(unsent);
        self.unsent = unsent;
        if taken > 0 {
            self.timeout.end(taken, Instant::now);
        }
    }

    /// The client takes no more now.
    fn stall<T>(&mut self, socket: &Stream) -> Poll<T> {
        self.note_taken(0, socket);
        self.timeout.wait(Instant::now);
        self.rest();
        Poll::Pending
    }

    /// When the rate allows the next piece.
    #[must_use]
    pub fn paced_until(&self) -> Option<Instant> {
        self.pacer.as_ref()?.waiting_until()
    }

    /// Whether the client takes nothing of what waits for it.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.timeout.is_waiting()
    }

    /// When the client has taken nothing, or too little, of what waits for it for too long.
    #[must_use]
    pub fn stalled_until(&self) -> Option<Instant> {
        self.timeout.until()
    }

    /// The pump waits for something else than its rate: time that passes now is not made up for.
    pub fn rest(&mut self) {
        if let Some(pacer) = &mut self.pacer {
            pacer.rest();
        }
    }
}
