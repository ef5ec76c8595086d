//! A chat over server-sent events: each message is sent to everybody in the room. No instance waits meanwhile, and none
//! keeps a list of members. Its page is `chat-page`; `chat-ws` does the same over WebSocket.
//!
//! ```sh
//! curl -N http://127.0.0.1:8000/chat/kitchen
//! curl -d 'Hello!' 'http://127.0.0.1:8000/chat/kitchen?name=Ada'
//! ```

use guest_sdk::sse::{self, Event};
use guest_sdk::{Error, Outcome, Request, Response, handler, push};

/// An outcome, or any of the errors that `?` returns.
type Answer = Result<Outcome, Box<dyn std::error::Error>>;

#[handler(path = "/chat/{room}", method = ["GET", "POST"], max_body = 4_096, heartbeat = 30)]
fn chat(request: Request, response: Response) -> Answer {
    let answer = if request.method() == "POST" { say(request, response) } else { listen(request, response) };
    match answer {
        // Everything except the room's name was checked before.
        Err(error) if error.downcast_ref() == Some(&Error::Invalid) => {
            refuse(response, 400, "a room's name is one line of at most 123 bytes\n")
        }
        answer => answer,
    }
}

/// Parks the response, which then receives what is said in the room.
fn listen(request: Request, response: Response) -> Answer {
    push::subscribe(&topic(&request))?;
    sse::open(&response)?;
    Ok(Outcome::Manual)
}

/// Publishes a message to the room, in an event whose first line is the speaker's name.
fn say(request: Request, response: Response) -> Answer {
    if !is_of_this_site(&request) {
        return refuse(response, 403, "only pages of this site may speak here\n");
    }
    let name = request.query_param("name").unwrap_or_default();
    if name.len() > 100 || name.contains(char::is_control) {
        return refuse(response, 400, "a name is one line of at most 100 bytes\n");
    }
    let Ok(text) = String::from_utf8(request.body().read_all(4_096)?) else {
        return refuse(response, 400, "what is said is text in UTF-8\n");
    };
    push::publish(&topic(&request), Event::new().data(&name).data(&text))?;
    response.set_status(204)?;
    Ok(Outcome::Body(Vec::new()))
}

fn refuse(response: Response, status: u16, reason: &str) -> Answer {
    response.set_status(status)?.set_field("content-type", "text/plain; charset=utf-8")?;
    Ok(Outcome::Body(reason.as_bytes().to_vec()))
}

/// Topics are shared with other routes in the same directory, so the name has a prefix.
fn topic(request: &Request) -> String {
    format!("chat/{}", request.param("room").unwrap_or_default())
}

/// Whether the request comes from a page of this host. Programs that are not browsers send no `origin`.
fn is_of_this_site(request: &Request) -> bool {
    let Some(origin) = request.field("origin") else { return true };
    let host = request.field("host").unwrap_or_default();
    [&b"http://"[..], b"https://"].iter().any(|scheme| origin.strip_prefix(*scheme) == Some(&host))
}
