//! What the head of a request says about its connection: how the body is framed (RFC 9112 section 6), whether the
//! connection persists (section 9.3), and whether the client waits for `100 Continue` (RFC 9110 section 10.1.1).
//!
//! A pure function decides each of these, before the route and its limits are known.

use thiserror::Error;

use crate::http::grammar::{is_token, list, parse_decimal, trim_ows};
use crate::http::head::RequestHead;
use crate::http::version::Version;

#[cfg(test)]
mod tests;

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body: no length was announced, or a length of 0.
    None,
    /// The body has the length of `Content-Length`, at least 1.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// The body ends with its stream of HTTP/2. It has this length, if the head declares one.
    ByStream(Option<u64>),
}

/// Why the end of the body cannot be determined. The connection can then carry no further request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FramingError {
    /// There are both `Transfer-Encoding` and `Content-Length`, as in request smuggling (RFC 9112 section 6.3).
    #[error("both Transfer-Encoding and Content-Length are given")]
    LengthAndCoding,
    /// HTTP/1.0 has no transfer codings (RFC 9112 section 6.1).
    #[error("Transfer-Encoding is given in HTTP/1.0")]
    CodingInHttp10,
    /// A transfer coding is no token, `chunked` has a parameter, or the list of codings is empty (RFC 9112 section 7).
    #[error("Transfer-Encoding is malformed")]
    CodingMalformed,
    /// `chunked` is not the last transfer coding, or comes twice (RFC 9112 sections 6.1 and 6.3).
    #[error("chunked is not the last transfer coding, once")]
    ChunkedNotLast,
    /// A transfer coding before `chunked` is not known (RFC 9112 section 6.1).
    #[error("a transfer coding is unknown")]
    CodingUnknown,
    /// `Content-Length` is no decimal number of 64 bits (RFC 9110 section 8.6).
    #[error("Content-Length is malformed")]
    LengthMalformed,
    /// `Content-Length` is given with several values (RFC 9110 section 8.6).
    #[error("Content-Length is given with different values")]
    LengthsDiffer,
}

impl FramingError {
    /// The status of the response to such a request.
    pub fn status(&self) -> u16 {
        match self {
            FramingError::CodingUnknown => 501,
            FramingError::LengthAndCoding
            | FramingError::CodingInHttp10
            | FramingError::CodingMalformed
            | FramingError::ChunkedNotLast
            | FramingError::LengthMalformed
            | FramingError::LengthsDiffer => 400,
        }
    }
}

/// How the body after `head` is framed (RFC 9112 section 6.3). The method does not matter.
///
/// # Errors
/// See [`FramingError`].
pub fn request_framing(head: &RequestHead) -> Result<BodyFraming, FramingError> {
    let length = head.values("content-length").next().is_some();
    if head.values("transfer-encoding").next().is_none() {
        return if length { content_length(head) } else { Ok(BodyFraming::None) };
    }
    if length {
        return Err(FramingError::LengthAndCoding);
    }
    match head.version() {
        Version::Http10 => Err(FramingError::CodingInHttp10),
        Version::Http11 | Version::Http2 => transfer_coding(head),
    }
}

pub(crate) fn content_length(head: &RequestHead) -> Result<BodyFraming, FramingError> {
    let mut length = None;
    // `Content-Length` is a list only if one number was repeated by mistake. An empty element is not that number, so it
    // is refused.
    for element in head.values("content-length").flat_map(|value| value.split(|byte| *byte == b',')) {
        let number = parse_decimal(trim_ows(element)).ok_or(FramingError::LengthMalformed)?;
        if *length.get_or_insert(number) != number {
            return Err(FramingError::LengthsDiffer);
        }
    }
    Ok(match length {
        None | Some(0) => BodyFraming::None,
        Some(length) => BodyFraming::Length(length),
    })
}

fn transfer_coding(head: &RequestHead) -> Result<BodyFraming, FramingError> {
    let mut chunked = false;
    let mut unknown = false;
    for coding in list(head.values("transfer-encoding")) {
        if chunked {
            return Err(FramingError::ChunkedNotLast);
        }
        let name = coding.split(|byte| *byte == b';').next().map_or(coding, trim_ows);
        chunked = name.eq_ignore_ascii_case(b"chunked");
        unknown |= !chunked;
        if !is_token(name) || (chunked && name != coding) {
            return Err(FramingError::CodingMalformed);
        }
    }
    match (chunked, unknown) {
        (true, false) => Ok(BodyFraming::Chunked),
        (true, true) => Err(FramingError::CodingUnknown),
        (false, true) => Err(FramingError::ChunkedNotLast),
        (false, false) => Err(FramingError::CodingMalformed),
    }
}

/// Whether the client allows the connection to persist after the response (RFC 9112 section 9.3).
pub fn keep_alive(head: &RequestHead) -> bool {
    let asks_to =
        |option: &str| list(head.values("connection")).any(|element| element.eq_ignore_ascii_case(option.as_bytes()));
    match head.version() {
        Version::Http11 | Version::Http2 => !asks_to("close"),
        Version::Http10 => asks_to("keep-alive") && !asks_to("close"),
    }
}

/// What the client waits for before it sends the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing: the body follows at once, or there is none.
    None,
    /// An interim `100 Continue` response.
    Continue,
}

/// The client has an expectation that is not supported (RFC 9110 section 10.1.1). The end of the body is still known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the expectation cannot be met")]
pub struct UnmetExpectation;

impl UnmetExpectation {
    /// The status of the response to such a request.
    pub fn status(&self) -> u16 {
        417
    }
}

/// What the client waits for before it sends a body of this framing. An HTTP/1.0 client gets no `100 Continue`, because
/// it would take the interim response for the final one. A request without a body needs none.
///
/// # Errors
/// [`UnmetExpectation`] for any expectation other than `100-continue`, in any version.
pub fn expectation(head: &RequestHead, framing: BodyFraming) -> Result<Expectation, UnmetExpectation> {
    let mut expects_continue = false;
    for element in list(head.values("expect")) {
        if !element.eq_ignore_ascii_case(b"100-continue") {
            return Err(UnmetExpectation);
        }
        expects_continue = true;
    }
    Ok(match (head.version(), framing) {
        (
            Version::Http11 | Version::Http2,
            BodyFraming::Length(_) | BodyFraming::Chunked | BodyFraming::ByStream(_),
        ) if expects_continue => Expectation::Continue,
        (Version::Http10 | Version::Http11 | Version::Http2, _) => Expectation::None,
    })
}
