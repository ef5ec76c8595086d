//! Which servers may be reached, from the host.

mod address;
mod limits;
mod origin;

pub use address::{Network, NetworkError, is_public};
pub use limits::HttpLimits;
pub use origin::{HostName, Origin, OriginError, OriginPattern, TargetUrl};
