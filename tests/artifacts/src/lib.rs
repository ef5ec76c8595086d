//! The components that tests serve: where each lies once it is built.

use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/artifacts.rs"));

/// The file of an example or of a guest.
///
/// # Panics
/// Where there is none of that name.
#[must_use]
pub fn component(name: &str) -> &'static Path {
    let found = EXAMPLES.iter().chain(GUESTS).find(|(known, _)| *known == name);
    Path::new(found.unwrap_or_else(|| panic!("there is no example and no guest named {name}")).1)
}
