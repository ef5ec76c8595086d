//! A chat over WebSocket: each message is sent to everybody in the room. No instance waits meanwhile, and none keeps a
//! list of members. Its page is `chat-ws-page`.

use guest_sdk::{Error, Outcome, Request, Response, handler, on_message, push};

/// Lets pages of this site enter a room. A page of another site would act with its visitor's cookies.
#[handler(path = "/chat-ws/{room}/socket", websocket = true, max_message = 4_096, heartbeat = 30)]
fn enter(request: Request, response: Response) -> Result<Outcome, Error> {
    if !is_of_this_site(&request) {
        response.set_status(403)?;
        return Ok(Outcome::Body(b"only pages of this site may enter\n".to_vec()));
    }
    match push::subscribe(&topic(&request)) {
        Ok(()) => Ok(Outcome::Manual),
        Err(Error::Invalid) => {
            response.set_status(400)?;
            Ok(Outcome::Body(b"a room has a name of at most 100 bytes\n".to_vec()))
        }
        Err(error) => Err(error),
    }
}

/// Publishes a message to the room.
#[on_message]
fn say(text: String, request: Request) -> Result<(), Error> {
    if !text.is_empty() {
        push::publish(&topic(&request), text)?;
    }
    Ok(())
}

/// Topics are shared with other routes in the same directory, so the name has a prefix.
fn topic(request: &Request) -> String {
    format!("chat-ws/{}", request.param("room").unwrap_or_default())
}

/// Whether the request comes from a page of this host. Programs that are not browsers send no `origin`.
fn is_of_this_site(request: &Request) -> bool {
    let Some(origin) = request.field("origin") else { return true };
    let host = request.field("host").unwrap_or_default();
    [&b"http://"[..], b"https://"].iter().any(|scheme| origin.strip_prefix(*scheme) == Some(&host))
}
