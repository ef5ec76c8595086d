//! Shows the same as `hello` by hand: chunks are written, an empty one completes the response.

use guest_sdk::{Error, Response, handler};

#[handler(path = "/hello-write")]
fn hello_write(response: Response) -> Result<(), Error> {
    response.write("Hello")?.write("World!")?.write("")?;
    // The response is complete, so this does not cut the connection off from keep-alive.
    response.close()
}
