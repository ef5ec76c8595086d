//! What an error of wasi:http 0.3 is for a client and for the log: the same as one of 0.2.

use wasmtime_wasi_http::Error;

use super::super::wasi_http::NoResponse;
use super::super::wasi_http::types::{DnsErrorPayload, ErrorCode, FieldSizePayload, TlsAlertReceivedPayload};
use crate::exchange::BodyError;

/// Why a guest has made no response, if it has given an error in its place.
pub(super) fn no_response(error: &Error) -> NoResponse {
    NoResponse::of_code(&code(error))
}

/// The error that a guest is told if the body of its request cannot be read.
pub(super) fn of_body(error: BodyError) -> Error {
    match error {
        BodyError::Incomplete => Error::ConnectionTerminated,
        BodyError::Malformed => Error::HttpProtocolError,
        BodyError::TooLarge => Error::HttpRequestBodySize(None),
        BodyError::TimedOut => Error::ConnectionReadTimeout,
    }
}

fn field_size(name: &Option<String>, size: &Option<u32>) -> FieldSizePayload {
    FieldSizePayload { field_name: name.clone(), field_size: *size }
}

/// The code of 0.2 for an error.
fn code(error: &Error) -> ErrorCode {
    match error {
        Error::HttpRequestBodySize(size) => ErrorCode::HttpRequestBodySize(*size),
        Error::DnsTimeout => ErrorCode::DnsTimeout,
        Error::DnsError { rcode, info_code } => {
            ErrorCode::DnsError(DnsErrorPayload { rcode: rcode.clone(), info_code: *info_code })
        }
        Error::DestinationNotFound => ErrorCode::DestinationNotFound,
        Error::DestinationUnavailable => ErrorCode::DestinationUnavailable,
        Error::DestinationIpProhibited => ErrorCode::DestinationIpProhibited,
        Error::DestinationIpUnroutable => ErrorCode::DestinationIpUnroutable,
        Error::ConnectionRefused => ErrorCode::ConnectionRefused,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::ConnectionTimeout => ErrorCode::ConnectionTimeout,
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionWriteTimeout => ErrorCode::ConnectionWriteTimeout,
        Error::ConnectionLimitReached => ErrorCode::ConnectionLimitReached,
        Error::TlsProtocolError => ErrorCode::TlsProtocolError,
        Error::TlsCertificateError => ErrorCode::TlsCertificateError,
        Error::TlsAlertReceived { alert_id, alert_message } => ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
            alert_id: *alert_id,
            alert_message: alert_message.clone(),
        }),
        Error::HttpRequestDenied => ErrorCode::HttpRequestDenied,
        Error::HttpRequestLengthRequired => ErrorCode::HttpRequestLengthRequired,
        Error::HttpRequestMethodInvalid => ErrorCode::HttpRequestMethodInvalid,
        Error::HttpRequestUriInvalid => ErrorCode::HttpRequestUriInvalid,
        Error::HttpRequestUriTooLong => ErrorCode::HttpRequestUriTooLong,
        Error::HttpRequestHeaderSectionSize(size) => ErrorCode::HttpRequestHeaderSectionSize(*size),
        Error::HttpRequestHeaderSize { field_name, field_size: size } => {
            ErrorCode::HttpRequestHeaderSize(Some(field_size(field_name, size)))
        }
        Error::HttpRequestTrailerSectionSize(size) => ErrorCode::HttpRequestTrailerSectionSize(*size),
        Error::HttpRequestTrailerSize { field_name, field_size: size } => {
            ErrorCode::HttpRequestTrailerSize(field_size(field_name, size))
        }
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::HttpResponseHeaderSectionSize(size) => ErrorCode::HttpResponseHeaderSectionSize(*size),
        Error::HttpResponseHeaderSize { field_name, field_size: size } => {
            ErrorCode::HttpResponseHeaderSize(field_size(field_name, size))
        }
        Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        Error::HttpResponseTrailerSectionSize(size) => ErrorCode::HttpResponseTrailerSectionSize(*size),
        Error::HttpResponseTrailerSize { field_name, field_size: size } => {
            ErrorCode::HttpResponseTrailerSize(field_size(field_name, size))
        }
        Error::HttpResponseTransferCoding(coding) => ErrorCode::HttpResponseTransferCoding(coding.clone()),
        Error::HttpResponseContentCoding(coding) => ErrorCode::HttpResponseContentCoding(coding.clone()),
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::HttpUpgradeFailed => ErrorCode::HttpUpgradeFailed,
        Error::HttpProtocolError => ErrorCode::HttpProtocolError,
        Error::LoopDetected => ErrorCode::LoopDetected,
        Error::ConfigurationError => ErrorCode::ConfigurationError,
        Error::InternalError(text) => ErrorCode::InternalError(text.clone()),
        // Of a client that this host does not have.
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}
