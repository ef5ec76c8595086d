//! The segments of a path pattern.
//!
//! A pattern is checked by then; what is none is taken as plain characters.

use super::path::comparable_pattern;

/// What a pattern says of one segment of a path, in the form that paths are compared in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// These very characters.
    Literal(String),
    /// One character at least between a prefix and a suffix, which may be empty.
    Capture { prefix: String, suffix: String },
    /// One character at least behind a prefix, up to the end of the path.
    Rest { prefix: String },
}

/// The segments of a pattern, or of its shape. The pattern `/` has one, which is empty.
pub(super) fn segments(pattern: &str) -> Vec<Segment> {
    let comparable = comparable_pattern(pattern);
    comparable.strip_prefix('/').unwrap_or(&comparable).split('/').map(Segment::new).collect()
}

/// The names of a pattern's captures, in its order.
pub(super) fn capture_names(pattern: &str) -> Vec<String> {
    let pieces = pattern.split('{').skip(1).filter_map(|piece| piece.split_once('}'));
    pieces.map(|(name, _)| name.strip_prefix('*').unwrap_or(name).to_owned()).collect()
}

impl Segment {
    fn new(text: &str) -> Self {
        let Some((prefix, (capture, suffix))) =
            text.split_once('{').and_then(|(prefix, rest)| Some((prefix, rest.split_once('}')?)))
        else {
            return Self::Literal(text.to_owned());
        };
        let prefix = prefix.to_owned();
        match capture.starts_with('*') {
            true => Self::Rest { prefix },
            false => Self::Capture { prefix, suffix: suffix.to_owned() },
        }
    }
}

/// What a capture between `prefix` and `suffix` takes of a segment: never nothing.
pub(super) fn captured<'s>(segment: &'s str, prefix: &str, suffix: &str) -> Option<&'s str> {
    let captured = segment.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (!captured.is_empty()).then_some(captured)
}
