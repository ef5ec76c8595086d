//! What the fuzz targets share.
//!
//! The modules of the host are those of its own crate, by symbolic links, and so is the one of guest-sdk: with all of the host, wasmtime would be built once more.

pub mod client;
pub mod echo;

pub mod file;
pub mod grants;
pub mod http2;
// The host counts what components do with stores.
#[allow(dead_code)]
pub mod key_value;
pub mod metrics;
pub mod multipart;
pub mod outbound;
pub mod proxy_header;
pub mod text;

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

/// The lines of `data`, each as text. `None` if it is not UTF-8.
#[must_use]
pub fn lines(data: &[u8]) -> Option<(&str, &str)> {
    let text = str::from_utf8(data).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}
