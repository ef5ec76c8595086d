#![deny(deprecated)]

use guest_sdk::handler;

#[handler(pth = "/hello", timout = 5, greeting = "Hi")]
fn hello() {}

fn main() {}
