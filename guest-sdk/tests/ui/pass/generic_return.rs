#![forbid(unsafe_code)]
#![deny(warnings)]

use std::error::Error;

use guest_sdk::{Request, handler};

/// Names of the handler's own do not get in the way.
#[allow(dead_code)]
struct Handler;
#[allow(dead_code)]
mod std_names {
    pub enum Option {}
}
#[allow(unused_imports)]
use std_names::Option;

#[handler(method = "POST", timeout = 30)]
fn lines(request: Request) -> Result<impl Iterator<Item = Result<Vec<u8>, std::io::Error>>, Box<dyn Error>> {
    let first: u8 = request.query_param("first").ok_or("no first line")?.parse()?;
    Ok((first..).map_while(|line| (line < 10).then(|| Ok(vec![line]))))
}

fn main() {}
