//! Shows `rate`: `/download?bytes=N` sends N bytes at 2 MiB/s. The handler needs no clock, because its writes are
//! paced.

use guest_sdk::{Error, Options, Outcome, Request, Response, handler};

#[handler(path = "/download", method = "GET", content_type = "application/octet-stream", rate = 2_097_152)]
fn download(request: Request, response: Response, options: Options) -> Result<Outcome, Error> {
    let Some(bytes) = request.query_param("bytes").and_then(|bytes| bytes.parse::<u64>().ok()) else {
        response.set_status(400)?.set_field("content-type", "text/plain")?;
        return Ok(Outcome::Body(b"usage: /download?bytes=N\n".to_vec()));
    };
    let size = options.integer("buffer_size").and_then(|size| usize::try_from(size).ok());
    let mut piece = vec![b'x'; size.unwrap_or(16_384)];
    let size = piece.len() as u64;
    for _ in 0..bytes / size {
        response.write(&piece)?;
    }
    // The last piece has the remaining bytes, and may be empty.
    piece.truncate((bytes % size) as usize);
    Ok(Outcome::Body(piece))
}
