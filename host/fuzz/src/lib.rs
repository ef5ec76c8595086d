//! What the fuzz targets share: a server of one connection without a socket, and a client that reads strictly.

pub mod client;
pub mod echo;

/// Cuts the rest of `data` into pieces whose lengths its first bytes say, over and over. What fuzzers change freely
/// then changes how bytes arrive, too.
#[must_use]
pub fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let (lengths, mut rest) = data.split_at(data.len().min(4));
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(*length) + 1));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
