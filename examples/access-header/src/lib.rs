//! Says in a field of every response for whom it was made: the user that another middleware has left in the context.

use guest_sdk::{Error, Response, context, on_response};

#[on_response]
fn access_header(response: Response) -> Result<(), Error> {
    // What the handler itself may have left there is no middleware's word.
    match context::sealed("user") {
        Some(user) => response.set_field("x-access", user)?,
        None => response.set_field("x-access", "nobody")?,
    };
    Ok(())
}
