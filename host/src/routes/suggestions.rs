//! Which routes somebody may have meant whose path none answers.
//!
//! Owns what it is to be near. It must not know how routes are found. What it costs grows with the routes and the path,
//! so it is for those who develop.

#[cfg(test)]
mod tests;

/// The most routes that are named.
const MOST: usize = 5;

/// The most bytes of a segment that are compared.
const MAX_SEGMENT: usize = 64;

/// How a pattern is near to a path, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Similarity {
    /// They differ by a slash at the end, or in the case of letters.
    Form,
    /// So many letters are to be changed, added or taken away.
    Spelling(usize),
    /// They begin with the same segment.
    FirstSegment,
}

/// The patterns that are near to `path`, the nearest first, at most five: by their places in `patterns`.
pub fn near<'p>(patterns: impl Iterator<Item = &'p str>, path: &str) -> Vec<(usize, Similarity)> {
    let mut near: Vec<(Similarity, usize)> =
        patterns.enumerate().filter_map(|(place, pattern)| Some((nearness(pattern, path)?, place))).collect();
    near.sort();
    near.into_iter().take(MOST).map(|(nearness, place)| (place, nearness)).collect()
}

fn nearness(pattern: &str, path: &str) -> Option<Similarity> {
    let segments = |text: &'_ str| -> Vec<String> {
        let trimmed = text.trim_matches('/');
        trimmed.split('/').filter(|it| !it.is_empty()).map(str::to_lowercase).collect()
    };
    let (wanted, asked) = (segments(pattern), segments(path));
    let letters: usize = asked.iter().map(String::len).sum();
    match distance(&wanted, &asked) {
        0 => Some(Similarity::Form),
        // A third of the letters, so that short paths are not near to everything.
        distance if distance <= (letters / 3).clamp(1, 4) => Some(Similarity::Spelling(distance)),
        _ => {
            let first = wanted.first().filter(|first| !is_capture(first));
            (first.is_some() && first == asked.first()).then_some(Similarity::FirstSegment)
        }
    }
}

/// How far a path's segments are from a pattern's: what a capture takes is near.
fn distance(pattern: &[String], path: &[String]) -> usize {
    match (pattern, path) {
        ([], []) => 0,
        ([rest, ..], [_, ..]) if rest.starts_with("{*") => 0,
        ([wanted, pattern @ ..], [_, path @ ..]) if is_capture(wanted) => distance(pattern, path),
        ([wanted, pattern @ ..], [asked, path @ ..]) => edits(wanted, asked) + distance(pattern, path),
        (left, []) | ([], left) => left.iter().map(|segment| segment.len() + 1).sum(),
    }
}

fn is_capture(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// How many letters are to be changed, added or taken away to make one of the other (Levenshtein's distance).
fn edits(one: &str, other: &str) -> usize {
    let letters = |text: &str| text.chars().take(MAX_SEGMENT).collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (at, candidate) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != candidate);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
