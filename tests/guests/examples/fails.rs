//! Returns an error: `/fails` before the head was sent, `/fails?write=TEXT` after it; and `/fails?limit=BYTES` that of
//! a body that is larger.

use std::error::Error;

use guest_sdk::{Request, Response, handler};

#[handler]
fn fails(request: Request, response: Response) -> Result<String, Box<dyn Error>> {
    response.set_status(201)?.set_field("content-length", "1000")?;
    if let Some(limit) = request.query_param("limit") {
        request.body().read_all(limit.parse()?)?;
    }
    if let Some(text) = request.query_param("write") {
        response.write(text)?;
    }
    Err("this handler always fails".into())
}
