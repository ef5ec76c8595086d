//! Components from their text, for what no compiler makes.

/// A handler by hand, which answers `plain`.
pub const PLAIN: &str = include_str!("../../guests/plain.wat");

/// The binary of a component or of a module.
pub fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is a component or a module")
}

/// [`PLAIN`], importing something that it does not need.
pub fn importing(name: &str, interface: &str) -> Vec<u8> {
    let import = format!("(component\n  (import \"{name}\" {interface})");
    component(&PLAIN.replacen("(component", &import, 1))
}
