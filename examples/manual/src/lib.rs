//! Shows a parked response: it stays open after its handler has ended, until the client closes it.

use guest_sdk::{Error, Manual, Response, handler};

#[handler(path = "/manual")]
fn manual(response: Response) -> Result<Manual, Error> {
    response.write("one\n")?;
    Ok(Manual)
}
