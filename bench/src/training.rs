//! What a host does most, once, for a build of it that notes what it runs: `make dist` optimises for that.
//!
//! It measures nothing.

use std::time::Duration;

use crate::client::{self, Reads};
use crate::setup::Setup;
use crate::vibrato::Routes;

/// What is asked for, and on how many connections.
const ASKED: [(&str, u32); 8] = [
    ("/hello", 32),
    ("/hello", 1),
    ("/hello-write", 32),
    ("/hello-reuse", 32),
    ("/text", 32),
    ("/options", 8),
    ("/page/1", 8),
    ("/stream?chunks=3&size=900", 8),
];
/// How often each is asked for: so many times a second, and faster than it can be answered.
const EACH: Duration = Duration::from_secs(1);
const RATE: u32 = 50_000;
/// Long responses, in writes of so many bytes.
const LONG: [u64; 2] = [64, 64 * 1024];
const LONG_BYTES: u64 = 64 * 1024 * 1024;

/// Runs the host through all of it.
pub fn run(setup: &Setup) -> anyhow::Result<()> {
    let routes = Routes::of(setup, &["hello", "hello_write", "text", "options", "page", "stream"])?;
    routes.add("hello-reuse", "hello", "path = \"/hello-reuse\"\nreuse = 1_000_000\n")?;
    let server = routes.serve()?;
    for (target, connections) in ASKED {
        client::steadily(server.address, target, connections, RATE, EACH)?;
    }
    for size in LONG {
        let target = format!("/stream?chunks={}&size={size}", LONG_BYTES / size);
        client::stream(server.address, &target, LONG_BYTES, Reads::ToBuffer)?;
    }
    Ok(())
}
