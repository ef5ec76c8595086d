//! A piece of a body that is encoded once and sent in many responses.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};

use super::encode;

/// A piece of a body, never empty, as it is sent in each framing. Clones of its bytes share memory.
#[derive(Debug)]
pub struct Chunk {
    /// The piece in the chunked coding (RFC 9112 section 7.1).
    coded: Bytes,
    /// Where the piece is in `coded`.
    piece: Range<usize>,
    /// The piece as a WebSocket frame. It is made on first use.
    websocket_frame: OnceLock<Bytes>,
}

impl Chunk {
    /// Encodes a piece. It must not be empty, because an empty chunk ends the body.
    #[must_use]
    pub fn new(piece: &[u8]) -> Self {
        Self::held(piece, |bytes| bytes)
    }

    /// As [`Self::new`], but `hold` may wrap the encoded bytes, to attach a value that is dropped with their last
    /// clone.
    #[must_use]
    pub fn held(piece: &[u8], hold: impl FnOnce(Bytes) -> Bytes) -> Self {
        debug_assert!(!piece.is_empty(), "an empty chunk would end the body");
        let mut coded = BytesMut::new();
        encode::piece(true, piece, &mut coded);
        let start = coded.len() - piece.len() - encode::CHUNK_END.len();
        Self { coded: hold(coded.freeze()), piece: start..start + piece.len(), websocket_frame: OnceLock::new() }
    }

    /// The piece in the chunked coding.
    #[inline]
    #[must_use]
    pub fn coded(&self) -> Bytes {
        self.coded.clone()
    }

    /// The piece without framing.
    #[inline]
    #[must_use]
    pub fn piece(&self) -> Bytes {
        self.coded.slice(self.piece.clone())
    }

    /// The piece as a WebSocket frame. `encode` makes it on the first call, and later calls return the same frame.
    #[must_use]
    pub fn websocket_frame(&self, encode: impl FnOnce(Bytes) -> Bytes) -> Bytes {
        self.websocket_frame.get_or_init(|| encode(self.piece())).clone()
    }

    /// The length of the piece without framing, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        self.piece.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_its_coding_and_its_piece_in_the_same_bytes() {
        for length in [1, 9, 15, 16, 255, 256, 65_536] {
            let piece = vec![b'x'; length];
            let chunk = Chunk::new(&piece);
            assert_eq!(chunk.len(), length);
            assert_eq!(chunk.piece(), piece);
            let coded = [format!("{length:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
            assert_eq!(chunk.coded(), coded);
            assert!(chunk.coded().as_ptr_range().contains(&chunk.piece().as_ptr()), "nothing is copied");
        }
    }
}
