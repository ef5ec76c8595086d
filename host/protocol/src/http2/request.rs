//! A request of HTTP/2 (RFC 9113 section 8.3.1): the head that any version has, and how its body ends.
//!
//! Owns the checks that `h2` does not make: the bounds of a head, `:authority` against `host`, `:scheme`, `:path`, white
//! space around values. `h2` has checked the pseudo-header fields, the fields of the connection, and upper case.

use ::http::{HeaderMap, HeaderValue, Method, Uri, header};
use thiserror::Error;

use crate::http::fields::CONNECTION_FIELDS;
use crate::http::head::{InvalidParts, RequestHead, RequestParts};
use crate::http::loopback::host;
use crate::http::version::Version;
use crate::http1::framing::{BodyFraming, Expectation, content_length, expectation};
use crate::http1::head::HeadLimits;
use crate::http1::server::{RequestError, RequestFraming};

#[cfg(test)]
mod tests;

/// The longest method, as in HTTP/1.
const MAX_METHOD: usize = 32;

/// A request as `h2` gives it.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedRequest<'r> {
    /// The method.
    pub method: &'r Method,
    /// `:scheme`, `:authority` and `:path`.
    pub uri: &'r Uri,
    /// The fields.
    pub fields: &'r HeaderMap,
    /// Whether the stream ends with the head.
    pub ends: bool,
}

/// What the listener fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerScheme {
    /// The connection is not encrypted here. A proxy in front may have decrypted it, so both schemes are served.
    Plain,
    /// The connection is encrypted.
    Tls,
}

/// A request that is served.
#[derive(Debug)]
pub struct Http2Request {
    /// The head.
    pub head: RequestHead,
    /// What it says about the body and the response.
    pub framing: RequestFraming,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Http2RequestError {
    /// `host` and `:authority` differ, so the request is malformed and its stream is reset (RFC 9113 section 8.3.1).
    #[error("host and :authority differ")]
    AuthoritiesDiffer,
    /// The method is longer than any known method.
    #[error("the method is too long")]
    MethodTooLong,
    /// The target is longer than the limit.
    #[error("the target is too long")]
    TargetTooLong,
    /// There are more fields than the limit.
    #[error("too many fields")]
    TooManyFields,
    /// `:scheme` is neither `http` nor `https`.
    #[error("the scheme is neither http nor https")]
    SchemeUnknown,
    /// The request is for `http`, and came encrypted: it is for another server (RFC 9110 section 15.5.20).
    #[error("this listener serves https")]
    SchemeMisdirected,
    /// The request is for a host that the certificate of the connection is not valid for (RFC 9110 section 15.5.20).
    #[error("the certificate of this connection is not for that host")]
    HostMisdirected,
    /// The parts make no valid head.
    #[error(transparent)]
    Parts(#[from] InvalidParts),
    /// The length of the body or an expectation.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Http2RequestError {
    /// The status of the response. `None` if there is none, and the stream is reset instead.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::AuthoritiesDiffer => None,
            Self::MethodTooLong => Some(501),
            Self::TargetTooLong => Some(414),
            Self::TooManyFields => Some(431),
            Self::SchemeUnknown => Some(400),
            Self::SchemeMisdirected | Self::HostMisdirected => Some(421),
            Self::Parts(error) => Some(error.status()),
            Self::Request(error) => Some(error.status()),
        }
    }
}

impl ReceivedRequest<'_> {
    /// The framing of a response to this request, whether or not the request is refused.
    #[must_use]
    pub fn framing(&self) -> RequestFraming {
        RequestFraming {
            version: Version::Http2,
            head_only: *self.method == Method::HEAD,
            keep_alive: true,
            body: if self.ends { BodyFraming::None } else { BodyFraming::ByStream(None) },
            awaits_continue: false,
        }
    }

    /// The request, if it is valid. `is_served` says whether the connection may have requests for a host, which is a name or
    /// an address without a port.
    ///
    /// # Errors
    /// See [`Http2RequestError`].
    pub fn check(
        &self,
        limits: &HeadLimits,
        listener: ListenerScheme,
        is_served: impl Fn(&str) -> bool,
    ) -> Result<Http2Request, Http2RequestError> {
        let method = self.method.as_str().as_bytes();
        if method.len() > MAX_METHOD {
            return Err(Http2RequestError::MethodTooLong);
        }
        let authority = self.uri.authority().map(|authority| authority.as_str().as_bytes());
        let target = match (self.uri.path_and_query(), authority) {
            (Some(target), _) => target.as_str().as_bytes(),
            // CONNECT has an authority and no path.
            (None, Some(authority)) => authority,
            (None, None) => b"",
        };
        if target.len() > limits.max_target {
            return Err(Http2RequestError::TargetTooLong);
        }
        self.check_scheme(listener)?;
        // An empty `host` says nothing, as a missing one.
        let mut hosts = self.fields.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
        if let Some(authority) = authority
            && hosts.any(|host| !host.eq_ignore_ascii_case(authority))
        {
            return Err(Http2RequestError::AuthoritiesDiffer);
        }
        let cookies = joined_cookies(self.fields);
        let mut fields = Vec::with_capacity(self.fields.len());
        for (name, value) in self.fields {
            match (name, &cookies) {
                (&header::COOKIE, Some(joined)) => {
                    if !fields.iter().any(|(name, _)| *name == b"cookie") {
                        fields.push((&b"cookie"[..], &joined[..]));
                    }
                }
                (name, _) if is_of_connection(name.as_str()) => {}
                (name, _) => fields.push((name.as_str().as_bytes(), value.as_bytes())),
            }
        }
        if fields.len() > limits.max_fields {
            return Err(Http2RequestError::TooManyFields);
        }
        let parts = RequestParts { version: Version::Http2, method, target, authority, fields: &fields };
        let head = RequestHead::from_parts(&parts)?;
        if listener == ListenerScheme::Tls
            && let Some(authority) = head.values("host").next()
            && !is_served(host(&String::from_utf8_lossy(authority)))
        {
            return Err(Http2RequestError::HostMisdirected);
        }
        let framing = self.framing_of(&head)?;
        Ok(Http2Request { head, framing })
    }

    fn check_scheme(&self, listener: ListenerScheme) -> Result<(), Http2RequestError> {
        match (self.uri.scheme_str(), listener) {
            (Some("http"), ListenerScheme::Tls) => Err(Http2RequestError::SchemeMisdirected),
            (Some("http" | "https") | None, _) => Ok(()),
            (Some(_), _) => Err(Http2RequestError::SchemeUnknown),
        }
    }

    fn framing_of(&self, head: &RequestHead) -> Result<RequestFraming, RequestError> {
        let mut framing = self.framing();
        if !self.ends {
            framing.body = match content_length(head)? {
                BodyFraming::Length(length) => BodyFraming::ByStream(Some(length)),
                BodyFraming::None | BodyFraming::Chunked | BodyFraming::ByStream(_) => BodyFraming::ByStream(None),
            };
        }
        framing.awaits_continue = expectation(head, framing.body)? == Expectation::Continue;
        Ok(framing)
    }
}

/// Whether a field describes the connection. `h2` refuses those, apart from `te: trailers`, which is kept.
fn is_of_connection(name: &str) -> bool {
    name != "te" && name != "trailer" && CONNECTION_FIELDS.contains(&name)
}

/// The crumbs of `cookie` in one line (RFC 9113 section 8.2.3), if there is more than one.
fn joined_cookies(fields: &HeaderMap) -> Option<Vec<u8>> {
    let mut crumbs = fields.get_all(header::COOKIE).iter();
    let (first, second) = (crumbs.next()?, crumbs.next()?);
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    Some(joined)
}
