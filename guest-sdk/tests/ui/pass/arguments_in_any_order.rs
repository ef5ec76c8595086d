use guest_sdk::{Options, Request, Response, handler};

#[handler(path = "/hello")]
fn hello(options: Options, response: Response, request: Request) {
    let _ = (options, response, request);
}

fn main() {}
