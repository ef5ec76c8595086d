//! Writes one chunk, then traps.

use std::process;

use guest_sdk::{Error, Response, handler};

#[handler]
fn trap_after_head(response: Response) -> Result<(), Error> {
    response.write("one\n")?;
    process::abort()
}
