//! The table `[grant]` of a route file, as the host reads it.

pub mod grant;
mod lines;

const GRANT: &str = "grant";

/// Reads `[grant]` of a file. `None` if the file is not TOML, or has no such table.
#[must_use]
pub fn read_grant(text: &str) -> Option<Result<crate::grants::GrantTable, Vec<grant::GrantMistake>>> {
    let mut file: toml::Table = toml::from_str(text).ok()?;
    match file.remove(GRANT)? {
        toml::Value::Table(table) => Some(grant::read(text, table, 1)),
        _ => None,
    }
}
