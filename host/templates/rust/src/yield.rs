//! Yields its body: each item of the iterator is one chunk, sent as it is made.

use guest_sdk::{Options, Request, handler};

// `path` may capture segments. Any other name is an option: the host's own, such as `content_type`, `rate` in bytes a
// second to each client, or `timeout` in seconds, and any of yours. The operator's FILE.toml can set them otherwise.
#[handler(path = "/NAME/{name}", method = "GET", content_type = "text/plain; charset=utf-8", greeting = "Hello")]
fn greet(request: Request, options: Options) -> impl Iterator<Item = String> {
    let greeting = options.text("greeting").unwrap_or_default();
    let name = request.param("name").unwrap_or_default();
    // An iterator is asked for its next item once the client has taken the one before: a long body takes no memory.
    [format!("{greeting}, "), format!("{name}!\n")].into_iter()
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
