//! Writes its body: each `write` is one chunk, and returns once there is room for more.

use guest_sdk::{Error, Options, Request, Response, handler};

// `path` may capture segments. Any other name is an option: the host's own, such as `content_type`, `rate` in bytes a
// second to each client, or `timeout` in seconds, and any of yours. The operator's FILE.toml can set them otherwise.
#[handler(path = "/NAME/{name}", method = "GET", content_type = "text/plain; charset=utf-8", greeting = "Hello")]
fn greet(request: Request, response: Response, options: Options) -> Result<(), Error> {
    let greeting = options.text("greeting").unwrap_or_default();
    let name = request.param("name").unwrap_or_default();
    // The head goes out with the first chunk: from then on it is too late for a status or a field.
    response.set_field("cache-control", "no-store")?;
    response.write(format!("{greeting}, "))?.write(format!("{name}!\n"))?;
    // Says that the response is complete: returning nothing alone would close the connection too. Each `?` ends the
    // handler where the client has gone, since there is nobody left to write to.
    response.finish()
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use guest_sdk::testing::{TestRequest, call};

    use super::greet;

    #[test]
    fn it_greets_by_name() {
        let response = call(greet, TestRequest::get("/NAME/Ada").param("name", "Ada").option("greeting", "Hello"));
        assert_eq!((response.status, response.text()), (200, "Hello, Ada!\n".to_owned()));
    }
}
