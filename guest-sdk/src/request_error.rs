//! [`RequestError`]: what a client did wrong, and what it is told.

use std::borrow::Cow;
use std::fmt;

use crate::BodyError;

/// What a client did wrong.
///
/// If a handler returns it as its error, before anything was written, the client gets its status and its message as plain
/// text. After a write the response is truncated, and the log has the message.
///
/// ```no_run
/// use guest_sdk::{Request, RequestError};
///
/// fn page(request: Request) -> Result<String, RequestError> {
///     let id = request.param("id").unwrap_or_default();
///     let id: u32 = id.parse().map_err(|_| RequestError::new(404, "there is no such page"))?;
///     Ok(format!("the page {id}\n"))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Its body cannot be read.
    Body(BodyError),
    Refused(u16, Cow<'static, str>),
}

impl RequestError {
    /// A status from 400 to 499, and what to tell the client. Any other status counts as 400.
    #[must_use]
    pub fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        let status = if matches!(status, 400..=499) { status } else { 400 };
        Self(Kind::Refused(status, message.into()))
    }

    /// The status of the response.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match &self.0 {
            Kind::Body(error) => error.status(),
            Kind::Refused(status, _) => *status,
        }
    }

    /// Why the body cannot be read, if that is what is wrong.
    #[must_use]
    pub const fn body_error(&self) -> Option<BodyError> {
        match &self.0 {
            Kind::Body(error) => Some(*error),
            Kind::Refused(..) => None,
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0 {
            Kind::Body(error) => error.text(),
            Kind::Refused(_, message) => message,
        }
    }
}

impl From<BodyError> for RequestError {
    fn from(error: BodyError) -> Self {
        Self(Kind::Body(error))
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for RequestError {}

impl From<RequestError> for std::io::Error {
    fn from(error: RequestError) -> Self {
        match error.0 {
            Kind::Body(error) => error.into(),
            Kind::Refused(..) => Self::new(std::io::ErrorKind::InvalidData, error),
        }
    }
}
