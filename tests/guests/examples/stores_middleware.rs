//! A middleware that counts requests in a key-value store, and says in the field `x-count` how many there were.

use guest_sdk::{Error, Outcome, Response, kv, on_request};

#[on_request]
fn count(response: Response) -> Result<Option<Outcome>, Error> {
    let count = kv::increment("requests", 1).map_or_else(|error| format!("{error:?}"), |count| count.to_string());
    response.set_field("x-count", count)?;
    Ok(None)
}
