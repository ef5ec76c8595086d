//! Allows pages of other origins to read responses (CORS, part of the Fetch standard), and answers preflight requests,
//! so that handlers need not.
//!
//! The option `origins` lists the allowed origins; `allow_methods` and `allow_fields` list what they may send.

use guest_sdk::{Error, Options, Outcome, Request, Response, Value, on_request, on_response};

#[on_request]
fn preflight(request: Request, response: Response, options: Options) -> Result<Option<Outcome>, Error> {
    let asks = request.method() == "OPTIONS" && request.field("access-control-request-method").is_some();
    if !asks || origin(request, options).is_none() {
        return Ok(None);
    }
    response
        .set_status(204)?
        .set_field("access-control-allow-methods", listed(options, "allow_methods").join(", "))?
        .set_field("access-control-allow-headers", listed(options, "allow_fields").join(", "))?;
    Ok(Some(Outcome::Body(Vec::new())))
}

#[on_response]
fn allow(request: Request, response: Response, options: Options) -> Result<(), Error> {
    response.append_field("vary", "origin")?;
    if let Some(origin) = origin(request, options) {
        response.set_field("access-control-allow-origin", origin)?;
    }
    Ok(())
}

/// The origin of a request. `None` if it is not allowed.
fn origin(request: Request, options: Options) -> Option<Vec<u8>> {
    let origin = request.field("origin")?;
    listed(options, "origins").iter().any(|known| known.as_bytes() == origin).then_some(origin)
}

fn listed(options: Options, name: &str) -> Vec<String> {
    match options.get(name) {
        Some(Value::Texts(texts)) => texts,
        _ => Vec::new(),
    }
}
