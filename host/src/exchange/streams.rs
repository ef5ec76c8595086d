//! The two bodies as streams: what can be read and written without waiting, and waits until something can.

use bytes::Bytes;

use super::wait::WaitReason;
use super::{BodyError, Exchange};
use crate::http::fields::Fields;
use crate::response::{Response, ResponseError};

/// The handler's side.
impl Exchange {
    /// The next piece of the request's body, at least one byte and at most `max`; `Ok(None)` at the end. `None` if it has
    /// not come yet: it is asked for, and [`Self::readable`] waits for it.
    pub fn try_read(&self, max: usize) -> Option<Result<Option<Bytes>, BodyError>> {
        self.change(|inner| inner.take_piece(max))
    }

    /// Waits until there is a piece of the request's body, or its end.
    pub async fn readable(&self) {
        self.wait(WaitReason::Body, |inner| {
            let is_here = inner.has_body();
            if !is_here {
                inner.want(usize::MAX);
            }
            is_here.then_some(())
        })
        .await;
    }

    /// How many bytes the next write takes in one go; 0 if the handler has to wait ([`Self::writable`]). Asks the chain to
    /// see the head, if it has to first.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] if the response is over.
    pub fn writable_bytes(&self) -> Result<usize, ResponseError> {
        self.change(|inner| {
            let response = inner.of_handler()?;
            if response.is_over() {
                return Err(ResponseError::Closed);
            }
            let bytes = if response.has_room() { response.max_piece() } else { 0 };
            Ok(if inner.may_send_head()? { bytes } else { 0 })
        })
    }

    /// Sets the status, if there is one, and the fields of the response. Fields that the chain has set and not sealed are
    /// replaced; for those that it has sealed nothing changes.
    ///
    /// # Errors
    /// As [`Response::set_status`]; [`ResponseError::Field`] if there are too many fields with those of the chain.
    pub fn set_head(&self, status: Option<u16>, fields: &Fields) -> Result<(), ResponseError> {
        let inner = &mut *self.lock();
        let response = inner.of_handler()?;
        if let Some(status) = status {
            response.set_status(status)?;
        }
        response.no_default_content_type();
        let mut names: Vec<&str> = Vec::new();
        for (name, value) in fields.all() {
            if !inner.may_change(name) {
                continue;
            }
            let is_first = !names.iter().any(|known| known.eq_ignore_ascii_case(name));
            let target = inner.response.fields_mut()?;
            if is_first {
                names.push(name);
                target.set(name, value)?;
            } else {
                target.append(name, value)?;
            }
        }
        Ok(())
    }

    /// Whether the response is complete because it has no body: what else is written of one is dropped.
    #[must_use]
    pub fn drops_body(&self) -> bool {
        self.response(|response| response.is_over() && !response.is_truncated() && !response.has_body())
    }

    /// Whether the response is at its end without being complete.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.response(|response| Response::is_truncated(response))
    }
}
