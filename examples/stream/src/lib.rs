//! Shows a long response at full speed: `/stream?chunks=N&size=M` writes N chunks of M bytes, without a rate.

use std::iter;

use guest_sdk::{Error, Request, Response, handler};

/// Maximum bytes of a chunk, which is held in memory.
const MAX_SIZE: usize = 1_048_576;

#[handler(path = "/stream", method = "GET", content_type = "application/octet-stream")]
fn stream(request: Request, response: Response) -> Result<Box<dyn Iterator<Item = Vec<u8>>>, Error> {
    let (Some(chunks), Some(size @ 1..=MAX_SIZE)) = (number(request, "chunks"), number(request, "size")) else {
        response.set_status(400)?.set_field("content-type", "text/plain")?;
        let usage = format!("usage: /stream?chunks=N&size=M, with M from 1 to {MAX_SIZE}\n");
        return Ok(Box::new(iter::once(usage.into_bytes())));
    };
    Ok(Box::new(iter::repeat_n(vec![b'x'; size], chunks)))
}

fn number(request: Request, name: &str) -> Option<usize> {
    request.query_param(name)?.parse().ok()
}
