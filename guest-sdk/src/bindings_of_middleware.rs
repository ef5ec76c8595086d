//! The generated bindings of the worlds of middleware (see `tests/bindings.rs`). Their interfaces are those of
//! [`crate::bindings`].

#[allow(missing_docs, reason = "generated")]
#[allow(unsafe_code, reason = "the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
#[allow(clippy::unwrap_used, unused_qualifications, reason = "generated")]
#[doc(hidden)]
#[rustfmt::skip]
pub mod on_request;
#[allow(missing_docs, reason = "generated")]
#[allow(unsafe_code, reason = "the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
#[allow(clippy::unwrap_used, unused_qualifications, reason = "generated")]
#[doc(hidden)]
#[rustfmt::skip]
pub mod on_response;
#[allow(missing_docs, reason = "generated")]
#[allow(unsafe_code, reason = "the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
#[allow(clippy::unwrap_used, unused_qualifications, reason = "generated")]
#[doc(hidden)]
#[rustfmt::skip]
pub mod seals;
