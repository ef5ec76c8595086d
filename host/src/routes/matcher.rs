//! Finds the most specific of many patterns that a path matches.
//!
//! Patterns are compared with the path segment by segment, from left to right: plain characters come before a capture,
//! a capture with more characters around it before one with fewer, and a segment before the rest of the path. So two
//! patterns are ambiguous only if they have the same shape. The patterns bound the cost of a lookup: each of their segments
//! is compared at most once, whatever the path.

use std::cmp::Reverse;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::segment::{Segment, captured, segments};

#[cfg(test)]
mod tests;

/// The values of captures, in the order of the pattern.
pub(super) type Captured<'p> = SmallVec<[&'p str; 4]>;

/// Patterns, each with a value.
#[derive(Debug)]
pub(super) struct Matcher<T> {
    /// The first segments of all patterns.
    root: Node<T>,
}

/// The next segments of the patterns that begin with the same ones.
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
    /// The value of the pattern that ends with it.
    value: Option<T>,
    /// The next segments of patterns that go on.
    node: Option<Box<Node<T>>>,
}

/// The prefix and suffix of a capture.
type Affixes = (String, String);

impl<T> Matcher<T> {
    /// A matcher without patterns.
    pub(super) fn new() -> Self {
        Self { root: Node::new() }
    }

    /// Adds a pattern. It replaces one of the same shape.
    pub(super) fn insert(&mut self, pattern: &str, value: T) {
        let mut node = &mut self.root;
        let segments = segments(pattern);
        let last = segments.len() - 1;
        for (index, segment) in segments.into_iter().enumerate() {
            let next = match segment {
                Segment::Literal(text) => node.literals.entry(text.into()).or_insert_with(SegmentNode::new),
                Segment::Capture { prefix, suffix } => node.capture((prefix, suffix)),
                Segment::Rest { prefix } => return node.insert_rest(prefix, value),
            };
            if index == last {
                next.value = Some(value);
                return;
            }
            node = next.node.get_or_insert_with(|| Box::new(Node::new()));
        }
    }

    /// The value of the most specific pattern that a comparable path matches, and the values of its captures.
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
        let specificity = |(prefix, suffix): &Affixes| (Reverse(prefix.len()), Reverse(suffix.len()));
        let same = self.captures.iter().position(|(other, _)| *other == affixes);
        let index = same.unwrap_or_else(|| {
            let index = self.captures.partition_point(|(other, _)| specificity(other) <= specificity(&affixes));
            self.captures.insert(index, (affixes, SegmentNode::new()));
            index
        });
        &mut self.captures[index].1
    }

    fn insert_rest(&mut self, prefix: String, value: T) {
        match self.rests.iter_mut().find(|(other, _)| *other == prefix) {
            Some((_, before)) => *before = value,
            None => {
                let index = self.rests.partition_point(|(other, _)| other.len() >= prefix.len());
                self.rests.insert(index, (prefix, value));
            }
        }
    }

    /// Matches the rest of a path, without the slash before it.
    fn find<'m, 'p>(&'m self, rest_of_path: &'p str, captures: &mut Captured<'p>) -> Option<&'m T> {
        let (segment, after) = match memchr::memchr(b'/', rest_of_path.as_bytes()) {
            Some(slash) => (&rest_of_path[..slash], Some(&rest_of_path[slash + 1..])),
            None => (rest_of_path, None),
        };
        if let Some(found) = self.literals.get(segment).and_then(|next| next.find(after, captures)) {
            return Some(found);
        }
        for ((prefix, suffix), next) in &self.captures {
            let Some(piece) = captured(segment, prefix, suffix) else { continue };
            captures.push(piece);
            if let Some(found) = next.find(after, captures) {
                return Some(found);
            }
            captures.pop();
        }
        let rest = |prefix: &str| rest_of_path.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        let (rest, value) = self.rests.iter().find_map(|(prefix, value)| Some((rest(prefix)?, value)))?;
        captures.push(rest);
        Some(value)
    }
}

impl<T> SegmentNode<T> {
    fn new() -> Self {
        Self { value: None, node: None }
    }

    fn find<'m, 'p>(&'m self, after: Option<&'p str>, captures: &mut Captured<'p>) -> Option<&'m T> {
        match after {
            None => self.value.as_ref(),
            Some(rest_of_path) => self.node.as_ref()?.find(rest_of_path, captures),
        }
    }
}
