//! Loops for ever without a call to the host.

use std::hint;

use guest_sdk::{Close, handler};

#[handler]
fn spin() -> Close {
    loop {
        hint::spin_loop();
    }
}
