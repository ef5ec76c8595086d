//! Does the same as `hello` with writes: each write is a chunk, and an empty one completes the response.

use guest_sdk::{Error, Response, handler};

#[handler(path = "/hello-write")]
fn hello_write(response: Response) -> Result<(), Error> {
    response.write("Hello")?.write("World!")?.write("")?;
    // The response is complete, so the connection stays open for keep-alive.
    response.close()
}
