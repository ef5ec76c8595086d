//! JSON bodies, by serde. This module needs the feature `json`.
//!
//! ```no_run
//! use guest_sdk::Request;
//! use guest_sdk::json::{self, Json, JsonError};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Order {
//!     article: String,
//!     count: u32,
//! }
//!
//! #[derive(Serialize)]
//! struct Receipt {
//!     text: String,
//! }
//!
//! fn order(request: Request) -> Result<Json<Receipt>, JsonError> {
//!     let Order { article, count } = json::read(request, 65_536)?;
//!     Ok(Json(Receipt { text: format!("{count} of {article}") }))
//! }
//! ```

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::fail;
use crate::outcome::marker;
use crate::{BodyError, Error, IntoOutcome, Outcome, Request, Response};

/// A body in JSON. The response has the `content-type` `application/json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// Why a body could not be read as JSON.
///
/// If a handler returns it as its error, the response has its [`status`](Self::status), because the client is at fault.
#[derive(Debug)]
pub enum JsonError {
    /// The body could not be read.
    Body(BodyError),
    /// It is not JSON, or not of the type that was asked for.
    Content(serde_json::Error),
}

/// Reads the body of the request as JSON, at most `limit` bytes. Its `content-type` is not looked at.
///
/// # Errors
///
/// See [`JsonError`].
pub fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, JsonError> {
    let body = request.body().read_all(limit).map_err(JsonError::Body)?;
    serde_json::from_slice(&body).map_err(JsonError::Content)
}

impl JsonError {
    /// The status of the response: 400, 408 or 413.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Body(error) => error.status(),
            Self::Content(_) => 400,
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Content(error) => write!(f, "the body is not the JSON that is expected: {error}"),
        }
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Body(error) => Some(error),
            Self::Content(error) => Some(error),
        }
    }
}

impl<T: Serialize> IntoOutcome<marker::Whole> for Json<T> {
    fn into_outcome(self, response: Response) -> Outcome {
        let body = match serde_json::to_vec(&self.0) {
            Ok(body) => body,
            Err(error) => return fail(&error, response),
        };
        match response.set_field("content-type", "application/json") {
            // After a write, the body is the last piece of what was begun.
            Ok(_) | Err(Error::HeadAlreadySent | Error::Forbidden) => Outcome::Body(body),
            Err(error) => fail(&error, response),
        }
    }
}
