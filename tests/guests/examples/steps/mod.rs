//! What the guests for wasi:http share: how they are told what to do, and the errors by their names in the WIT. Not in
//! the library beside them, which would make them components of this repository's world.

use std::fmt::Debug;

/// What a query has for the guest `layer`.
const OF_LAYER: [&str; 6] = ["a", "b", "c", "a-response", "b-response", "c-response"];

/// The steps in a query, each `NAME` or `NAME=ARGUMENT`, with `%20` for a space. What is for the guest `layer` is none.
pub fn steps(path_with_query: &str) -> Vec<(String, String)> {
    let query = path_with_query.split_once('?').map_or("", |(_, query)| query);
    let steps = query.split('&').filter(|step| !step.is_empty());
    steps
        .map(|step| step.split_once('=').unwrap_or((step, "")))
        .filter(|(name, _)| !OF_LAYER.contains(name))
        .map(|(name, argument)| (name.to_owned(), decoded(argument)))
        .collect()
}

fn decoded(argument: &str) -> String {
    let mut parts = argument.split('%');
    let mut text = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).expect("two digits follow a `%`");
        text.push(u8::from_str_radix(code, 16).expect("the digits are hexadecimal"));
        text.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(text).expect("an argument is text")
}

/// The two parts of `NAME:VALUE`.
pub fn pair(argument: &str) -> (&str, &str) {
    argument.split_once(':').expect("the argument is NAME:VALUE")
}

/// An argument that is a number.
pub fn number<N: std::str::FromStr>(argument: &str) -> N {
    argument.parse().ok().expect("the argument is a number")
}

/// What became of a call: `ok`, or the error's name in the bindings.
pub fn outcome<T, E: Debug>(result: &Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// The `error-code` of a name, in the bindings of the module `$types`.
macro_rules! error_code {
    ($types:ident, $name:expr) => {
        match $name {
            "DNS-timeout" => $types::ErrorCode::DnsTimeout,
            "DNS-error" => $types::ErrorCode::DnsError($types::DnsErrorPayload { rcode: None, info_code: None }),
            "destination-not-found" => $types::ErrorCode::DestinationNotFound,
            "destination-unavailable" => $types::ErrorCode::DestinationUnavailable,
            "destination-IP-prohibited" => $types::ErrorCode::DestinationIpProhibited,
            "destination-IP-unroutable" => $types::ErrorCode::DestinationIpUnroutable,
            "connection-refused" => $types::ErrorCode::ConnectionRefused,
            "connection-terminated" => $types::ErrorCode::ConnectionTerminated,
            "connection-timeout" => $types::ErrorCode::ConnectionTimeout,
            "connection-read-timeout" => $types::ErrorCode::ConnectionReadTimeout,
            "connection-write-timeout" => $types::ErrorCode::ConnectionWriteTimeout,
            "connection-limit-reached" => $types::ErrorCode::ConnectionLimitReached,
            "TLS-protocol-error" => $types::ErrorCode::TlsProtocolError,
            "TLS-certificate-error" => $types::ErrorCode::TlsCertificateError,
            "TLS-alert-received" => $types::ErrorCode::TlsAlertReceived($types::TlsAlertReceivedPayload {
                alert_id: None,
                alert_message: None,
            }),
            "HTTP-request-denied" => $types::ErrorCode::HttpRequestDenied,
            "HTTP-request-length-required" => $types::ErrorCode::HttpRequestLengthRequired,
            "HTTP-request-body-size" => $types::ErrorCode::HttpRequestBodySize(None),
            "HTTP-request-method-invalid" => $types::ErrorCode::HttpRequestMethodInvalid,
            "HTTP-request-URI-invalid" => $types::ErrorCode::HttpRequestUriInvalid,
            "HTTP-request-URI-too-long" => $types::ErrorCode::HttpRequestUriTooLong,
            "HTTP-request-header-section-size" => $types::ErrorCode::HttpRequestHeaderSectionSize(None),
            "HTTP-request-header-size" => $types::ErrorCode::HttpRequestHeaderSize(None),
            "HTTP-request-trailer-section-size" => $types::ErrorCode::HttpRequestTrailerSectionSize(None),
            "HTTP-response-incomplete" => $types::ErrorCode::HttpResponseIncomplete,
            "HTTP-response-body-size" => $types::ErrorCode::HttpResponseBodySize(None),
            "HTTP-response-timeout" => $types::ErrorCode::HttpResponseTimeout,
            "HTTP-upgrade-failed" => $types::ErrorCode::HttpUpgradeFailed,
            "HTTP-protocol-error" => $types::ErrorCode::HttpProtocolError,
            "loop-detected" => $types::ErrorCode::LoopDetected,
            "configuration-error" => $types::ErrorCode::ConfigurationError,
            "internal-error" => $types::ErrorCode::InternalError(Some("the guest says why".to_owned())),
            name => panic!("no such error code: {name}"),
        }
    };
}
