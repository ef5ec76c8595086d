//! Finds the most specific of many patterns that a path matches.
//!
//! Patterns are compared with the path segment by segment, from left to right: plain characters come before a capture,
//! a capture with more characters around it before one with fewer, and a segment before the rest of the path. So no two
//! patterns are ambiguous but those of one shape. What a lookup costs is bounded by the patterns: each of their segments
//! is compared once at most, however the path is made.

use std::cmp::Reverse;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::segment::{Segment, captured, segments};

#[cfg(test)]
mod tests;

/// What captures take of a path, in the order of the pattern.
pub(super) type Captured<'p> = SmallVec<[&'p str; 4]>;

/// Patterns, each with a value.
#[derive(Debug)]
pub(super) struct Matcher<T> {
    /// What the patterns say of the first segment.
    root: Node<T>,
}

/// What patterns with one beginning say of the next segment.
#[derive(Debug)]
struct Node<T> {
    literals: HashMap<Box<str>, SegmentNode<T>>,
    /// The more specific ones first.
    captures: Vec<(Affixes, SegmentNode<T>)>,
    /// By prefix, the longer ones first.
    rests: Vec<(String, T)>,
}

/// What follows a segment.
#[derive(Debug)]
struct SegmentNode<T> {
    /// That of the pattern which ends with it.
    value: Option<T>,
    /// Those of patterns which do not.
    node: Option<Box<Node<T>>>,
}

/// The prefix and suffix of a capture.
type Affixes = (String, String);

impl<T> Matcher<T> {
    /// One without patterns.
    pub(super) fn new() -> Self {
        Self { root: Node::new() }
    }

    /// Adds a pattern, in the place of one of the same shape.
    pub(super) fn insert(&mut self, pattern: &str, value: T) {
        let mut node = &mut self.root;
        let segments = segments(pattern);
        let last = segments.len() - 1;
        for (place, segment) in segments.into_iter().enumerate() {
            let next = match segment {
                Segment::Literal(text) => node.literals.entry(text.into()).or_insert_with(SegmentNode::new),
                Segment::Capture { prefix, suffix } => node.capture((prefix, suffix)),
                Segment::Rest { prefix } => return node.insert_rest(prefix, value),
            };
            if place == last {
                next.value = Some(value);
                return;
            }
            node = next.node.get_or_insert_with(|| Box::new(Node::new()));
        }
    }

    /// The value of the most specific pattern that a comparable path matches, and what its captures take.
    pub(super) fn find<'m, 'p>(&'m self, path: &'p str) -> Option<(&'m T, Captured<'p>)> {
        let mut captured = Captured::new();
        let value = self.root.find(path.strip_prefix('/')?, &mut captured)?;
        Some((value, captured))
    }
}

impl<T> Node<T> {
    fn new() -> Self {
        Self { literals: HashMap::new(), captures: Vec::new(), rests: Vec::new() }
    }

    fn capture(&mut self, affixes: Affixes) -> &mut SegmentNode<T> {
        let rank = |(prefix, suffix): &Affixes| (Reverse(prefix.len()), Reverse(suffix.len()));
        let same = self.captures.iter().position(|(other, _)| *other == affixes);
        let place = same.unwrap_or_else(|| {
            let place = self.captures.partition_point(|(other, _)| rank(other) <= rank(&affixes));
            self.captures.insert(place, (affixes, SegmentNode::new()));
            place
        });
        &mut self.captures[place].1
    }

    fn insert_rest(&mut self, prefix: String, value: T) {
        match self.rests.iter_mut().find(|(other, _)| *other == prefix) {
            Some((_, before)) => *before = value,
            None => {
                let place = self.rests.partition_point(|(other, _)| other.len() >= prefix.len());
                self.rests.insert(place, (prefix, value));
            }
        }
    }

    /// Goes on with what is left of a path, without the slash before it.
    fn find<'m, 'p>(&'m self, left: &'p str, taken: &mut Captured<'p>) -> Option<&'m T> {
        let (segment, after) = match memchr::memchr(b'/', left.as_bytes()) {
            Some(slash) => (&left[..slash], Some(&left[slash + 1..])),
            None => (left, None),
        };
        if let Some(found) = self.literals.get(segment).and_then(|next| next.find(after, taken)) {
            return Some(found);
        }
        for ((prefix, suffix), next) in &self.captures {
            let Some(piece) = captured(segment, prefix, suffix) else { continue };
            taken.push(piece);
            if let Some(found) = next.find(after, taken) {
                return Some(found);
            }
            taken.pop();
        }
        let rest = |prefix: &str| left.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        let (rest, value) = self.rests.iter().find_map(|(prefix, value)| Some((rest(prefix)?, value)))?;
        taken.push(rest);
        Some(value)
    }
}

impl<T> SegmentNode<T> {
    fn new() -> Self {
        Self { value: None, node: None }
    }

    fn find<'m, 'p>(&'m self, after: Option<&'p str>, taken: &mut Captured<'p>) -> Option<&'m T> {
        match after {
            None => self.value.as_ref(),
            Some(left) => self.node.as_ref()?.find(left, taken),
        }
    }
}
