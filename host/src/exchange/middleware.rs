//! The way of an exchange through middleware: who of the chain is called, and whether the head may be sent.
//!
//! Owns that nothing of a head goes out before the chain has seen it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::context::ContextEntries;
use super::wait::WaitReason;
use super::{ContextError, Exchange, Inner};
use crate::http::fields::{self, FieldError};
use crate::response::ResponseError;

/// Fields that are true of one body alone.
const BODY_FIELDS: [&str; 4] = ["content-encoding", "content-length", "content-range", "content-type"];

/// What only a request with middleware has, or one that leaves notes.
#[derive(Debug, Default)]
pub(super) struct MiddlewareState {
    gate: HeadGate,
    notes: ContextEntries,
    /// The fields that nobody changes before the chain sees the head, in lower case.
    sealed: Vec<String>,
    /// The middleware that is called at the moment.
    middleware: Option<Arc<str>>,
    /// When the time of that one is used up.
    pub(super) until: Option<Instant>,
}

/// Whether the head may be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum HeadGate {
    /// It may.
    #[default]
    Open,
    /// The chain is to see it first.
    Held,
    /// The same, and something was written.
    Requested,
    /// The chain sees it now.
    InReview,
}

impl Inner {
    /// Whether the head was sent or may be. If the chain is to see it first, requests that.
    pub(super) fn may_send_head(&mut self) -> Result<bool, ResponseError> {
        let Some(state) = &mut self.middleware else { return Ok(true) };
        match state.gate {
            HeadGate::Open => Ok(true),
            HeadGate::Held | HeadGate::Requested if !self.response.is_building() => Ok(true),
            HeadGate::Held | HeadGate::Requested => {
                state.gate = HeadGate::Requested;
                Ok(false)
            }
            HeadGate::InReview => Err(ResponseError::Closed),
        }
    }

    fn middleware_mut(&mut self) -> &mut MiddlewareState {
        self.middleware.get_or_insert_default()
    }

    /// Whether a field may be changed now, for all that middleware has sealed.
    pub(super) fn may_change(&self, field: &str) -> bool {
        let Some(state) = &self.middleware else { return true };
        state.gate == HeadGate::InReview || !state.sealed.iter().any(|sealed| sealed.eq_ignore_ascii_case(field))
    }

    /// Whether a middleware sees the request now.
    fn may_seal(&self) -> bool {
        let is_called = |state: &MiddlewareState| state.middleware.is_some() && state.gate != HeadGate::InReview;
        self.middleware.as_deref().is_some_and(is_called)
    }

    /// Whether what was written waits for the chain to see the head.
    pub(super) fn is_head_waiting(&self) -> bool {
        self.response.is_building() && self.gate() != HeadGate::Open
    }

    fn gate(&self) -> HeadGate {
        self.middleware.as_ref().map_or(HeadGate::Open, |state| state.gate)
    }
}

/// For who calls the chain.
impl Exchange {
    /// Holds the head back until the chain has seen it.
    pub fn hold_head(&self) {
        self.lock().middleware_mut().gate = HeadGate::Held;
    }

    /// Whether the head is held back and would be sent else.
    #[must_use]
    pub fn is_head_held(&self) -> bool {
        let inner = &*self.lock();
        inner.response.is_building() && matches!(inner.gate(), HeadGate::Held | HeadGate::Requested)
    }

    /// Whether something was written that waits for the head.
    #[must_use]
    pub fn is_head_requested(&self) -> bool {
        self.lock().gate() == HeadGate::Requested
    }

    /// The chain is about to see the head. If the handler has used up all of the time, the chain has `grace`.
    pub fn begin_review(&self, grace: Duration) {
        let inner = &mut *self.lock();
        inner.middleware_mut().gate = HeadGate::InReview;
        let now = Instant::now();
        if now >= inner.clock.deadline {
            inner.clock.deadline = now + grace;
        }
    }

    /// The chain has seen the head.
    pub fn release_head(&self) {
        self.change(|inner| inner.middleware_mut().gate = HeadGate::Open);
    }

    /// A middleware is called, for at most `timeout`.
    pub fn enter(&self, middleware: Arc<str>, timeout: Duration) {
        let inner = &mut *self.lock();
        let state = inner.middleware_mut();
        (state.middleware, state.until) = (Some(middleware), Some(Instant::now() + timeout));
    }

    /// It has ended well.
    pub fn leave(&self) {
        let inner = &mut *self.lock();
        let state = inner.middleware_mut();
        (state.middleware, state.until) = (None, None);
    }

    /// The middleware that is called at the moment, or has failed.
    #[must_use]
    pub fn middleware(&self) -> Option<Arc<str>> {
        self.lock().middleware.as_ref()?.middleware.clone()
    }

    /// Waits until the head may be sent, or the response is over. The clock goes on: it is the chain's time.
    pub(super) async fn head(&self) {
        self.wait(WaitReason::Head, |inner| (!inner.is_head_waiting()).then_some(())).await;
    }
}

/// Notes.
impl Exchange {
    /// The bytes that were left under a name.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<Bytes> {
        self.lock().middleware.as_ref()?.notes.get(name)
    }

    /// Leaves bytes under a name, in place of what it had.
    ///
    /// # Errors
    /// Past a bound: see [`ContextError`].
    pub fn set_note(&self, name: &str, value: &[u8]) -> Result<(), ContextError> {
        self.lock().middleware_mut().notes.set(name, value)
    }

    /// The bytes that were left under a name that a middleware has sealed.
    #[must_use]
    pub fn sealed_note(&self, name: &str) -> Option<Bytes> {
        self.lock().middleware.as_ref()?.notes.sealed(name)
    }

    /// Lets nobody leave other bytes under a name. Only for a middleware that sees a request.
    ///
    /// # Errors
    /// See [`ContextError`].
    pub fn seal_note(&self, name: &str) -> Result<(), ContextError> {
        let inner = &mut *self.lock();
        if inner.may_seal() { inner.middleware_mut().notes.seal(name) } else { Err(ContextError::Forbidden) }
    }

    /// Lets nobody change a field of the response until the chain sees its head. Only for a middleware that sees a
    /// request.
    ///
    /// # Errors
    /// [`FieldError::Forbidden`] for anybody else, and for what is no name or one too many.
    pub fn seal_field(&self, name: &str) -> Result<(), FieldError> {
        let inner = &mut *self.lock();
        if !inner.may_seal() {
            return Err(FieldError::Forbidden);
        }
        fields::check_name(name)?;
        let sealed = &mut inner.middleware_mut().sealed;
        if sealed.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        if sealed.len() >= fields::MAX_FIELDS {
            return Err(FieldError::TooLarge);
        }
        sealed.push(name.to_ascii_lowercase());
        Ok(())
    }

    /// Forgets all fields of the response but those that were sealed, for an answer of the host's own: what describes a
    /// body would not be true of it.
    pub fn clear_unsealed(&self) {
        let inner = &mut *self.lock();
        let sealed = inner.middleware.as_deref().map_or(&[][..], |state| &state.sealed);
        if let Ok(fields) = inner.response.fields_mut() {
            let is = |name: &str, other: &&str| name.eq_ignore_ascii_case(other);
            let describes_body = |name: &str| BODY_FIELDS.iter().any(|other| is(name, other));
            fields.retain(|name| !describes_body(name) && sealed.iter().any(|sealed| is(name, &sealed.as_str())));
        }
    }
}
