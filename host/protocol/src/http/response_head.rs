//! The head of a response, whatever bytes it is sent as: a status, a content type, fields.

use smallvec::SmallVec;

use super::fields::Fields;

/// The head of a response in the making.
#[derive(Debug)]
pub struct ResponseHead {
    status: u16,
    /// The content type unless the fields have another; empty for none.
    content_type: SmallVec<[u8; 36]>,
    fields: Fields,
}

/// What is known of the body when the head is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyInfo {
    /// Whether it follows the head. It does not after HEAD and with 204, 205 and 304.
    pub is_sent: bool,
    /// How long it is.
    pub length: BodyLength,
}

/// How long a body is, as far as it is known when the head is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, and no length either (RFC 9110 section 8.6): 204 and 304.
    None,
    /// The head is to say so.
    Declared(u64),
    /// The head may say so, or leave it to the framing.
    Known(u64),
    /// Nobody knows yet.
    Unknown,
}

impl ResponseHead {
    /// A head without fields. `content_type` is a checked field value.
    #[must_use]
    pub fn new(status: u16, content_type: &[u8]) -> Self {
        Self { status, content_type: SmallVec::from_slice(content_type), fields: Fields::default() }
    }

    /// The status.
    #[must_use]
    #[inline]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Sets the status, which the caller has checked.
    #[inline]
    pub(crate) fn set_status(&mut self, status: u16) {
        self.status = status;
    }

    /// Sets the content type unless the fields have another; empty for none.
    pub(crate) fn set_content_type(&mut self, content_type: &[u8]) {
        self.content_type = SmallVec::from_slice(content_type);
    }

    /// The fields that were set.
    #[must_use]
    #[inline]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The fields, to change them.
    #[inline]
    pub(crate) fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The content type that is sent, or would be with a body.
    #[must_use]
    pub fn content_type(&self) -> &[u8] {
        self.fields.get("content-type").unwrap_or(&self.content_type)
    }

    /// The content type that is sent beside the fields: none if they have another, or there is nothing to describe.
    #[must_use]
    pub fn default_content_type(&self) -> Option<&[u8]> {
        let is_described = !matches!(self.status, 204 | 304) && !self.content_type.is_empty();
        (is_described && !self.fields.contains("content-type")).then_some(&*self.content_type)
    }

    /// What is known of a body of this length, if that is known, in the response to HEAD or to another method.
    #[must_use]
    #[inline]
    pub fn body_info(&self, head_only: bool, length: Option<u64>) -> BodyInfo {
        let length = match (self.status, self.fields.content_length(), length) {
            (204 | 304, _, _) => BodyLength::None,
            (205, _, _) => BodyLength::Declared(0),
            (_, Some(declared), _) => BodyLength::Declared(declared),
            (_, None, Some(length)) => BodyLength::Known(length),
            (_, None, None) => BodyLength::Unknown,
        };
        BodyInfo { is_sent: !head_only && !matches!(self.status, 204 | 205 | 304), length }
    }
}
