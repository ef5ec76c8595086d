//! The head of a request, whatever bytes it came as.

use bytes::Bytes;

use super::span::Span;
use super::target::{Path, Target, TargetError, check_host};
use super::version::Version;

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
