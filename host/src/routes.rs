//! Routes: which handler answers a method and a path, under which options.
//!
//! ```text
//! routes/users/[id].wasm   place -> pattern     `pattern`: also checks declared ones
//! routes/users/[id].toml   text -> RouteFile    `file`
//!                          both -> Route        `load`: reads the disk, compiles
//! routes/_auth.wasm        Layer                `layer`: which of them are a route's chain
//!                     all of them               `directory`: finds, loads in threads, publishes what `catalog` knows
//!                 Vec<Route> -> RouteTable      `table`, without what `conflict` drops; `awaited`: what is to come
//!               method, path -> Lookup          `table`, over `path`'s decoding and `matcher`
//! ```
//!
//! A [`RouteTable`] never changes: [`Current`] swaps it for another, and requests in flight keep theirs. It must not know of
//! connections, and of a handler only that there is one.

mod awaited;
mod catalog;
mod changes;
mod conflict;
mod cover;
mod current;
mod declare;
mod directory;
mod disk;
pub mod file;
mod holders;
mod layer;
mod load;
mod matcher;
mod memory;
pub mod method;
mod near;
mod path;
pub mod pattern;
mod route;
mod segment;
mod table;
mod watch;

pub use awaited::Claim;
pub use cover::Cover;
pub use current::Current;
pub use declare::{Declare, DeclareError};
pub use directory::{Directory, Setup};
pub use file::{RouteFile, RouteFileError};
pub use holders::{Authority, CLAIM_KEPT, Holders};
pub use layer::{Layer, Link};
#[cfg(test)]
pub(crate) use load::{Candidate, Load, Loaded, Loader, Unfinished};
pub use memory::{Memory, MemoryError};
pub use method::MethodError;
pub use near::{Nearness, near};
pub use pattern::PatternError;
pub use route::{Mount, Permit, Route};
pub use table::{Lookup, Mounted, Params, RouteTable};
pub use watch::WatchError;
