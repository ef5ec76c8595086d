//! A client that takes nothing but well-formed responses.

use bytes::BytesMut;

use protocol::http1::decode::{BodyDecoder, Decoded};
use protocol::http1::framing::BodyFraming;

/// Reads all of `sent` as responses, one for each of `head_only`, and panics where they are not well-formed. `closed`
/// says whether the host closed the connection behind them: the last response must have said so, and no other.
pub fn read(mut sent: &[u8], head_only: &[bool], closed: bool) {
    let last = head_only.len().saturating_sub(1);
    for (index, head_only) in head_only.iter().enumerate() {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(sent);
        let Ok(httparse::Status::Complete(length)) = parsed else { panic!("{parsed:?}: {}", sent.escape_ascii()) };
        let named = |name: &str| -> Vec<&[u8]> {
            let named = response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            named.map(|field| field.value).collect()
        };
        assert_eq!(response.version, Some(1));
        assert_eq!(named("date").len(), 1);
        assert_eq!(named("connection").contains(&&b"close"[..]), closed && index == last);
        let framing = framing(&named("transfer-encoding"), &named("content-length"));
        sent = &sent[length..];
        if !head_only {
            sent = behind_body(framing, sent);
        }
    }
    assert_eq!(sent, b"", "there are more responses than requests");
}

/// Exactly one of the two says where the body ends.
fn framing(codings: &[&[u8]], lengths: &[&[u8]]) -> BodyFraming {
    match (codings, lengths) {
        ([b"chunked"], []) => BodyFraming::Chunked,
        ([], [length]) => {
            let length = str::from_utf8(length).ok().and_then(|length| length.parse().ok());
            BodyFraming::Length(length.expect("a length is a number"))
        }
        framing => panic!("{framing:?}"),
    }
}

/// What follows a whole body.
fn behind_body(framing: BodyFraming, sent: &[u8]) -> &[u8] {
    let (mut decoder, mut input) = (BodyDecoder::new(framing, u64::MAX), BytesMut::from(sent));
    loop {
        match decoder.decode(&mut input, usize::MAX) {
            Ok(Decoded::Piece(_)) => {}
            Ok(Decoded::End) => return &sent[sent.len() - input.len()..],
            Ok(Decoded::NeedMore) => panic!("a body breaks off: {}", sent.escape_ascii()),
            Err(error) => panic!("{error}: {}", sent.escape_ascii()),
        }
    }
}
