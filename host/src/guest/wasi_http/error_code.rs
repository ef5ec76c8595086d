//! What an `error-code` of wasi:http is for a client and for the log.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::IoError;

use super::super::error_text;
use super::super::state::GuestState;
use super::bindings::wasi::http::types::{self, ErrorCode};
use crate::exchange::BodyError;
use crate::outbound::UpstreamFailure;

/// An `error-code` as the cause of a stream's `last-operation-failed`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct StreamFailure(pub(super) ErrorCode);

impl From<BodyError> for ErrorCode {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete => Self::ConnectionTerminated,
            BodyError::Malformed => Self::HttpProtocolError,
            BodyError::TooLarge => Self::HttpRequestBodySize(None),
            BodyError::TimedOut => Self::ConnectionReadTimeout,
        }
    }
}

/// The status of a response that a guest has set to an error (RFC 9110 section 15).
pub(super) fn status(code: &ErrorCode) -> u16 {
    match code {
        ErrorCode::HttpRequestBodySize(_) => 413,
        ErrorCode::HttpRequestUriTooLong => 414,
        ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => 431,
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => 504,
        ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_)
        | ErrorCode::HttpResponseIncomplete
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_)
        | ErrorCode::HttpResponseTransferCoding(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::HttpUpgradeFailed
        | ErrorCode::HttpProtocolError => 502,
        ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::LoopDetected
        | ErrorCode::ConfigurationError
        | ErrorCode::InternalError(_) => 500,
    }
}

/// A code as the log names it, in one line.
pub(super) fn text(code: &ErrorCode) -> String {
    error_text::reason(&format!("{code:?}"))
}

impl types::Host for GuestState {
    fn http_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table_mut().get(&error)?;
        Ok(error.downcast_ref::<StreamFailure>().map(|failure| failure.0.clone()))
    }
}

/// The failure of a request to another server.
pub(super) fn of_upstream(failure: &UpstreamFailure) -> ErrorCode {
    match failure {
        UpstreamFailure::Denied => ErrorCode::HttpRequestDenied,
        UpstreamFailure::AddressProhibited(_) => ErrorCode::DestinationIpProhibited,
        UpstreamFailure::Lookup(reason) => {
            ErrorCode::DnsError(types::DnsErrorPayload { rcode: Some(reason.clone()), info_code: None })
        }
        UpstreamFailure::Refused => ErrorCode::ConnectionRefused,
        UpstreamFailure::Unreachable(_) => ErrorCode::DestinationUnavailable,
        UpstreamFailure::ConnectTimeout(_) => ErrorCode::ConnectionTimeout,
        UpstreamFailure::Certificate(_) => ErrorCode::TlsCertificateError,
        UpstreamFailure::TlsAlert { number, text } => ErrorCode::TlsAlertReceived(types::TlsAlertReceivedPayload {
            alert_id: Some(*number),
            alert_message: Some(text.clone()),
        }),
        UpstreamFailure::Tls(_) => ErrorCode::TlsProtocolError,
        UpstreamFailure::FirstByteTimeout(_) => ErrorCode::HttpResponseTimeout,
        UpstreamFailure::ReadTimeout(_) => ErrorCode::ConnectionReadTimeout,
        UpstreamFailure::WriteTimeout(_) => ErrorCode::ConnectionWriteTimeout,
        UpstreamFailure::HeadTooLarge => ErrorCode::HttpResponseHeaderSectionSize(None),
        UpstreamFailure::BodyTooLarge(max) => ErrorCode::HttpResponseBodySize(Some(*max)),
        UpstreamFailure::TooManyCalls(_) => ErrorCode::ConnectionLimitReached,
        UpstreamFailure::Closed | UpstreamFailure::Ended => ErrorCode::ConnectionTerminated,
        UpstreamFailure::Incomplete => ErrorCode::HttpResponseIncomplete,
        UpstreamFailure::Protocol(_) => ErrorCode::HttpProtocolError,
        UpstreamFailure::Invalid(_) => ErrorCode::HttpRequestUriInvalid,
        UpstreamFailure::RequestLength => ErrorCode::HttpRequestBodySize(None),
        UpstreamFailure::Internal(reason) => ErrorCode::InternalError(Some(reason.clone())),
    }
}
