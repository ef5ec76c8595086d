//! Named bytes that middleware passes on within a request: to the next middleware, to the handler, and to
//! `on-response`. The host stores and bounds them.
//!
//! ```no_run
//! # fn f() -> Result<(), guest_sdk::Error> {
//! guest_sdk::context::set("user", "Ada")?;
//! let user = guest_sdk::context::get("user"); // Some(b"Ada".to_vec()), also in the handler
//! # Ok(())
//! # }
//! ```

use crate::Error;
use crate::bindings_of_middleware::seals::vibrato::handler::seal as seals;
use crate::host::context as host;

/// The bytes last set under this name in this request. `None` if there are none.
#[must_use]
pub fn get(name: &str) -> Option<Vec<u8>> {
    host::get(name)
}

/// Sets the bytes of a name, and replaces earlier ones.
///
/// # Errors
///
/// [`Error::TooLarge`] past 64 names, 256 bytes in a name, or 64 KiB of names and values in all; [`Error::Forbidden`]
/// for a sealed name.
pub fn set(name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
    Ok(host::set(name, value.as_ref())?)
}

/// Seals a name with its current bytes, or without any. Nothing can set it later in this request, neither other
/// middleware nor the handler. Only for `#[on_request]`.
///
/// # Errors
///
/// [`Error::Forbidden`] anywhere else, [`Error::TooLarge`] as [`set`].
pub fn seal(name: &str) -> Result<(), Error> {
    Ok(seals::context(name)?)
}

/// The bytes of a sealed name, which are always a middleware's and never the handler's. `None` if the name is not
/// sealed or has no bytes.
#[must_use]
pub fn sealed(name: &str) -> Option<Vec<u8>> {
    seals::sealed(name)
}
