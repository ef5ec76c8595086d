//! Suggests routes for a path that no route answers ("did you mean").
//!
//! Owns what counts as similar. The cost grows with the number of routes and the length of the path, so only development
//! mode uses it.

#[cfg(test)]
mod tests;

/// The most routes that are suggested.
const MAX_SUGGESTIONS: usize = 5;

/// The most characters of a segment that are compared.
const MAX_SEGMENT_CHARS: usize = 64;

/// How a pattern resembles a path; the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Similarity {
    /// They differ only by a slash at the end, or in the case of letters.
    Form,
    /// The edit distance is small: this many characters differ.
    Spelling(usize),
    /// Their first segment is the same.
    FirstSegment,
}

/// The patterns that resemble `path`, the closest first and at most five, as indices into `patterns`.
pub fn suggest<'p>(patterns: impl Iterator<Item = &'p str>, path: &str) -> Vec<(usize, Similarity)> {
    let mut similar: Vec<(Similarity, usize)> =
        patterns.enumerate().filter_map(|(index, pattern)| Some((similarity(pattern, path)?, index))).collect();
    similar.sort();
    similar.into_iter().take(MAX_SUGGESTIONS).map(|(similarity, index)| (index, similarity)).collect()
}

fn similarity(pattern: &str, path: &str) -> Option<Similarity> {
    let segments = |text: &'_ str| -> Vec<String> {
        let trimmed = text.trim_matches('/');
        trimmed.split('/').filter(|it| !it.is_empty()).map(str::to_lowercase).collect()
    };
    let (pattern, path) = (segments(pattern), segments(path));
    let length: usize = path.iter().map(String::len).sum();
    match distance(&pattern, &path) {
        0 => Some(Similarity::Form),
        // At most a third of the path, so that short paths do not resemble everything.
        distance if distance <= (length / 3).clamp(1, 4) => Some(Similarity::Spelling(distance)),
        _ => {
            let first = pattern.first().filter(|first| !is_capture(first));
            (first.is_some() && first == path.first()).then_some(Similarity::FirstSegment)
        }
    }
}

/// The sum of the edit distances of the segments. A capture matches any segment.
fn distance(pattern: &[String], path: &[String]) -> usize {
    match (pattern, path) {
        ([], []) => 0,
        ([rest, ..], [_, ..]) if rest.starts_with("{*") => 0,
        ([first, pattern @ ..], [_, path @ ..]) if is_capture(first) => distance(pattern, path),
        ([first, pattern @ ..], [other, path @ ..]) => edits(first, other) + distance(pattern, path),
        (more, []) | ([], more) => more.iter().map(|segment| segment.len() + 1).sum(),
    }
}

fn is_capture(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// The edit distance (Levenshtein) of the first [`MAX_SEGMENT_CHARS`] characters of two segments.
fn edits(one: &str, other: &str) -> usize {
    let shortened =
        |text: &'_ str| -> usize { text.char_indices().nth(MAX_SEGMENT_CHARS).map_or(text.len(), |(end, _)| end) };
    strsim::levenshtein(&one[..shortened(one)], &other[..shortened(other)])
}
