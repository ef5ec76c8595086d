//! Writes a megabyte of letters twice and returns it once more; each letter says where it is.

use guest_sdk::{Error, Outcome, Request, Response, handler};

const BYTES: usize = 1_000_000;

#[handler]
fn letters(_request: Request, response: Response) -> Result<Outcome, Error> {
    let letters: Vec<u8> = (b'a'..=b'y').cycle().take(BYTES).collect();
    response.write(&letters)?.write(&letters)?;
    Ok(Outcome::Body(letters))
}
