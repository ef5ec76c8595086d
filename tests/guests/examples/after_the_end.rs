//! Completes its response, then calls everything again. Says on stderr, a line each, what became of it.

use guest_sdk::{Error, Outcome, Request, Response, handler};
use guests::said;

#[handler]
fn after_the_end(request: Request, response: Response) -> Result<Outcome, Error> {
    response.write("all\n")?.finish()?;
    let calls = [
        ("set-status", response.set_status(500).map(drop)),
        ("set-field", response.set_field("x-late", "1").map(drop)),
        ("append-field", response.append_field("x-late", "2").map(drop)),
        ("remove-field", response.remove_field("content-type").map(drop)),
        ("write", response.write("late").map(drop)),
        ("write empty", response.finish()),
        ("close", response.close()),
        ("close again", response.close()),
    ];
    for (call, result) in &calls {
        eprintln!("{call}: {}", said(result));
    }
    eprintln!("method: {}", request.method());
    Ok(Outcome::Body(b"later".to_vec()))
}
