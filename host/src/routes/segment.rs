//! The segments of a path pattern that was checked.

use super::path::comparable_pattern;

/// One segment of a pattern, in its comparable form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Exactly these characters.
    Literal(String),
    /// At least one character between a prefix and a suffix, which may be empty.
    Capture { prefix: String, suffix: String },
    /// At least one character after a prefix, up to the end of the path.
    Rest { prefix: String },
}

/// The segments of a pattern or a shape. The pattern `/` has one, which is empty.
pub(super) fn segments(pattern: &str) -> Vec<Segment> {
    let comparable = comparable_pattern(pattern);
    comparable.strip_prefix('/').unwrap_or(&comparable).split('/').map(Segment::new).collect()
}

/// The names of a pattern's captures, in order.
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

/// What a capture between `prefix` and `suffix` takes of a segment. `None` if that would be nothing.
pub(super) fn captured<'s>(segment: &'s str, prefix: &str, suffix: &str) -> Option<&'s str> {
    let captured = segment.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (!captured.is_empty()).then_some(captured)
}
