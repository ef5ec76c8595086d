//! The head of a request, for all versions of HTTP.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::grammar::{is_field_value, is_token};
use super::span::Span;
use super::target::{Path, Target, TargetError, check_host};
use super::version::Version;

#[cfg(test)]
mod tests;

/// The parts of a request that did not arrive as an HTTP/1 message, such as the pseudo-header fields of HTTP/2.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'p> {
    /// The version that the request is served as.
    pub version: Version,
    /// The method.
    pub method: &'p [u8],
    /// The path and the query, or another form of a target (RFC 9112 section 3.2).
    pub target: &'p [u8],
    /// The authority, if it is given apart from the target and the fields. It then replaces the value of Host.
    pub authority: Option<&'p [u8]>,
    /// The fields in order.
    pub fields: &'p [(&'p [u8], &'p [u8])],
}

/// Why parts do not make a valid head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidParts {
    /// The method is no token.
    #[error("the method is malformed")]
    Method,
    /// The target or the Host is invalid.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The name of a field is no token, or its value has a control character, or white space at its start or end.
    #[error("a field line is malformed")]
    Field,
    /// The parts are larger than 4 GiB.
    #[error("the head is too large")]
    TooLarge,
}

/// The name of the field for the authority, in lower case as in HTTP/2.
const HOST: &[u8] = b"host";

impl InvalidParts {
    /// The status of the response to such a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Method | Self::Field => 400,
            Self::Target(error) => error.status(),
            Self::TooLarge => 431,
        }
    }
}

/// The control data of a request (RFC 9110 section 6.2): the version, and where the method and the target are in the
/// head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ControlData {
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub(crate) version: Version,
    pub(crate) parts: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// The head of a valid request: its method is a token, its target has a form that is served, Host is present if the
/// version requires it, and its fields are well-formed. It holds the bytes as they arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    bytes: Bytes,
    control: ControlData,
    fields: Box<[Field]>,
}

impl RequestHead {
    /// A head whose parts are at the given positions in `bytes`.
    ///
    /// # Errors
    /// [`TargetError`] if Host is invalid. It has to be valid even if an absolute target replaces it.
    pub(crate) fn new(bytes: Bytes, control: ControlData, fields: Box<[Field]>) -> Result<RequestHead, TargetError> {
        let mut head = RequestHead { bytes, control, fields };
        check_host(head.version(), head.values("host"))?;
        head.replace_host();
        Ok(head)
    }

    /// A head made of `parts`, which are copied. The caller limits their size.
    ///
    /// # Errors
    /// See [`InvalidParts`].
    pub fn from_parts(parts: &RequestParts<'_>) -> Result<RequestHead, InvalidParts> {
        let RequestParts { version, method, target, authority, fields } = *parts;
        let of_fields: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let length = HOST.len() + method.len() + target.len() + authority.map_or(0, <[u8]>::len) + of_fields;
        if length > Span::MAX_BUFFER {
            return Err(InvalidParts::TooLarge);
        }
        if !is_token(method) {
            return Err(InvalidParts::Method);
        }
        let mut bytes = BytesMut::with_capacity(length);
        let mut push = |part: &[u8]| {
            let start = bytes.len();
            bytes.extend_from_slice(part);
            Span::new(start..bytes.len())
        };
        let parts = Target::parse(method, target)?;
        let control = ControlData { method: push(method), target: push(target), version, parts };
        let authority = authority.map(|authority| Field { name: push(HOST), value: push(authority) });
        let is_host = |name: &[u8]| name.eq_ignore_ascii_case(HOST);
        let mut lines = Vec::with_capacity(fields.len() + 1);
        lines.extend(authority);
        for (name, value) in fields {
            if !is_token(name) || !is_field_value(value) {
                return Err(InvalidParts::Field);
            }
            if authority.is_none() || !is_host(name) {
                lines.push(Field { name: push(name), value: push(value) });
            }
        }
        Ok(RequestHead::new(bytes.freeze(), control, lines.into())?)
    }

    /// The method, which is case-sensitive (RFC 9110 section 9.1): `get` is not `GET`.
    #[inline]
    pub fn method(&self) -> &str {
        match self.control.method.of(&self.bytes) {
            // The usual ones without a check that they are text.
            b"GET" => "GET",
            b"POST" => "POST",
            method => text(method),
        }
    }

    /// Whether the method is HEAD, so that the response has no body.
    #[inline]
    pub fn is_head(&self) -> bool {
        self.control.method.of(&self.bytes) == b"HEAD"
    }

    /// The version that the request is served as.
    #[inline]
    pub fn version(&self) -> Version {
        self.control.version
    }

    /// The target as it was sent.
    #[inline]
    pub fn target(&self) -> &str {
        self.text(self.control.target)
    }

    /// The path of the target, in any form of target. It is not percent-decoded. It begins with a slash, or is `*`.
    #[inline]
    pub fn path(&self) -> &str {
        match self.control.parts.path {
            Path::Sent(path) => text(path.of(self.target_bytes())),
            Path::Root => "/",
            Path::Asterisk => "*",
        }
    }

    /// The authority that the request is for: that of an absolute target, else the value of Host. It is `uri-host [":" port]`
    /// (RFC 9110 section 7.2). It is `None` if the request has neither, as HTTP/1.0 allows.
    #[inline]
    pub fn authority(&self) -> Option<&str> {
        match self.control.parts.authority {
            Some(authority) => Some(text(authority.of(self.target_bytes()))),
            None => self.values("host").next().map(text),
        }
    }

    /// Whether the target is `*`: the request is for the server as a whole (RFC 9112 section 3.2.4).
    #[inline]
    pub fn is_for_server(&self) -> bool {
        matches!(self.control.parts.path, Path::Asterisk)
    }

    /// The query of the target without its `?`. It is not percent-decoded. It is `None` if there is no `?`.
    #[inline]
    pub fn query(&self) -> Option<&str> {
        self.control.parts.query.map(|query| text(query.of(self.target_bytes())))
    }

    /// All fields in the order in which they arrived. Names are as they were sent, and values have no white space
    /// around them. If the target is absolute, its authority replaces the value of Host (RFC 9112 section 3.2.2).
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (self.text(field.name), field.value.of(&self.bytes)))
    }

    /// The values of all lines of one field, in order. Names are compared without regard to case.
    #[inline]
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields
            .iter()
            .filter(move |field| field.name.of(&self.bytes).eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value.of(&self.bytes))
    }

    fn replace_host(&mut self) {
        let Some(authority) = self.control.parts.authority else { return };
        let authority = authority.within(self.control.target);
        for field in &mut self.fields {
            if field.name.of(&self.bytes).eq_ignore_ascii_case(b"host") {
                field.value = authority;
            }
        }
    }

    #[inline]
    fn target_bytes(&self) -> &[u8] {
        self.control.target.of(&self.bytes)
    }

    #[inline]
    fn text(&self, span: Span) -> &str {
        text(span.of(&self.bytes))
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("methods, targets, field names and Host were found to be ASCII")
}
