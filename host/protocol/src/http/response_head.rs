//! The head of a response, for all versions of HTTP: a status, a content type and fields.

use smallvec::SmallVec;

use super::fields::Fields;

/// The head of a response, until it is encoded.
#[derive(Debug)]
pub struct ResponseHead {
    status: u16,
    /// The default content type, which is sent if the fields have none. If it is empty, there is no default.
    content_type: SmallVec<[u8; 36]>,
    fields: Fields,
}

/// What is known about the body when the head is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyInfo {
    /// Whether a body follows the head. None follows in the response to HEAD and with 204, 205 and 304.
    pub is_sent: bool,
    /// The length of the body.
    pub length: BodyLength,
}

/// Why a connection closes after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// The request does not allow the connection to persist.
    Client,
    /// The server does not let the connection persist.
    Server,
    /// The end of the connection is the end of the body.
    CloseDelimited,
}

/// The length of a body, as far as it is known when the head is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body, and the head must not give a length (RFC 9110 section 8.6): 204 and 304.
    None,
    /// The length is known, and the head has to declare it.
    Declared(u64),
    /// The length is known. The encoder may declare it or use another framing.
    Known(u64),
    /// The length is not known yet.
    Unknown,
}

impl ResponseHead {
    /// A head without fields. `content_type` has to be a valid field value.
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

    /// Sets the default content type. If it is empty, there is none.
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

    /// The content type of the body: that of the fields if they have one, and the default otherwise.
    #[must_use]
    pub fn content_type(&self) -> &[u8] {
        self.fields.get("content-type").unwrap_or(&self.content_type)
    }

    /// The default content type, if it has to be sent. It is `None` if the fields have one, or if there is no body to
    /// describe.
    #[must_use]
    pub fn default_content_type(&self) -> Option<&[u8]> {
        let is_described = !matches!(self.status, 204 | 304) && !self.content_type.is_empty();
        (is_described && !self.fields.contains("content-type")).then_some(&*self.content_type)
    }

    /// What is known about the body. `length` is its length if it is known, and `head_only` is whether the method is
    /// HEAD.
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
