//! Who is at fault for an error, however it is wrapped.

use std::error::Error as StdError;
use std::io;

use super::{Cause, cause};
use crate::testing::{TestRequest, call};
use crate::{BodyError, Error, RequestError, Response};

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

#[test]
fn what_the_client_did_wrong_is_its_answer_however_it_is_wrapped() {
    let refused = || RequestError::new(404, "no such thing");
    let answers = [
        call(|| Err::<&str, _>(refused()), TestRequest::get("/")),
        call(|| Err::<&str, Box<dyn StdError>>(refused().into()), TestRequest::get("/")),
        call(|| Err::<&str, _>(io::Error::from(refused())), TestRequest::get("/")),
    ];
    for answer in answers {
        let found = (answer.status, answer.text(), answer.field("content-type"), answer.failure);
        let plain = Some("text/plain; charset=utf-8".to_owned());
        assert_eq!(found, (404, "no such thing\n".to_owned(), plain, None));
    }
    assert_eq!(cause(&RequestError::from(BodyError::TimedOut)), Cause::Body(BodyError::TimedOut));
    assert_eq!(RequestError::new(500, "").status(), 400);
    // After a write it is too late to say so.
    let late = |response: Response| response.write("a").map_err(|_| refused()).and_then(|_| Err::<&str, _>(refused()));
    let late = call(late, TestRequest::get("/"));
    assert_eq!((late.status, late.text(), late.failure.as_deref()), (200, "a".to_owned(), Some("no such thing")));
}
