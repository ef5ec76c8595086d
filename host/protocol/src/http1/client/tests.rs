use bytes::BytesMut;

use super::{ResponseParser, ResponsePart};

/// The statuses, the body, and the bytes after it, if the input arrives as `pieces`.
fn read(to_head_request: bool, pieces: &[&[u8]]) -> (Vec<u16>, String, String) {
    let (mut parser, mut input) = (ResponseParser::new(to_head_request), BytesMut::new());
    let (mut statuses, mut heads, mut body, mut rest) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(part) = parser.next(&mut input, usize::MAX) {
            match part {
                ResponsePart::Head { status, bytes } => {
                    statuses.push(status);
                    heads.extend_from_slice(&bytes);
                }
                ResponsePart::Body(piece) => body.extend_from_slice(&piece),
                ResponsePart::Rest(piece) => rest.extend_from_slice(&piece),
            }
        }
    }
    assert!(pieces.concat().starts_with(&heads), "heads come as they were sent");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the bodies of these tests are text");
    (statuses, text(body), text(rest))
}

// RFC 9112 section 6.3
#[test]
fn a_client_finds_the_end_of_a_body_as_its_framing_says() {
    type Row<'r> = (bool, &'r str, &'r [u16], &'r str, &'r str);
    let table: &[Row<'_>] = &[
        (false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello", &[200], "Hello", ""),
        (false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello more", &[200], "Hello", " more"),
        (false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nx", &[200], "abc", "x"),
        (false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", &[200], "ab", ""),
        (false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\nmore", &[200], "", "more"),
        (false, "HTTP/1.1 200 OK\r\n\r\nto the end", &[200], "", "to the end"),
        (true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &[200], "", ""),
        (false, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", &[304], "", ""),
        (false, "HTTP/1.1 204 No Content\r\n\r\n", &[204], "", ""),
        (false, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", &[100, 200], "a", ""),
        (false, "HTTP/1.1 200 OK\r\nContent-", &[], "", ""),
        (false, "no response\r\n\r\n", &[], "", ""),
    ];
    for &(to_head_request, bytes, statuses, body, rest) in table {
        let expected = (statuses.to_vec(), body.to_owned(), rest.to_owned());
        for split in 0..=bytes.len() {
            let (before, behind) = bytes.as_bytes().split_at(split);
            assert_eq!(read(to_head_request, &[before, behind]), expected, "{bytes:?} split at {split}");
        }
    }
}
