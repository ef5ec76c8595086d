//! The way of an exchange through middleware: who of the chain is called, and whether the head may be sent.
//!
//! Owns that nothing of a head goes out before the chain has seen it. It must not know what middleware is in the chain.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::notes::Notes;
use super::{Exchange, Inner, NoteError};
use crate::http::response::ResponseError;

/// What only a request with middleware has, or one that leaves notes.
#[derive(Debug, Default)]
pub(super) struct Passage {
    gate: Gate,
    notes: Notes,
    /// The middleware that is called at the moment.
    middleware: Option<Arc<str>>,
    /// When the time of that one is used up.
    until: Option<Instant>,
}

/// Whether the head may be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Gate {
    /// It may.
    #[default]
    Open,
    /// The chain is to see it first.
    Shut,
    /// The same, and something was written.
    Asked,
    /// The chain sees it now.
    Watched,
}

impl Inner {
    /// Whether the head was sent or may be; where the chain is to see it first, asks for that.
    pub(super) fn may_send_head(&mut self) -> Result<bool, ResponseError> {
        let Some(passage) = &mut self.passage else { return Ok(true) };
        match passage.gate {
            Gate::Open => Ok(true),
            Gate::Shut | Gate::Asked if !self.response.is_building() => Ok(true),
            Gate::Shut | Gate::Asked => {
                passage.gate = Gate::Asked;
                Ok(false)
            }
            Gate::Watched => Err(ResponseError::Closed),
        }
    }

    /// When the time of whoever runs is used up.
    pub(super) fn deadline(&self) -> Instant {
        let until = self.passage.as_ref().and_then(|passage| passage.until);
        until.map_or(self.clock.deadline, |until| until.min(self.clock.deadline))
    }

    /// The client was waited for, which is nobody's time.
    pub(super) fn put_off(&mut self, waited: Duration) {
        self.clock.deadline += waited;
        if let Some(until) = self.passage.as_mut().and_then(|passage| passage.until.as_mut()) {
            *until += waited;
        }
    }

    fn passage(&mut self) -> &mut Passage {
        self.passage.get_or_insert_default()
    }

    fn gate(&self) -> Gate {
        self.passage.as_ref().map_or(Gate::Open, |passage| passage.gate)
    }
}

/// For who calls the chain.
impl Exchange {
    /// Holds the head back until the chain has seen it.
    pub fn hold_head(&self) {
        self.lock().passage().gate = Gate::Shut;
    }

    /// Whether the head is held back and would be sent else.
    #[must_use]
    pub fn holds_head(&self) -> bool {
        let inner = &*self.lock();
        inner.response.is_building() && matches!(inner.gate(), Gate::Shut | Gate::Asked)
    }

    /// Whether something was written that waits for the head.
    #[must_use]
    pub fn wants_head(&self) -> bool {
        self.lock().gate() == Gate::Asked
    }

    /// The chain is about to see the head. Where the handler has used up all of the time, it has `grace`.
    pub fn show_head(&self, grace: Duration) {
        let inner = &mut *self.lock();
        inner.passage().gate = Gate::Watched;
        let now = Instant::now();
        if now >= inner.clock.deadline {
            inner.clock.deadline = now + grace;
        }
    }

    /// The chain has seen the head.
    pub fn release_head(&self) {
        self.lock().passage().gate = Gate::Open;
    }

    /// A middleware is called, for at most `timeout`.
    pub fn enter(&self, middleware: Arc<str>, timeout: Duration) {
        let inner = &mut *self.lock();
        let passage = inner.passage();
        (passage.middleware, passage.until) = (Some(middleware), Some(Instant::now() + timeout));
    }

    /// It has ended well.
    pub fn leave(&self) {
        let inner = &mut *self.lock();
        let passage = inner.passage();
        (passage.middleware, passage.until) = (None, None);
    }

    /// The middleware that is called at the moment, or has failed.
    #[must_use]
    pub fn middleware(&self) -> Option<Arc<str>> {
        self.lock().passage.as_ref()?.middleware.clone()
    }

    /// Waits until the head may be sent, or the response is over. The clock goes on: it is the chain's time.
    pub(super) async fn head(&self) {
        poll_fn(|_| {
            let inner = &*self.lock();
            let held = inner.response.is_building() && inner.gate() != Gate::Open;
            if held { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

/// Notes.
impl Exchange {
    /// The bytes that were left under a name.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<Bytes> {
        self.lock().passage.as_ref()?.notes.get(name)
    }

    /// Leaves bytes under a name, in place of what it had.
    ///
    /// # Errors
    /// Past a bound: see [`NoteError`].
    pub fn set_note(&self, name: &str, value: &[u8]) -> Result<(), NoteError> {
        self.lock().passage().notes.set(name, value)
    }
}
