//! Names the user of a request in a field of every response: the user that another middleware has put into the context.

use guest_sdk::{Error, Response, context, on_response};

#[on_response]
fn access_header(response: Response) -> Result<(), Error> {
    // A sealed entry is always a middleware's. The handler cannot have set it.
    match context::sealed("user") {
        Some(user) => response.set_field("x-access", user)?,
        None => response.set_field("x-access", "nobody")?,
    };
    Ok(())
}
