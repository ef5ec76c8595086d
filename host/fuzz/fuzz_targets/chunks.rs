//! The chunked coding: no bytes panic, any split gives the same body and the same trailers, and neither is larger than it
//! may be.

#![no_main]

use bytes::BytesMut;
use host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use protocol::http::trailers::is_allowed_in_trailers;
use protocol::http1::decode::{BodyDecoder, DecodeError, Decoded, MAX_LINE, check_begun};
use protocol::http1::framing::BodyFraming;

const MAX_BODY: u64 = 4096;

/// Bytes of all trailers.
const MAX_TRAILERS: usize = 16 * 1024;

/// The body as far as it came, its trailers as lines, and what became of it: how many bytes are behind it, an error, or
/// neither yet.
type Read = (Vec<u8>, Vec<u8>, Result<Option<usize>, DecodeError>);

/// The trailers of a body that is whole.
fn trailers(decoder: &mut BodyDecoder) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in decoder.take_trailers().unwrap_or_default().all() {
        assert!(is_allowed_in_trailers(name));
        lines.extend_from_slice(&[name.as_bytes(), b":", value, b"\r\n"].concat());
    }
    assert!(lines.len() < MAX_TRAILERS);
    lines
}

fn decode(pieces: &[&[u8]], max: usize) -> Read {
    let (mut decoder, mut input) = (BodyDecoder::new(BodyFraming::Chunked, MAX_BODY), BytesMut::new());
    let mut body = Vec::new();
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        left -= piece.len();
        input.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut input, max) {
                Ok(Decoded::Piece(piece)) => {
                    assert!((1..=max).contains(&piece.len()));
                    body.extend_from_slice(&piece);
                    assert!(body.len() as u64 + decoder.remaining() <= MAX_BODY);
                }
                Ok(Decoded::NeedMore) => break assert!(input.len() < MAX_LINE),
                Ok(Decoded::End) => return (body, trailers(&mut decoder), Ok(Some(left + input.len()))),
                Err(error) => return (body, Vec::new(), Err(error)),
            }
        }
    }
    (body, Vec::new(), Ok(None))
}

fuzz_target!(|data: &[u8]| {
    let pieces = pieces(data);
    let whole = pieces.concat();
    let (body, trailers, read) = decode(&[&whole], usize::MAX);
    let max = data.first().map_or(1, |byte| usize::from(*byte) + 1);
    assert_eq!(decode(&pieces, max), (body.clone(), trailers.clone(), read));
    // What is malformed is so whatever a body may be.
    if let Err(DecodeError::Malformed(malformation)) = read {
        assert_eq!(check_begun(BodyFraming::Chunked, &whole), Err(malformation.into()));
    }
    let encoded = body.chunks(max).fold(Vec::new(), |mut encoded, chunk| {
        encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
        encoded
    });
    let end = [b"0\r\n", &trailers[..], b"\r\n"].concat();
    assert_eq!(decode(&[&encoded, &end], usize::MAX), (body, trailers, Ok(Some(0))));
});
