//! Writes one chunk, then loops for ever.

use std::hint;

use guest_sdk::{Error, Response, handler};

#[handler]
fn spin_after_head(response: Response) -> Result<(), Error> {
    response.write("one\n")?;
    loop {
        hint::spin_loop();
    }
}
