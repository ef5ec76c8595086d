//! Writes 1 GiB in pieces of 64 KiB.

use std::iter;

use guest_sdk::handler;

const PIECE: usize = 65_536;

#[handler]
fn gigabyte() -> impl Iterator<Item = &'static [u8]> {
    iter::repeat_n(&[b'x'; PIECE][..], 1_073_741_824 / PIECE)
}
