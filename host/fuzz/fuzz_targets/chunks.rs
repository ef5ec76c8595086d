//! The chunked coding: no bytes panic, any split gives the same body, and no body is larger than it may be.

#![no_main]

use bytes::BytesMut;
use host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use protocol::http1::decode::{BodyDecoder, DecodeError, Decoded, MAX_LINE, check_begun};
use protocol::http1::framing::BodyFraming;

const MAX_BODY: u64 = 4096;

/// The body as far as it came, and what became of it: how many bytes are behind it, an error, or neither yet.
type Read = (Vec<u8>, Result<Option<usize>, DecodeError>);

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
                Ok(Decoded::End) => return (body, Ok(Some(left + input.len()))),
                Err(error) => return (body, Err(error)),
            }
        }
    }
    (body, Ok(None))
}

fuzz_target!(|data: &[u8]| {
    let pieces = pieces(data);
    let whole = pieces.concat();
    let (body, read) = decode(&[&whole], usize::MAX);
    let max = data.first().map_or(1, |byte| usize::from(*byte) + 1);
    assert_eq!(decode(&pieces, max), (body.clone(), read));
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
    assert_eq!(decode(&[&encoded, b"0\r\n\r\n"], usize::MAX), (body, Ok(Some(0))));
});
