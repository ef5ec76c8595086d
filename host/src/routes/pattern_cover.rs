//! The paths that a middleware guards, whatever route answers there.
//!
//! A path is covered with and without a slash at its end, and `/account/{*rest}` covers `/account` too: in doubt the guard
//! is called.

use std::path::Path;

use super::path::comparable;
use super::pattern::directory_pattern;
use super::segment::{Segment, captured, segments};

#[cfg(test)]
mod tests;

/// The paths of one pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    segments: Vec<Segment>,
    /// Whether all paths below are covered too.
    below: bool,
}

/// How many of the paths that a pattern matches are covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    None,
    Some,
    All,
}

impl Cover {
    /// The paths that a pattern matches.
    pub(super) fn new(pattern: &str) -> Self {
        let (mut segments, mut below) = (segments(pattern), false);
        match segments.last() {
            Some(Segment::Rest { prefix }) => {
                below = true;
                if prefix.is_empty() {
                    segments.pop();
                }
            }
            Some(Segment::Literal(text)) if text.is_empty() => drop(segments.pop()),
            Some(_) | None => {}
        }
        Self { segments, below }
    }

    /// The path of a directory of the tree of routes and all below. `None` if its name has a capture, since more specific
    /// patterns answer there, or makes no pattern.
    pub(super) fn of_directory(directory: &Path) -> Option<Self> {
        let pattern = directory_pattern(directory).ok().filter(|pattern| !pattern.contains('{'))?;
        Some(Self::new(&format!("{pattern}/{{*rest}}")))
    }

    /// Whether a comparable path is covered.
    fn covers(&self, path: &str) -> bool {
        let mut pieces: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        if pieces.last() == Some(&"") {
            pieces.pop();
        }
        let reaches =
            if self.below { pieces.len() >= self.segments.len() } else { pieces.len() == self.segments.len() };
        reaches && self.segments.iter().zip(pieces).all(|(segment, piece)| is_within(segment, piece))
    }

    /// How many of the paths that a pattern matches are covered.
    pub(super) fn of(&self, pattern: &str) -> Extent {
        let mut matched = segments(pattern);
        if matched.last() == Some(&Segment::Literal(String::new())) {
            matched.pop();
        }
        let mut extent = Extent::All;
        let mut matched = matched.iter();
        for segment in &self.segments {
            extent = extent.min(match matched.next() {
                // No path that it matches is as long.
                None => Extent::None,
                // It matches anything from here on.
                Some(Segment::Rest { .. }) => return extent.min(Extent::Some),
                Some(Segment::Literal(text)) if is_within(segment, text) => Extent::All,
                Some(Segment::Literal(_)) => Extent::None,
                Some(Segment::Capture { prefix, suffix }) => of_capture(segment, prefix, suffix),
            });
        }
        match matched.next() {
            Some(_) if !self.below => Extent::None,
            Some(_) | None => extent,
        }
    }
}

/// Whether a segment matches a piece of a path.
fn is_within(segment: &Segment, piece: &str) -> bool {
    match segment {
        Segment::Literal(text) => text == piece,
        Segment::Capture { prefix, suffix } => captured(piece, prefix, suffix).is_some(),
        Segment::Rest { prefix } => piece.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.is_empty()),
    }
}

/// How many of the pieces that a capture matches are matched by a segment.
fn of_capture(segment: &Segment, prefix: &str, suffix: &str) -> Extent {
    let is_all = match segment {
        Segment::Literal(text) => {
            return if captured(text, prefix, suffix).is_some() { Extent::Some } else { Extent::None };
        }
        Segment::Capture { prefix: wanted, suffix: end } => {
            prefix.starts_with(wanted.as_str()) && suffix.ends_with(end.as_str())
        }
        Segment::Rest { prefix: wanted } => prefix.starts_with(wanted.as_str()),
    };
    if is_all { Extent::All } else { Extent::Some }
}

/// Whether one of several covers a path, which is as the client sent it. A path that is not properly encoded is covered by all.
pub(super) fn covers(covers: &[Cover], path: &str) -> bool {
    comparable(path).map_or(true, |path| covers.iter().any(|cover| cover.covers(&path)))
}
