//! Panics, which is a message on stderr and a trap.

use guest_sdk::{Close, handler};

#[handler]
fn panics() -> Close {
    panic!("this handler always panics")
}
