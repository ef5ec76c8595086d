//! What the fuzz targets share: the host's `http`, a connection made of it alone, and a client that reads strictly.
//!
//! The modules of `http` are compiled here a second time, from the same files. They do no IO and need four small
//! crates; the host as a dependency would bring wasmtime, to be built with a sanitizer, for code that never calls it.

#[path = "../../src/http"]
pub mod http {
    pub mod accept;
    pub mod chunk;
    pub mod decode;
    pub mod fields;
    pub mod framing;
    pub(crate) mod grammar;
    pub mod head;
    pub(crate) mod line;
    pub mod response;
    pub mod status;
    pub mod target;
}

pub mod client;
pub mod connection;

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
