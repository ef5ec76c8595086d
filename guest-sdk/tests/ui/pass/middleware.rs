#![forbid(unsafe_code)]
#![deny(warnings)]

use guest_sdk::{Error, Options, Outcome, Request, Response, context, on_request, on_response};

/// Names of the middleware's own do not get in the way.
#[allow(dead_code)]
struct Middleware;

#[on_request]
fn end(options: Options, request: Request, response: Response) -> Result<Option<Outcome>, Error> {
    let user = request.field("x-user").filter(|_| options.get("open").is_some());
    context::set("user", user.unwrap_or_default())?;
    Ok((response.status() != 200).then_some(Outcome::Close))
}

#[on_response]
fn see(response: Response) -> Result<(), Box<dyn std::error::Error>> {
    let user = context::get("user").ok_or("nobody")?;
    response.set_field("x-user", user)?;
    Ok(())
}

fn main() {}
