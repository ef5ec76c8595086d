//! The head of a request: no bytes panic, any split gives the same result, and a good head keeps its promises.

#![no_main]

use bytes::BytesMut;
use host_fuzz::echo::LIMITS;
use host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use protocol::http::head::RequestHead;
use protocol::http1::framing::{expectation, keep_alive, request_framing};
use protocol::http1::head::{HeadError, HeadParser};

/// What became of the bytes: a head and how many bytes are behind it, an error, or neither yet.
type Parsed = Result<Option<(RequestHead, usize)>, HeadError>;

fn parse(pieces: &[&[u8]]) -> Parsed {
    let (mut parser, mut input) = (HeadParser::default(), BytesMut::new());
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        left -= piece.len();
        input.extend_from_slice(piece);
        if let Some(head) = parser.parse(&mut input, &LIMITS)? {
            return Ok(Some((head, left + input.len())));
        }
        assert!(input.len() < LIMITS.max_bytes);
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let pieces = pieces(data);
    let whole = pieces.concat();
    let parsed = parse(&[&whole]);
    assert_eq!(parse(&pieces), parsed);
    let head = match parsed {
        Ok(Some((head, _))) => head,
        Ok(None) => return,
        Err(error) => return assert!((400..=505).contains(&error.status())),
    };
    assert!(head.path().starts_with('/') || head.path() == "*");
    assert!(head.target().len() <= LIMITS.max_target && head.fields().count() <= LIMITS.max_fields);
    assert!(head.target().bytes().all(|byte| byte.is_ascii_graphic()));
    for (name, value) in head.fields() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert!(head.values(name).any(|other| other == value));
    }
    keep_alive(&head);
    if let Ok(framing) = request_framing(&head) {
        // Any answer will do.
        let _ = expectation(&head, framing);
    }
});
