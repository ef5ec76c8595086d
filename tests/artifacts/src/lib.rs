//! The components that tests serve: where each lies once it is built.

use std::fmt;
use std::fs;
use std::path::Path;

// For the constants, which the tests include into a crate of theirs too.
extern crate self as artifacts;

/// The examples and the guests for tests, a constant each.
pub mod guest {
    include!(concat!(env!("OUT_DIR"), "/guests.rs"));
}

include!(concat!(env!("OUT_DIR"), "/artifacts.rs"));

/// A component that is built: an example, or a guest for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    name: &'static str,
    file: &'static str,
}

impl Guest {
    /// For the constants of the build script alone.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, file: &'static str) -> Self {
        Self { name, file }
    }

    /// The example of a name that is only known at run time, as a page of the book names it.
    #[must_use]
    pub fn example(name: &str) -> Option<Self> {
        EXAMPLES.iter().copied().find(|example| example.name == name)
    }

    /// Its name: that of its folder, or of its source without `.rs`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The file of its component.
    #[must_use]
    pub fn path(self) -> &'static Path {
        Path::new(self.file)
    }

    /// Its component.
    ///
    /// # Panics
    /// If its file cannot be read.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        fs::read(self.file).unwrap_or_else(|error| panic!("cannot read {}: {error}", self.file))
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
