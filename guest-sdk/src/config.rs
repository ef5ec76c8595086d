//! Settings and secrets that the operator gives to a route: `config` in `[grant]` of its `NAME.toml`, and the options that
//! are none of the host's own, as text.
//!
//! ```toml
//! [grant.config]
//! theme = "dark"
//! api_key = { secret = "stripe" }
//! ```
//!
//! ```no_run
//! let theme = guest_sdk::config::get("theme"); // Some("dark".to_owned())
//! let key = guest_sdk::config::secret("api_key"); // its `Debug` shows no text
//! # let _ = (theme, key);
//! ```

use std::fmt;

use crate::host::config as host;

/// A setting. `None` if it is not set.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    host::get(name)
}

/// All settings, sorted by name. Some may be secrets: do not log them.
#[must_use]
pub fn all() -> Vec<(String, String)> {
    host::all()
}

/// A setting that must not be logged. `None` if it is not set.
#[must_use]
pub fn secret(name: &str) -> Option<Secret> {
    get(name).map(Secret)
}

/// A text that no log shows: its `Debug` has no text, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
