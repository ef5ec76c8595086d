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

#[cfg(test)]
mod tests;

/// Encoded bytes that wait to be sent, in order.
pub trait Output {
    /// How many there are.
    fn waiting(&self) -> usize;

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

    fn send(&mut self, socket: &Stream, most: usize) -> io::Result<usize> {
        self.response(|response| {
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
}

impl Pump {
    /// A pump for one response, paced if there is a pacer. It waits for its client as long as `timeouts` say.
    #[must_use]
    pub fn new(pacer: Option<Pacer>, timeouts: &Timeouts) -> Self {
        let timeout = MinRateTimeout::new(timeouts.write, timeouts.min_write_rate);
        Self { pacer: pacer.map(Box::new), timeout }
    }

    /// The pump, for who goes on with the response; what stays sends nothing.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let left = Self { pacer: None, timeout: self.timeout.clone() };
        std::mem::replace(self, left)
    }

    /// Sends the output there is. Ready once the system has all of it; to be polled again at [`Self::paced_until`], or when the
    /// socket can take more.
    ///
    /// # Errors
    /// What the socket says: the client is gone.
    pub fn poll(&mut self, cx: &mut Context<'_>, socket: &Stream, mut output: impl Output) -> Poll<io::Result<()>> {
        loop {
            let waiting = output.waiting();
            if waiting == 0 {
                let Poll::Ready(flushed) = socket.poll_flush(cx) else { return self.stall() };
                self.timeout.end(0, Instant::now);
                return Poll::Ready(flushed);
            }
            let allowed = match &mut self.pacer {
                Some(pacer) => ready!(pacer.poll(waiting, Instant::now())),
                None => waiting,
            };
            match output.send(socket, allowed) {
                Ok(sent) => {
                    self.timeout.end(sent, Instant::now);
                    if let Some(pacer) = &mut self.pacer {
                        pacer.spend(sent);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if socket.poll_write_ready(cx)?.is_pending() {
                        return self.stall();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// The client takes nothing now.
    fn stall<T>(&mut self) -> Poll<T> {
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
