use guest_sdk::websocket::{CloseFrame, Message};
use guest_sdk::{Manual, Options, Request, handler, on_message};

#[handler(path = "/ws", websocket = true, max_message = 1_024)]
fn open() -> Manual {
    Manual
}

#[on_message]
fn answer(message: Message, options: Options, request: Request) -> Result<Option<Message>, CloseError> {
    let _ = (options, request);
    Ok(Some(message))
}

struct CloseError(CloseFrame);

impl std::fmt::Display for CloseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.reason)
    }
}

fn main() {}
