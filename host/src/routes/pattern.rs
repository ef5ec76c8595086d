//! Path patterns: their rules, and the pattern that follows from a component's path in the tree of routes.
//!
//! A pattern is written in plain characters and compared with the percent-decoded path. `{id}` captures one segment or
//! a part of one, `{*rest}` the rest of the path.

use std::path::{Component, Path};

use crate::options::is_name;

#[cfg(test)]
mod tests;

/// The longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// The most patterns that a route declares.
pub const MAX_PATTERNS: usize = 64;

/// Why a pattern, or the name of a file, is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with `/`.
    #[error("a path pattern does not start with `/`")]
    NoSlash,
    /// More than [`MAX_PATTERN_BYTES`].
    #[error("a path pattern is longer than {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_PATTERNS`].
    #[error("there are more than {MAX_PATTERNS} path patterns")]
    TooMany,
    /// A control character.
    #[error("a path pattern holds a control character")]
    Control,
    /// A `?` or a `#`.
    #[error("a path pattern holds a `?` or a `#`")]
    Query,
    /// A percent-encoded character.
    #[error("a path pattern holds a percent-encoded character")]
    Encoded,
    /// A capture without a proper name.
    #[error("a captured segment has no proper name")]
    Name,
    /// Two captures of one name.
    #[error("two captured segments have the same name")]
    SameName,
    /// Two captures in one segment.
    #[error("a segment captures more than one piece")]
    TwoInSegment,
    /// Braces that are no capture.
    #[error("a path pattern has braces that do not match")]
    Braces,
    /// A `{*rest}` or `[...rest]` that is not at the end.
    #[error("a capture of the rest is not at the end of the path")]
    RestNotLast,
    /// Brackets in a file's or directory's name that do not enclose all of it.
    #[error("the name has brackets in the middle")]
    Brackets,
    /// Braces in a file's or directory's name.
    #[error("the name has braces")]
    BracesInName,
    /// A file's or directory's name that is not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// A path that leaves the routes directory, or is no file's.
    #[error("the file is not in the routes directory")]
    Outside,
}

impl PatternError {
    /// What the operator, or the author of the component, can do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoSlash => "start it with `/`, as in `/hello`",
            Self::TooLong => "shorten it, or capture the rest with `{*rest}`",
            Self::TooMany => "capture what differs, as in `/page/{id}`",
            Self::Control => "remove the control character",
            Self::Query => "leave out the query: only the path is compared",
            Self::Encoded => "write the character itself: it is compared with the decoded path",
            Self::Name | Self::SameName => {
                "name each capture differently, with letters, digits, `_` and `-`: `{id}`, or `[id]` in a file's name"
            }
            Self::TwoInSegment => "capture the whole segment and take it apart in the handler",
            Self::Braces => "write captures as `{id}` or `{*rest}`; a literal brace cannot be matched",
            Self::RestNotLast => "move it to the end, as in `/files/{*rest}` or `files/[...rest].wasm`",
            Self::Brackets => "let the brackets enclose the whole name, as in `[id].wasm`",
            Self::BracesInName => "use brackets, as in `[id].wasm` or `[...rest].wasm`",
            Self::NotUtf8 => "rename it",
            Self::Outside => "move it into the routes directory",
        }
    }
}

/// The pattern that follows from a component's path in the tree of routes: `index.wasm` is its directory, `[id]` captures a
/// segment, `[...rest].wasm` the rest.
///
/// # Errors
/// A name that makes no pattern.
pub fn from_tree_path(path: &Path) -> Result<String, PatternError> {
    let (Some(name), Some(parent)) = (path.file_stem(), path.parent()) else {
        return Err(PatternError::Outside);
    };
    let mut pattern = directory_pattern(parent)?;
    match name.to_str().ok_or(PatternError::NotUtf8)? {
        "index" if pattern.is_empty() => pattern.push('/'),
        "index" => {}
        name => push_segment(&mut pattern, name)?,
    }
    check(&pattern)?;
    Ok(pattern)
}

/// The pattern of a directory of the tree of routes. That of the root is empty.
pub(super) fn directory_pattern(directory: &Path) -> Result<String, PatternError> {
    let mut pattern = String::new();
    for component in directory.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => push_segment(&mut pattern, name.to_str().ok_or(PatternError::NotUtf8)?)?,
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return Err(PatternError::Outside),
        }
    }
    Ok(pattern)
}

fn push_segment(pattern: &mut String, name: &str) -> Result<(), PatternError> {
    if name.contains(['{', '}']) {
        return Err(PatternError::BracesInName);
    }
    let captured = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let (open, name, close) = match captured.map(|name| (name, name.strip_prefix("..."))) {
        None => ("", name, ""),
        Some((name, None)) => ("{", name, "}"),
        Some((_, Some(rest))) => ("{*", rest, "}"),
    };
    if name.contains(['[', ']']) {
        return Err(PatternError::Brackets);
    }
    if captured.is_some() && !is_name(name) {
        return Err(PatternError::Name);
    }
    pattern.extend(["/", open, name, close]);
    Ok(())
}

/// A pattern without the names of its captures. Two patterns of one shape match the same paths.
pub(super) fn shape(pattern: &str) -> String {
    let mut shape = String::with_capacity(pattern.len());
    let mut is_name = false;
    for letter in pattern.chars() {
        match letter {
            '{' => is_name = true,
            '}' => is_name = false,
            '*' => {}
            _ if is_name => continue,
            _ => {}
        }
        shape.push(letter);
    }
    shape
}

/// Checks the patterns that a route declares.
///
/// # Errors
/// The first one that is not valid.
pub fn check_all(patterns: &[String]) -> Result<(), PatternError> {
    if patterns.len() > MAX_PATTERNS {
        return Err(PatternError::TooMany);
    }
    patterns.iter().try_for_each(|pattern| check(pattern))
}

/// Checks a pattern: `/hello`, `/page/{id}`, `/files/{*rest}`.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(pattern: &str) -> Result<(), PatternError> {
    if !pattern.starts_with('/') {
        return Err(PatternError::NoSlash);
    }
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(PatternError::TooLong);
    }
    if pattern.chars().any(char::is_control) {
        return Err(PatternError::Control);
    }
    if pattern.contains(['?', '#']) {
        return Err(PatternError::Query);
    }
    if has_encoded(pattern) {
        return Err(PatternError::Encoded);
    }
    check_captures(pattern)?;
    let mut segments = pattern.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment.find("{*").is_some_and(|rest| !is_last || !segment[rest..].ends_with('}')) {
            return Err(PatternError::RestNotLast);
        }
        if segment.matches('{').count() > 1 {
            return Err(PatternError::TwoInSegment);
        }
    }
    Ok(())
}

fn has_encoded(pattern: &str) -> bool {
    pattern.as_bytes().windows(3).any(|octets| octets[0] == b'%' && octets[1..].iter().all(u8::is_ascii_hexdigit))
}

/// Checks that the names of a pattern's captures are valid and distinct.
fn check_captures(pattern: &str) -> Result<(), PatternError> {
    let mut names = Vec::new();
    let mut rest = pattern;
    while let Some(open) = rest.find(['{', '}']) {
        let inner = rest[open..].strip_prefix('{').ok_or(PatternError::Braces)?;
        let (name, after) = inner.split_once('}').ok_or(PatternError::Braces)?;
        rest = after;
        let name = name.strip_prefix('*').unwrap_or(name);
        if !is_name(name) {
            return Err(PatternError::Name);
        }
        if names.contains(&name) {
            return Err(PatternError::SameName);
        }
        names.push(name);
    }
    Ok(())
}
