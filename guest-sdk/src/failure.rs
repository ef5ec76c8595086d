//! Handles the error of a handler: decides who is at fault and how the response ends.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use crate::host::response as host;
use crate::{BodyError, Error, Outcome, RequestError, Response};

/// Ends the invocation of a handler that returned an error.
pub(crate) fn fail<E: Display + 'static>(error: &E, response: Response) -> Outcome {
    match cause(error) {
        Cause::Response(error) => return refused(error),
        // The limit may be the handler's own, of `read_all`, which the host does not know.
        Cause::Body(BodyError::TooLarge) => match answer(response, 413, b"Content Too Large\n".to_vec()) {
            Ok(outcome) => return outcome,
            Err(Error::Closed) => {}
            Err(Error::HeadAlreadySent | Error::Invalid | Error::Forbidden | Error::TooLarge | Error::Unavailable) => {
                give_up(BodyError::TooLarge.text());
            }
        },
        Cause::Body(error) => give_up(error.text()),
        Cause::Request(error) => match answer(response, error.status(), [error.message().as_bytes(), b"\n"].concat()) {
            Ok(outcome) => return outcome,
            Err(Error::Closed) => {}
            Err(_) => give_up(error.message()),
        },
        #[cfg(feature = "json")]
        Cause::Json => match answer(response, 400, b"Bad Request\n".to_vec()) {
            Ok(outcome) => return outcome,
            Err(Error::Closed) => {}
            Err(_) => give_up(&error.to_string()),
        },
        Cause::Handler => give_up(&error.to_string()),
    }
    end()
}

/// Ends the invocation of a handler whose call to the response was refused. Separate from [`fail`] and with a constant
/// reason: formatting a text would add the imports of a panic to a handler that does not need them, and each import
/// costs every request.
pub(crate) fn refused(error: Error) -> Outcome {
    match error {
        // Nobody is at fault: the response is complete, or the client has gone.
        Error::Closed => {}
        Error::HeadAlreadySent | Error::Invalid | Error::Forbidden | Error::TooLarge | Error::Unavailable => {
            give_up(error.text());
        }
    }
    end()
}

/// Lets the host answer, which knows whether the client is at fault.
fn give_up(reason: &str) {
    // This fails only outside a request, where no handler is called.
    let _ = host::fail(reason);
}

/// Answers here, in place of what the handler has prepared.
fn answer(response: Response, status: u16, text: Vec<u8>) -> Result<Outcome, Error> {
    response
        .set_status(status)?
        // These fields described a body that is not sent.
        .remove_field("content-length")?
        .remove_field("content-encoding")?
        .set_field("content-type", "text/plain; charset=utf-8")?;
    Ok(Outcome::Body(text))
}

/// The outcome after a response that is complete or that the host will answer. Not `close`: a second write to a `HEAD`
/// response is refused, but its connection remains usable.
fn end() -> Outcome {
    Outcome::Body(Vec::new())
}

/// Who caused an error.
#[derive(Debug, PartialEq, Eq)]
enum Cause {
    /// A call to the response was refused.
    Response(Error),
    /// The client: its body could not be read.
    Body(BodyError),
    /// The client.
    Request(RequestError),
    /// The client: its body is not the JSON that was expected.
    #[cfg(feature = "json")]
    Json,
    /// The handler.
    Handler,
}

/// Finds the SDK's own errors, also inside the types that `?` wraps them in.
fn cause<E: 'static>(error: &E) -> Cause {
    let error: &dyn Any = error;
    if let Some(error) = error.downcast_ref() {
        Cause::Response(*error)
    } else if let Some(error) = error.downcast_ref() {
        Cause::Body(*error)
    } else if let Some(error) = error.downcast_ref() {
        request_cause(error)
    } else if let Some(cause) = json_cause(error.downcast_ref()) {
        cause
    } else if let Some(error) = error.downcast_ref::<io::Error>() {
        cause_inside(error)
    } else if let Some(error) = error.downcast_ref::<Box<dyn StdError>>() {
        cause_inside(&**error)
    } else if let Some(error) = error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        cause_inside(&**error)
    } else {
        Cause::Handler
    }
}

fn cause_inside(error: &(dyn StdError + 'static)) -> Cause {
    if let Some(error) = error.downcast_ref() {
        Cause::Response(*error)
    } else if let Some(error) = error.downcast_ref() {
        Cause::Body(*error)
    } else if let Some(error) = error.downcast_ref() {
        request_cause(error)
    } else if let Some(cause) = json_cause(error.downcast_ref()) {
        cause
    } else if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause_inside(wrapped)
    } else {
        Cause::Handler
    }
}

fn request_cause(error: &RequestError) -> Cause {
    error.body_error().map_or_else(|| Cause::Request(error.clone()), Cause::Body)
}

/// Who caused an error of the module `json`.
#[cfg(feature = "json")]
fn json_cause(error: Option<&crate::json::JsonError>) -> Option<Cause> {
    Some(match error? {
        crate::json::JsonError::Body(error) => Cause::Body(*error),
        crate::json::JsonError::Content(_) => Cause::Json,
    })
}

/// There is no such module.
#[cfg(not(feature = "json"))]
fn json_cause(_: Option<&std::convert::Infallible>) -> Option<Cause> {
    None
}

#[cfg(test)]
mod tests;
