//! The bytes that many tests send and expect. In an expected response, `Date` has the value `<date>`.
//!
//! Macros make constants and need no import; functions make what is known at run time.

use host::http::status::reason;

/// A GET of HTTP/1.1 that keeps the connection.
macro_rules! get {
    ($target:literal) => {
        concat!("GET ", $target, " HTTP/1.1\r\nHost: it\r\n\r\n")
    };
}

/// The same with `Connection: close`.
macro_rules! get_and_close {
    ($target:literal) => {
        concat!("GET ", $target, " HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
    };
}

/// The response of a handler: the status 200, the usual head, its last fields, and its body as it is framed.
macro_rules! ok {
    ($fields:literal, $body:literal) => {
        concat!("HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n", $fields, "\r\n", $body)
    };
}

/// The same in the chunked coding: the body in its chunks.
macro_rules! ok_chunked {
    ($body:literal) => {
        ok!("Transfer-Encoding: chunked\r\n", $body)
    };
}

/// The same on a connection that the server closes then.
macro_rules! ok_chunked_close {
    ($body:literal) => {
        ok!("Transfer-Encoding: chunked\r\nConnection: close\r\n", $body)
    };
}

/// A chunked response of the status 200 and another type than usual: the field of that, and the body in its chunks.
macro_rules! typed {
    ($content_type:literal, $body:literal) => {
        concat!("HTTP/1.1 200 OK\r\nDate: <date>\r\n", $content_type, "\r\nTransfer-Encoding: chunked\r\n\r\n", $body)
    };
}

/// The response of a component of wasi:http, which has no usual type: the status 200, the other fields, and its body as it
/// is framed.
macro_rules! untyped {
    ($fields:literal, $body:literal) => {
        concat!("HTTP/1.1 200 OK\r\nDate: <date>\r\n", $fields, "\r\n", $body)
    };
}

/// The same in the chunked coding: the body in its chunks.
macro_rules! untyped_chunked {
    ($body:literal) => {
        untyped!("Transfer-Encoding: chunked\r\n", $body)
    };
}

/// The same on a connection that the server closes then.
macro_rules! untyped_chunked_close {
    ($body:literal) => {
        untyped!("Transfer-Encoding: chunked\r\nConnection: close\r\n", $body)
    };
}

/// A response of the host's own, in text: its status, the fields before `Content-Length`, those after it, its text.
macro_rules! host_response {
    ($status:literal, $before:literal, $length:literal, $after:literal, $text:literal) => {{
        const _: () = assert!($text.len() == $length, "the text has another length");
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n",
            $before,
            "Content-Length: ",
            $length,
            "\r\n",
            $after,
            "\r\n",
            $text
        )
    }};
}

/// What the example `hello` answers.
pub const HELLO_RESPONSE: &str = ok_chunked!("5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n");
pub const HELLO_RESPONSE_CLOSE: &str = ok_chunked_close!("5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n");

/// What the guest `script` answers to `body=Hello`.
pub const SCRIPT_HELLO: &str = ok_chunked!("5\r\nHello\r\n0\r\n\r\n");

/// A request that ends its connection, for the guest `script`.
pub const LAST: &str = get_and_close!("/script?body=last");
pub const LAST_RESPONSE: &str = ok_chunked_close!("4\r\nlast\r\n0\r\n\r\n");

/// What invites a client to send the body of its request.
pub const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A request that ended before its body.
pub const BAD_REQUEST_CLOSE: &str = host_response!("400 Bad Request", "", 12, "Connection: close\r\n", "Bad Request\n");
/// A head that did not come in time.
pub const HEAD_TIMEOUT: &str =
    host_response!("408 Request Timeout", "", 30, "Connection: close\r\n", "the head did not come in time\n");
/// A body that did not come in time.
pub const BODY_TIMEOUT: &str =
    host_response!("408 Request Timeout", "", 16, "Connection: close\r\n", "Request Timeout\n");
/// A body that is too large for its handler.
pub const CONTENT_TOO_LARGE_CLOSE: &str =
    host_response!("413 Content Too Large", "", 18, "Connection: close\r\n", "Content Too Large\n");
/// A handler that failed before its head was sent.
pub const INTERNAL_SERVER_ERROR: &str =
    host_response!("500 Internal Server Error", "", 22, "", "Internal Server Error\n");
pub const INTERNAL_SERVER_ERROR_CLOSE: &str =
    host_response!("500 Internal Server Error", "", 22, "Connection: close\r\n", "Internal Server Error\n");
/// No place for another invocation.
pub const TOO_MANY_REQUESTS_CLOSE: &str = host_response!(
    "503 Service Unavailable",
    "Retry-After: 1\r\n",
    30,
    "Connection: close\r\n",
    "too many requests are running\n"
);
/// No place for another connection.
pub const TOO_MANY_CONNECTIONS: &str = host_response!(
    "503 Service Unavailable",
    "Retry-After: 1\r\n",
    31,
    "Connection: close\r\n",
    "there are too many connections\n"
);
/// A handler that passed its deadline before its head was sent.
pub const GATEWAY_TIMEOUT: &str = host_response!("504 Gateway Timeout", "", 16, "", "Gateway Timeout\n");
pub const GATEWAY_TIMEOUT_CLOSE: &str =
    host_response!("504 Gateway Timeout", "", 16, "Connection: close\r\n", "Gateway Timeout\n");

/// [`get!`] of a target that is made at run time.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: it\r\n\r\n")
}

/// [`get_and_close!`] of a target that is made at run time.
pub fn get_and_close(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
}

/// A GET of the guest `script`, which runs `commands`.
pub fn get_script(commands: &str) -> String {
    get(&format!("/script?{commands}"))
}

/// A response of the host's own that ends its connection: its head, and its text.
pub fn host_response_close(status: u16, text: &str) -> String {
    format!(
        "HTTP/1.1 {status} {}\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        reason(status),
        text.len()
    )
}
