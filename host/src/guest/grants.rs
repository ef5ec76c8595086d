//! What a component may reach.

/// What the operator grants a component beyond what every component has: its request, its options, clocks, random numbers
/// and its log.
///
/// This host has nothing to grant yet. Code that decides what a guest may reach takes the value apart, so a new field does
/// not compile until it is decided there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grants {}
