//! Routes: which handler answers a method and a path, under which options.
//!
//! ```text
//! routes/users/[id].wasm   place -> pattern     `pattern`: also checks declared ones
//! routes/users/[id].toml   text -> RouteFile    `file`
//!                          both -> Route        `load`: walks the directory, compiles
//!                 Vec<Route> -> RouteTable      `table`, without what `conflict` drops
//!               method, path -> Lookup          `table`, over `path`'s decoding
//! ```
//!
//! A [`RouteTable`] never changes: a reload makes another, and requests in flight keep theirs. It must not know of
//! connections, and of a handler only that there is one.

mod conflict;
pub mod file;
mod load;
pub mod method;
mod path;
pub mod pattern;
mod route;
mod table;

pub use file::{RouteFile, RouteFileError};
pub use load::load;
pub use method::MethodError;
pub use pattern::PatternError;
pub use route::{Mount, Permit, Route};
pub use table::{Lookup, Params, RouteTable};
