//! Shows both directions at once: each piece of the request body is sent back as it arrives.

use guest_sdk::{Body, Error, Request, Response, handler};

#[handler(path = "/echo")]
fn echo(request: Request, response: Response) -> Result<Body, Error> {
    let content_type = request.field("content-type").unwrap_or_else(|| b"application/octet-stream".to_vec());
    response.set_field("content-type", content_type)?;
    Ok(request.body())
}
