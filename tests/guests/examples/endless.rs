//! Writes pieces of 64 KiB until it is refused.

use std::iter;

use guest_sdk::handler;

#[handler]
fn endless() -> impl Iterator<Item = &'static [u8]> {
    iter::repeat(&[b'x'; 65_536][..])
}
