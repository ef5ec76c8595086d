//! Shows server-sent events: what one says in a room, all who listen there hear. No instance waits meanwhile, and none
//! keeps a list of who is there. The page to it is `chat-page`; its twin over WebSocket is `chat-ws`.
//!
//! ```sh
//! curl -N http://127.0.0.1:8000/chat/kitchen
//! curl -d 'Hello!' 'http://127.0.0.1:8000/chat/kitchen?name=Ada'
//! ```

use guest_sdk::sse::{self, Event};
use guest_sdk::{Error, Outcome, Request, Response, handler, push};

/// What it answers, or any of the errors that `?` meets.
type Answer = Result<Outcome, Box<dyn std::error::Error>>;

#[handler(path = "/chat/{room}", method = ["GET", "POST"], max_body = 4_096, heartbeat = 30)]
fn chat(request: Request, response: Response) -> Answer {
    let answer = if request.method() == "POST" { say(request, response) } else { listen(request, response) };
    match answer {
        // All but the room is checked before.
        Err(error) if error.downcast_ref() == Some(&Error::Invalid) => {
            refuse(response, 400, "a room's name is one line of at most 123 bytes\n")
        }
        answer => answer,
    }
}

/// Leaves the response open, for what will be said in the room.
fn listen(request: Request, response: Response) -> Answer {
    push::subscribe(&topic(&request))?;
    sse::open(&response)?;
    Ok(Outcome::Manual)
}

/// Tells the room, in an event whose first line is the name of who speaks.
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

/// Topics are shared with the routes beside it: this one is of this chat, and of one room.
fn topic(request: &Request) -> String {
    format!("chat/{}", request.param("room").unwrap_or_default())
}

/// Whether the page that asks is of the host that is asked. A program that is no browser sends no `origin`.
fn is_of_this_site(request: &Request) -> bool {
    let Some(origin) = request.field("origin") else { return true };
    let host = request.field("host").unwrap_or_default();
    [&b"http://"[..], b"https://"].iter().any(|scheme| origin.strip_prefix(*scheme) == Some(&host))
}
