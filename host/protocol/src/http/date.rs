//! The date of a message (RFC 9110 section 5.6.7).

/// The value of a `Date` field: an IMF-fixdate.
pub type Date = [u8; 29];
