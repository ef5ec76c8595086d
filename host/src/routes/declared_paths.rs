//! Which paths components may declare: the operator decides.

use std::path::Path;

use thiserror::Error;

use super::pattern::directory_pattern;
use super::segment::segments;

/// Which paths a component may declare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Declare {
    /// None: it answers at the path of its file, unless the operator sets another.
    Nothing,
    /// Those of its directory and below. For a component in the root these are all paths.
    #[default]
    Below,
    /// All.
    Any,
}

/// The text is not one of the three values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `nothing`, `below` or `any`")]
pub struct DeclareError;

impl Declare {
    /// Whether a component in this directory of the tree of routes may declare a pattern.
    pub(super) fn allows(self, directory: &Path, pattern: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Any => true,
            Self::Below => {
                let directory = directory_pattern(directory);
                directory.is_ok_and(|directory| directory.is_empty() || is_below(&directory, pattern))
            }
        }
    }
}

/// Whether a pattern is that of a directory or below it. The names of captures do not count.
fn is_below(directory: &str, pattern: &str) -> bool {
    segments(pattern).starts_with(&segments(directory))
}

impl std::str::FromStr for Declare {
    type Err = DeclareError;

    fn from_str(text: &str) -> Result<Self, DeclareError> {
        match text {
            "nothing" => Ok(Self::Nothing),
            "below" => Ok(Self::Below),
            "any" => Ok(Self::Any),
            _ => Err(DeclareError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_declares_what_lies_below_its_directory() {
        for (directory, pattern, allowed) in [
            ("", "/anything/{*rest}", true),
            ("shop", "/shop", true),
            ("shop", "/shop/", true),
            ("shop", "/shop/cart/{id}", true),
            ("shop", "/shop/{*rest}", true),
            ("shop", "/shopping", false),
            ("shop", "/", false),
            ("shop", "/{*rest}", false),
            ("shop", "/{shop}/cart", false),
            ("shop", "/account", false),
            ("[user]/in", "/{name}/in/x", true),
            ("[user]/in", "/ada/in/x", false),
            ("{bad}", "/{bad}/x", false),
        ] {
            assert_eq!(Declare::Below.allows(Path::new(directory), pattern), allowed, "{directory} {pattern}");
            assert!(Declare::Any.allows(Path::new(directory), pattern));
            assert!(!Declare::Nothing.allows(Path::new(directory), pattern));
        }
    }

    #[test]
    fn it_is_one_of_three_words() {
        let read = ["nothing", "below", "any", "Any", ""].map(str::parse);
        let expected =
            [Ok(Declare::Nothing), Ok(Declare::Below), Ok(Declare::Any), Err(DeclareError), Err(DeclareError)];
        assert_eq!(read, expected);
    }
}
