//! The trailers of the request and of the response.

use super::{Body, Exchange};
use crate::clock;
use crate::http::fields::Fields;
use crate::http::trailers;
use crate::response::ResponseError;

/// The handler's side.
impl Exchange {
    /// Takes the trailers of the request. `None` until its body has ended well, and if it has none. Trailers never become
    /// fields of the head (RFC 9110 section 6.5.1).
    #[must_use]
    pub fn take_request_trailers(&self) -> Option<Fields> {
        let inner = &mut *self.lock();
        match inner.body {
            Body::Over(Ok(())) => inner.request_trailers.take().map(|trailers| *trailers),
            Body::Over(Err(_)) | Body::Idle | Body::Wanted(_) | Body::Piece(_) => None,
        }
    }

    /// Completes the response, as an empty chunk does in [`Self::write`]. Sends the trailers if the client accepts trailers
    /// (its `TE` has the member `trailers`) and the framing has a place for them; else drops them. Fields that
    /// [are not allowed](trailers::is_allowed_in_trailers) in trailers are always dropped.
    ///
    /// Returns true once the response is complete. It returns false if the chain has to see the head first, or if there is
    /// no room for the trailers: the caller then waits for [`Self::writable`] and tries again.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn finish_with_trailers(&self, trailers: &Fields) -> Result<bool, ResponseError> {
        if !self.accepts_trailers() {
            return self.write(b"", &mut 0);
        }
        self.change(|inner| {
            inner.of_handler()?;
            if !self.begin_write(inner)? || !inner.has_room() {
                return Ok(false);
            }
            inner.response.finish_with_trailers(trailers, clock::date())?;
            Ok(true)
        })
    }

    fn accepts_trailers(&self) -> bool {
        self.request().is_some_and(|request| trailers::are_accepted(request.head.values("te")))
    }
}

/// The connection's side.
impl Exchange {
    /// Keeps the trailers of the request for the handler, which can take them after [`Self::end_body`].
    pub fn set_request_trailers(&self, trailers: Box<Fields>) {
        self.lock().request_trailers = Some(trailers);
    }
}
