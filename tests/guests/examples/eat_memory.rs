//! Allocates until it is refused, which is the end of it.

use std::hint;

use guest_sdk::{Close, handler};

#[handler]
fn eat_memory() -> Close {
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1_u8; 1_048_576]);
        hint::black_box(&eaten);
    }
}
