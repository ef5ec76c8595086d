//! Who is at fault for an error, however it is wrapped.

use std::error::Error as StdError;
use std::io;

use super::{Cause, cause};
use crate::{BodyError, Error};

#[test]
fn our_own_errors_are_recognised_as_they_are_and_as_std_wraps_them() {
    let body = BodyError::Malformed;
    assert_eq!(cause(&Error::Closed), Cause::Response(Error::Closed));
    assert_eq!(cause(&Error::Invalid), Cause::Response(Error::Invalid));
    assert_eq!(cause(&body), Cause::Body(body));
    assert_eq!(cause(&io::Error::from(body)), Cause::Body(body));
    assert_eq!(cause(&io::Error::other(Error::Closed)), Cause::Response(Error::Closed));
    assert_eq!(cause(&(Box::from(Error::Closed) as Box<dyn StdError>)), Cause::Response(Error::Closed));
    assert_eq!(cause(&(Box::from(body) as Box<dyn StdError + Send + Sync>)), Cause::Body(body));
    assert_eq!(cause(&(Box::from(io::Error::from(body)) as Box<dyn StdError>)), Cause::Body(body));
}

#[test]
fn every_other_error_is_the_handlers() {
    assert_eq!(cause(&"a text".to_owned()), Cause::Handler);
    assert_eq!(cause(&io::Error::other("a text")), Cause::Handler);
    assert_eq!(cause(&io::Error::from(io::ErrorKind::TimedOut)), Cause::Handler);
    assert_eq!(cause(&(Box::from("a text") as Box<dyn StdError + Send + Sync>)), Cause::Handler);
}
