//! Why a request to another server has no response, or not all of it.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use crate::metrics::OutboundOutcome;

/// Why a request to another server has failed. The messages are for the component and the log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UpstreamFailure {
    /// The operator has not granted it.
    #[error("the request is not granted")]
    Denied,
    /// No address of the host may be reached without a grant of its own.
    #[error("the host has the address {0}, which is not of the public internet")]
    AddressProhibited(IpAddr),
    /// The host has no address.
    #[error("the host cannot be looked up: {0}")]
    Lookup(String),
    /// The server takes no connection.
    #[error("the connection was refused")]
    Refused,
    /// There is no way to the server.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// There was no connection in time. A look-up and a wait for a free connection count.
    #[error("there was no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The server's certificate is not accepted.
    #[error("the certificate is not accepted: {0}")]
    Certificate(String),
    /// The server has ended the handshake with an alert.
    #[error("the server has ended the handshake: {text}")]
    TlsAlert {
        /// Its number (RFC 8446 section 6).
        number: u8,
        /// Its name.
        text: String,
    },
    /// There is no TLS with the server.
    #[error("the handshake has failed: {0}")]
    Tls(String),
    /// The response has not begun in time.
    #[error("there was no response within {0:?}")]
    FirstByteTimeout(Duration),
    /// The next bytes of the body have not come in time.
    #[error("no bytes came within {0:?}")]
    ReadTimeout(Duration),
    /// The server has not taken the next bytes of the request in time.
    #[error("the server has taken no bytes within {0:?}")]
    WriteTimeout(Duration),
    /// The head of the response is too large, or too many interim responses came before it.
    #[error("the head of the response is too large")]
    HeadTooLarge,
    /// The body of the response is too large.
    #[error("the response has more than {0} bytes")]
    BodyTooLarge(u64),
    /// The server has closed the connection before the response.
    #[error("the connection was closed before the response")]
    Closed,
    /// The server has closed the connection within the response.
    #[error("the response is incomplete")]
    Incomplete,
    /// What the server has sent is not HTTP.
    #[error("the response is malformed: {0}")]
    Protocol(String),
    /// The request cannot be sent.
    #[error("the request is invalid: {0}")]
    Invalid(String),
    /// The body of the request has another length than its `content-length`.
    #[error("the body of the request has another length than its content-length")]
    RequestLength,
    /// The instance has too many requests.
    #[error("the component has more than {0} requests and responses at once")]
    TooManyCalls(usize),
    /// The invocation of the request has ended.
    #[error("its invocation has ended")]
    Ended,
    /// Something within the host.
    #[error("the host has failed: {0}")]
    Internal(String),
}

impl UpstreamFailure {
    /// How it counts.
    pub(crate) fn outcome(&self) -> OutboundOutcome {
        match self {
            Self::Denied | Self::Invalid(_) | Self::RequestLength | Self::Internal(_) => OutboundOutcome::Invalid,
            Self::AddressProhibited(_) | Self::Lookup(_) => OutboundOutcome::Lookup,
            Self::Refused | Self::Unreachable(_) => OutboundOutcome::Connect,
            Self::ConnectTimeout(_) | Self::FirstByteTimeout(_) | Self::ReadTimeout(_) | Self::WriteTimeout(_) => {
                OutboundOutcome::Timeout
            }
            Self::Certificate(_) | Self::TlsAlert { .. } | Self::Tls(_) => OutboundOutcome::Tls,
            Self::HeadTooLarge | Self::BodyTooLarge(_) | Self::Protocol(_) => OutboundOutcome::Protocol,
            Self::Closed | Self::Incomplete => OutboundOutcome::Closed,
            Self::TooManyCalls(_) => OutboundOutcome::TooMany,
            Self::Ended => OutboundOutcome::GivenUp,
        }
    }

    /// What an attempt to connect has failed with.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Unreachable(error.to_string()),
        }
    }

    /// What a handshake of TLS has failed with.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(reason)) => Self::Certificate(reason.to_string()),
            Some(rustls::Error::AlertReceived(alert)) => {
                Self::TlsAlert { number: u8::from(*alert), text: format!("{alert:?}") }
            }
            Some(error) => Self::Tls(error.to_string()),
            None => Self::Tls(error.to_string()),
        }
    }

    /// What hyper has failed with. `has_begun` says whether bytes of the response have come.
    pub(super) fn of_hyper(error: &hyper::Error, has_begun: bool) -> Self {
        if let Some(own) = own_cause(error) {
            return own;
        }
        if error.is_parse_too_large() {
            return Self::HeadTooLarge;
        }
        if error.is_parse() {
            return Self::Protocol(with_cause(error));
        }
        if error.is_user() || error.is_body_write_aborted() {
            return Self::RequestLength;
        }
        let is_closed = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
        let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        match io {
            Some(io) if is_malformed(io) => Self::Protocol(io.to_string()),
            _ if is_closed || io.is_some() => {
                if has_begun {
                    Self::Incomplete
                } else {
                    Self::Closed
                }
            }
            _ => Self::Protocol(with_cause(error)),
        }
    }
}

/// Whether hyper's decoder of bodies has refused what came.
fn is_malformed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

/// The failure of this module that an error is about.
fn own_cause(error: &hyper::Error) -> Option<UpstreamFailure> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<UpstreamFailure>() {
            return Some(own.clone());
        }
        if let Some(own) = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref()) {
            return Some(UpstreamFailure::clone(own));
        }
        cause = error.source();
    }
    None
}

fn with_cause(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
