//! What a timer runs: it publishes what it knows of its request to the topic `ticks`, and then does what its option `does`
//! says: `write` a lot, `sleep` for an hour, `trap`, or `manual`. Any other request subscribes to the topic.

use std::time::Duration;
use std::{process, thread};

use guest_sdk::{Error, Options, Outcome, Request, Response, handler, push};

#[handler(path = "/ticks")]
fn ticks(request: Request, response: Response, options: Options) -> Result<Outcome, Error> {
    if !request.is_timer() {
        push::subscribe("ticks")?;
        response.write("open")?;
        return Ok(Outcome::Manual);
    }
    let (method, target, peer) = (request.method(), request.target(), request.peer());
    push::publish("ticks", format!("{method} {target} {peer}"))?;
    match options.text("does").as_deref() {
        Some("write") => {
            for _ in 0..100 {
                response.write(vec![b'x'; 100_000])?;
            }
            push::publish("ticks", "written")?;
        }
        Some("sleep") => thread::sleep(Duration::from_secs(3600)),
        Some("trap") => process::abort(),
        Some("manual") => return Ok(Outcome::Manual),
        Some(other) => panic!("no such thing to do: {other}"),
        None => {}
    }
    Ok(Outcome::Body(b"dropped".to_vec()))
}
