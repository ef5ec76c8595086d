//! The state of an exchange in its middleware chain: which middleware runs, and whether the head may be sent.
//!
//! Owns the rule that no byte of a head is sent before the chain has seen the head.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::context::ContextEntries;
use super::wait::WaitReason;
use super::{ContextError, Exchange, Inner};
use crate::http::fields::{self, FieldError};
use crate::response::ResponseError;

/// Fields that describe one particular body.
const BODY_FIELDS: [&str; 4] = ["content-encoding", "content-length", "content-range", "content-type"];

/// The state of a request that has middleware or context entries.
#[derive(Debug, Default)]
pub(super) struct MiddlewareState {
    gate: HeadGate,
    context: ContextEntries,
    /// The names of the sealed fields, in lower case. Nobody may change them before the chain sees the head.
    sealed: Vec<String>,
    /// The middleware that runs at the moment.
    middleware: Option<Arc<str>>,
    /// The deadline of that middleware.
    pub(super) until: Option<Instant>,
}

/// Whether the head may be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum HeadGate {
    /// The head may be sent.
    #[default]
    Open,
    /// The chain has to see the head first.
    Held,
    /// The chain has to see the head first, and something that was written waits for it.
    Requested,
    /// The chain sees the head now.
    InReview,
}

impl Inner {
    /// Whether the head was sent or may be sent now. If the chain has to see it first, requests that.
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

    /// Whether a field may be changed now. A sealed one may not, unless the chain sees the head.
    pub(super) fn may_change(&self, field: &str) -> bool {
        let Some(state) = &self.middleware else { return true };
        state.gate == HeadGate::InReview || !state.sealed.iter().any(|sealed| sealed.eq_ignore_ascii_case(field))
    }

    /// Whether a middleware runs that sees the request, and not the response.
    fn may_seal(&self) -> bool {
        let is_called = |state: &MiddlewareState| state.middleware.is_some() && state.gate != HeadGate::InReview;
        self.middleware.as_deref().is_some_and(is_called)
    }

    /// Whether the response waits for the chain to see the head.
    pub(super) fn is_head_waiting(&self) -> bool {
        self.response.is_building() && self.gate() != HeadGate::Open
    }

    fn gate(&self) -> HeadGate {
        self.middleware.as_ref().map_or(HeadGate::Open, |state| state.gate)
    }
}

/// The side that runs the chain.
impl Exchange {
    /// Holds the head until the chain has seen it.
    pub fn hold_head(&self) {
        self.lock().middleware_mut().gate = HeadGate::Held;
    }

    /// Whether the head is held for the chain, and the chain does not see it yet.
    #[must_use]
    pub fn is_head_held(&self) -> bool {
        let inner = &*self.lock();
        inner.response.is_building() && matches!(inner.gate(), HeadGate::Held | HeadGate::Requested)
    }

    /// Whether something that was written waits for the head.
    #[must_use]
    pub fn is_head_requested(&self) -> bool {
        self.lock().gate() == HeadGate::Requested
    }

    /// Records that the chain sees the head now. If the handler's deadline has passed, the chain gets `grace`.
    pub fn begin_review(&self, grace: Duration) {
        let inner = &mut *self.lock();
        inner.middleware_mut().gate = HeadGate::InReview;
        let now = Instant::now();
        if now >= inner.clock.deadline {
            inner.clock.deadline = now + grace;
        }
    }

    /// Records that the chain has seen the head, so that it may be sent.
    pub fn release_head(&self) {
        self.change(|inner| inner.middleware_mut().gate = HeadGate::Open);
    }

    /// Records that a middleware begins to run. It has to end within `timeout`.
    pub fn enter(&self, middleware: Arc<str>, timeout: Duration) {
        let inner = &mut *self.lock();
        let state = inner.middleware_mut();
        (state.middleware, state.until) = (Some(middleware), Some(Instant::now() + timeout));
    }

    /// Records that the middleware has ended without an error.
    pub fn leave(&self) {
        let inner = &mut *self.lock();
        let state = inner.middleware_mut();
        (state.middleware, state.until) = (None, None);
    }

    /// The middleware that runs at the moment, or that has failed.
    #[must_use]
    pub fn middleware(&self) -> Option<Arc<str>> {
        self.lock().middleware.as_ref()?.middleware.clone()
    }

    /// Waits until the head may be sent, or until the response is over. The clock keeps running, because the chain uses
    /// the time.
    pub(super) async fn head(&self) {
        self.wait(WaitReason::Head, |inner| (!inner.is_head_waiting()).then_some(())).await;
    }
}

/// The context, and what middleware seals.
impl Exchange {
    /// The value of a name in the context.
    #[must_use]
    pub fn context_value(&self, name: &str) -> Option<Bytes> {
        self.lock().middleware.as_ref()?.context.get(name)
    }

    /// Sets the value of a name in the context, and replaces an earlier one.
    ///
    /// # Errors
    /// If the name is sealed or a bound is passed: see [`ContextError`].
    pub fn set_context_value(&self, name: &str, value: &[u8]) -> Result<(), ContextError> {
        self.lock().middleware_mut().context.set(name, value)
    }

    /// The value of a name in the context, if a middleware has sealed the name.
    #[must_use]
    pub fn sealed_context_value(&self, name: &str) -> Option<Bytes> {
        self.lock().middleware.as_ref()?.context.sealed(name)
    }

    /// Seals a name of the context: its value cannot be set any more. Only a middleware that sees the request may do
    /// this.
    ///
    /// # Errors
    /// See [`ContextError`].
    pub fn seal_context_value(&self, name: &str) -> Result<(), ContextError> {
        let inner = &mut *self.lock();
        if inner.may_seal() { inner.middleware_mut().context.seal(name) } else { Err(ContextError::Forbidden) }
    }

    /// Seals a field of the response: it cannot be changed until the chain sees the head. Only a middleware that sees
    /// the request may do this.
    ///
    /// # Errors
    /// [`FieldError::Forbidden`] for any other caller, [`FieldError::Invalid`] if `name` is no field name, and
    /// [`FieldError::TooLarge`] if the name is too long or too many fields are sealed.
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

    /// Removes all fields of the response that are not sealed, because the host's own response replaces it. Fields that
    /// describe a body are removed too, even if they are sealed: they would be wrong for the new body.
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
