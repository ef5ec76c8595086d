//! Named bytes that middleware leaves for what comes after it within a request: the next middleware, the handler, and
//! `on-response`. Owns nothing: the host keeps them, and bounds them.
//!
//! ```no_run
//! # fn f() -> Result<(), guest_sdk::Error> {
//! guest_sdk::context::set("user", "Ada")?;
//! let user = guest_sdk::context::get("user"); // Some(b"Ada".to_vec()), also in the handler
//! # Ok(())
//! # }
//! ```

use crate::Error;
use crate::bindings::vibrato::handler::context as host;
use crate::bindings_of_middleware::seals::vibrato::handler::seal as seals;

/// The bytes that were set last under this name in this request; none where none were.
#[must_use]
pub fn get(name: &str) -> Option<Vec<u8>> {
    host::get(name)
}

/// Sets the bytes of a name, in place of what it had.
///
/// # Errors
///
/// [`Error::TooLarge`] past 64 names, 256 bytes in a name, or 64 KiB of names and values in all; [`Error::Forbidden`] for
/// a name that was sealed.
pub fn set(name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
    Ok(host::set(name, value.as_ref())?)
}

/// Seals a name as it stands, whether or not it has bytes: nobody sets it any more in this request, neither other
/// middleware nor the handler. For `#[on_request]` alone.
///
/// # Errors
///
/// [`Error::Forbidden`] anywhere else, [`Error::TooLarge`] as [`set`].
pub fn seal(name: &str) -> Result<(), Error> {
    Ok(seals::context(name)?)
}

/// The bytes of a name that was sealed, and so of a middleware, whatever the handler has tried; none where it was not
/// sealed, or has none.
#[must_use]
pub fn sealed(name: &str) -> Option<Vec<u8>> {
    seals::sealed(name)
}
