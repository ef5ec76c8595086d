//! Components from their text, for what no compiler makes.

use super::guest::PLAIN_WAT;

/// The binary of a component or of a module.
pub fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is a component or a module")
}

/// A handler by hand, which answers `plain`.
pub fn plain() -> Vec<u8> {
    assemble(PLAIN_WAT)
}

/// The same, which answers another word of five letters.
pub fn plain_saying(word: &str) -> Vec<u8> {
    assert_eq!(word.len(), "plain".len(), "its length is written in it");
    assemble(&PLAIN_WAT.replacen("\"plain\"", &format!("\"{word}\""), 1))
}

/// The same, importing something that it does not need.
pub fn plain_importing(name: &str, interface: &str) -> Vec<u8> {
    let import = format!("(component\n  (import \"{name}\" {interface})");
    assemble(&PLAIN_WAT.replacen("(component", &import, 1))
}
