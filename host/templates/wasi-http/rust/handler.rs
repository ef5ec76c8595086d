//! Greets whoever the path names.

use wstd::http::{Body, Error, Request, Response};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    // NAME.toml says which paths come here.
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    let response = Response::builder().header("content-type", "text/plain; charset=utf-8");
    Ok(response.body(format!("Hello, {name}!\n").into())?)
}
