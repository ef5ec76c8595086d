//! One piece of a body that many responses carry, encoded once for all of them.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};

use super::encode;

/// A piece of a body, never empty, as it goes on the wire in each framing. Clones of its bytes share them.
#[derive(Debug)]
pub struct Chunk {
    /// The piece in the chunked coding (RFC 9112 section 7.1).
    coded: Bytes,
    /// Where the piece itself is in it.
    piece: Range<usize>,
    /// The piece as a WebSocket frame, once it was asked for.
    websocket_frame: OnceLock<Bytes>,
}

impl Chunk {
    /// Encodes a piece, which must not be empty: an empty chunk is the last one.
    #[must_use]
    pub fn new(piece: &[u8]) -> Self {
        Self::held(piece, |bytes| bytes)
    }

    /// The same, with its bytes as `hold` returns them: with what is to last as long as anybody has them.
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

    /// The piece alone.
    #[inline]
    #[must_use]
    pub fn piece(&self) -> Bytes {
        self.coded.slice(self.piece.clone())
    }

    /// The piece as a WebSocket frame, which `encode` makes once: all who ask for it have the same one.
    #[must_use]
    pub fn websocket_frame(&self, encode: impl FnOnce(Bytes) -> Bytes) -> Bytes {
        self.websocket_frame.get_or_init(|| encode(self.piece())).clone()
    }

    /// The bytes of the piece alone, at least 1.
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
