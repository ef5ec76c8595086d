//! Shows a body that is larger than memory: it is read piece by piece, and the response is its length.

use guest_sdk::{BodyError, Request, handler};

#[handler(path = "/upload", content_type = "text/plain; charset=utf-8")]
fn upload(request: Request) -> Result<String, BodyError> {
    let mut received = 0_u64;
    for piece in request.body() {
        received += piece?.len() as u64;
    }
    Ok(received.to_string())
}
