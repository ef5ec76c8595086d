//! Which paths components may declare for themselves: that is the operator's to say.

use std::path::Path;

use thiserror::Error;

use super::pattern::of_directory;
use super::segment::segments;

/// Which paths a component may declare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Declare {
    /// None: it answers at its file's place, unless the operator sets a path.
    Nothing,
    /// Those of its directory and below. In the routes directory itself these are all paths.
    #[default]
    Below,
    /// All.
    Any,
}

/// What is neither of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `nothing`, `below` or `any`")]
pub struct DeclareError;

impl Declare {
    /// Whether a component at this place in the routes directory may declare a pattern.
    pub(super) fn allows(self, place: &Path, pattern: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Any => true,
            Self::Below => {
                let directory = place.parent().map_or_else(|| Ok(String::new()), of_directory);
                directory.is_ok_and(|directory| directory.is_empty() || is_below(&directory, pattern))
            }
        }
    }
}

/// Whether a pattern is that of a directory or of something below it, whatever its captures are called.
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
        for (place, pattern, allowed) in [
            ("a.wasm", "/anything/{*rest}", true),
            ("shop/a.wasm", "/shop", true),
            ("shop/a.wasm", "/shop/", true),
            ("shop/a.wasm", "/shop/cart/{id}", true),
            ("shop/a.wasm", "/shop/{*rest}", true),
            ("shop/a.wasm", "/shopping", false),
            ("shop/a.wasm", "/", false),
            ("shop/a.wasm", "/{*rest}", false),
            ("shop/a.wasm", "/{shop}/cart", false),
            ("shop/a.wasm", "/account", false),
            ("[user]/in/a.wasm", "/{name}/in/x", true),
            ("[user]/in/a.wasm", "/ada/in/x", false),
            ("{bad}/a.wasm", "/{bad}/x", false),
        ] {
            assert_eq!(Declare::Below.allows(Path::new(place), pattern), allowed, "{place} {pattern}");
            assert!(Declare::Any.allows(Path::new(place), pattern));
            assert!(!Declare::Nothing.allows(Path::new(place), pattern));
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
