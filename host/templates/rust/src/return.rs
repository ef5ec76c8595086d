//! Returns its body whole.

use guest_sdk::{Options, Request, handler};

// `path` may capture segments. Any other name is an option: the host's own, such as `content_type`, `rate` in bytes a
// second to each client, or `timeout` in seconds, and any of yours. The operator's FILE.toml can set them otherwise.
#[handler(path = "/NAME/{name}", method = "GET", content_type = "text/plain; charset=utf-8", greeting = "Hello")]
fn greet(request: Request, options: Options) -> String {
    let greeting = options.text("greeting").unwrap_or_default();
    let name = request.param("name").unwrap_or_default();
    // What is returned is the body, after whatever was written before: text, bytes, or a `Result` of either, whose
    // error becomes a 500 and a line of the host's log.
    format!("{greeting}, {name}!\n")
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
