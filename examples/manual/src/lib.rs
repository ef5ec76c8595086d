//! Shows a response that stays open after its handler is gone, until the client goes.

use guest_sdk::{Error, Manual, Response, handler};

#[handler(path = "/manual")]
fn manual(response: Response) -> Result<Manual, Error> {
    response.write("one\n")?;
    Ok(Manual)
}
