//! The head of a request, whatever bytes it came as.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::grammar::{is_field_value, is_token};
use super::span::Span;
use super::target::{Path, Target, TargetError, check_host};
use super::version::Version;

#[cfg(test)]
mod tests;

/// A request that came as something else than the bytes of HTTP/1, such as the pseudo-header fields of HTTP/2.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'p> {
    /// The version that the request is served as.
    pub version: Version,
    /// The method.
    pub method: &'p [u8],
    /// The path and the query, or another form of a target (RFC 9112 section 3.2).
    pub target: &'p [u8],
    /// The authority, if it is given apart from the target and the fields: Host then has it, whatever the fields say.
    pub authority: Option<&'p [u8]>,
    /// The fields in order.
    pub fields: &'p [(&'p [u8], &'p [u8])],
}

/// Why parts make no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidParts {
    /// The method is no token.
    #[error("the method is malformed")]
    Method,
    /// The target or the Host is wrong.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A field's name is no token, or its value has a control character or white space at an end.
    #[error("a field line is malformed")]
    Field,
    /// The parts are larger than 4 GiB.
    #[error("the head is too large")]
    TooLarge,
}

/// The name of the field that has the authority, as HTTP/2 writes names.
const HOST: &[u8] = b"host";

impl InvalidParts {
    /// The status that answers it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Method | Self::Field => 400,
            Self::Target(error) => error.status(),
            Self::TooLarge => 431,
        }
    }
}

/// What of a head is no field (RFC 9110 section 6.2): where the method and the target are in it, and the version.
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

/// The head of a request that was found good: its method is a token, its target is in a form that is served, its
/// Host is there, and its fields are well-formed. It holds the bytes as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    bytes: Bytes,
    control: ControlData,
    fields: Box<[Field]>,
}

impl RequestHead {
    /// A head whose parts are at these places of `bytes`.
    ///
    /// # Errors
    /// [`TargetError`] about Host, which an absolute target then replaces.
    pub(crate) fn new(bytes: Bytes, control: ControlData, fields: Box<[Field]>) -> Result<RequestHead, TargetError> {
        let mut head = RequestHead { bytes, control, fields };
        check_host(head.version(), head.values("host"))?;
        head.replace_host();
        Ok(head)
    }

    /// A head of parts, which are copied. How large they may be is for the caller to say.
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
        self.text(self.control.method)
    }

    /// Whether the response is to have no body because the method is HEAD.
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

    /// The path of the target in any of its forms, percent-encoding untouched. It begins with a slash, or is `*`.
    #[inline]
    pub fn path(&self) -> &str {
        match self.control.parts.path {
            Path::Sent(path) => text(path.of(self.target_bytes())),
            Path::Root => "/",
            Path::Asterisk => "*",
        }
    }

    /// Whether the target is `*`: the request is for the server as a whole (RFC 9112 section 3.2.4).
    #[inline]
    pub fn is_for_server(&self) -> bool {
        matches!(self.control.parts.path, Path::Asterisk)
    }

    /// The query of the target without its `?`, percent-encoding untouched; none where there is no `?`.
    #[inline]
    pub fn query(&self) -> Option<&str> {
        self.control.parts.query.map(|query| text(query.of(self.target_bytes())))
    }

    /// All fields in the order they came: names as they were sent, values without the white space around them. Host
    /// has the authority of an absolute target, whatever was sent (RFC 9112 section 3.2.2).
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (self.text(field.name), field.value.of(&self.bytes)))
    }

    /// The values of all lines of one field, in order. The name goes by in any case.
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
    str::from_utf8(bytes).expect("methods, targets and field names were found to be ASCII")
}
