//! Tries statuses and fields that no response can have, and some that it can. Answers a line for each call:
//! `set-field a b: x -> invalid`, in ASCII with escapes.

use std::fmt::Write;

use guest_sdk::{Response, handler};
use guests::said;

const STATUSES: [u16; 9] = [0, 99, 100, 101, 199, 600, 999, 65_535, 299];

const FIELDS: [(&str, &[u8]); 33] = [
    // Names that are no token (RFC 9110 section 5.1).
    ("", b"x"),
    (" ", b"x"),
    ("a b", b"x"),
    ("a:", b"x"),
    (":a", b"x"),
    ("a\r\nb", b"x"),
    ("a\n", b"x"),
    ("a\0", b"x"),
    ("a\t", b"x"),
    ("é", b"x"),
    ("a(b)", b"x"),
    // Values with a control character (section 5.5).
    ("x-bad", b"a\r\nset-cookie: b"),
    ("x-bad", b"a\r"),
    ("x-bad", b"a\nb"),
    ("x-bad", b"\0"),
    ("x-bad", b"\x01"),
    ("x-bad", b"\x7f"),
    // Fields of the connection, in any case.
    ("connection", b"close"),
    ("Connection", b"close"),
    ("keep-alive", b"timeout=5"),
    ("proxy-connection", b"close"),
    ("te", b"trailers"),
    ("trailer", b"x"),
    ("Transfer-Encoding", b"chunked"),
    ("upgrade", b"h2c"),
    // Lengths that are none.
    ("content-length", b""),
    ("content-length", b"-1"),
    ("content-length", b"+1"),
    ("content-length", b"1, 1"),
    ("content-length", b"18446744073709551616"),
    // These three are fields.
    ("X-Good", b""),
    ("x-tab", b"a\tb"),
    ("x-obs-text", b"\x80\xff"),
];

#[handler(content_type = "text/plain; charset=utf-8")]
fn bad_fields(response: Response) -> Result<String, std::fmt::Error> {
    let mut answer = String::new();
    for status in STATUSES {
        writeln!(answer, "set-status {status} -> {}", said(&response.set_status(status)))?;
    }
    for (name, value) in FIELDS {
        let call = format!("{}: {}", name.escape_default(), value.escape_ascii());
        writeln!(answer, "set-field {call} -> {}", said(&response.set_field(name, value)))?;
        writeln!(answer, "append-field {call} -> {}", said(&response.append_field(name, value)))?;
    }
    Ok(answer)
}
