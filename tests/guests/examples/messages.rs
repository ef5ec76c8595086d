//! Opens a WebSocket and answers messages as the client says: a text is `COMMAND=ARGUMENT`, bytes come back. The query
//! of the request that opens it has commands too.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{hint, process, thread};

use guest_sdk::websocket::{CloseFrame, Message, Reply};
use guest_sdk::{Options, Outcome, Request, Response, handler, on_message, push};
use guests::said;

/// `subscribe=TOPIC`, `set=NAME:VALUE`, `write=TEXT`, `body=TEXT`, `close`.
#[handler(path = "/messages", websocket = true)]
fn open(request: Request, response: Response) -> Outcome {
    for (command, argument) in request.query_params() {
        let refused = match &*command {
            "subscribe" => push::subscribe(&argument).err(),
            "set" => response.set_field(halves(&argument).0, halves(&argument).1).err(),
            "write" => response.write(&argument).err(),
            "body" => return Outcome::Body(argument.into_bytes()),
            "close" => return Outcome::Close,
            other => panic!("no such command: {other}"),
        };
        assert_eq!(refused, None, "{command}={argument}");
    }
    Outcome::Manual
}

#[on_message]
fn answer(message: Message, request: Request, response: Response, options: Options) -> Reply {
    let Message::Text(text) = &message else { return Reply::Message(message) };
    let (command, argument) = text.split_once('=').unwrap_or((text, ""));
    match command {
        "echo" => reply(argument),
        "count" => {
            static COUNT: AtomicU32 = AtomicU32::new(1);
            reply(&COUNT.fetch_add(1, Ordering::Relaxed).to_string())
        }
        "nothing" => Reply::Nothing,
        "bytes" => Reply::Message(Message::Binary(vec![b'x'; number(argument)])),
        "path" => reply(&request.path()),
        "field" => reply(&String::from_utf8_lossy(&request.field(argument).unwrap_or_default())),
        "body" => reply(&format!("{:?}", request.body().read_all(1))),
        "option" => reply(&options.get(argument).map_or_else(String::new, |value| value.to_string())),
        "response" => reply(&of_the_response(response)),
        "subscribe" => reply(said(&push::subscribe(argument))),
        "publish" => reply(&push::publish(halves(argument).0, halves(argument).1).unwrap_or_default().to_string()),
        "publish-bytes" => {
            let (topic, bytes) = halves(argument);
            reply(&push::publish(topic, vec![0xff; number(bytes)]).unwrap_or_default().to_string())
        }
        "finish" => reply(&push::finish(argument).unwrap_or_default().to_string()),
        "close" => Reply::Close(None),
        "close-with" => {
            let (code, reason) = halves(argument);
            Reply::Close(Some(CloseFrame { code: number(code), reason: reason.to_owned() }))
        }
        "fail" => {
            let error: Result<(), _> = Err(argument);
            guest_sdk::websocket::IntoReply::into_reply(error)
        }
        "sleep" => {
            thread::sleep(Duration::from_millis(number(argument)));
            reply("awake")
        }
        "spin" => loop {
            hint::spin_loop();
        },
        "trap" => process::abort(),
        other => panic!("no such command: {other}"),
    }
}

/// What the calls to a response that is over say.
fn of_the_response(response: Response) -> String {
    let calls = [said(&response.set_status(201)), said(&response.set_field("a", "b")), said(&response.write("c"))];
    calls.join(" ")
}

fn reply(text: &str) -> Reply {
    Reply::Message(Message::Text(text.to_owned()))
}

fn halves(argument: &str) -> (&str, &str) {
    argument.split_once(':').expect("the argument is ONE:OTHER")
}

fn number<N: std::str::FromStr>(argument: &str) -> N {
    argument.parse().ok().expect("the argument is a number")
}
