//! Runs a typical load, once, to record a profile that `make dist` optimises for.

use std::time::Duration;

use crate::client::{self, Reads};
use crate::setup::Setup;
use crate::vibrato::Routes;

/// The targets, and the number of connections for each.
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
/// Duration of each target's load, and a rate that the host cannot reach.
const EACH: Duration = Duration::from_secs(1);
const RATE: u32 = 50_000;
/// Long responses, in writes of these sizes.
const LONG: [u64; 2] = [64, 64 * 1024];
const LONG_BYTES: u64 = 64 * 1024 * 1024;

/// Runs the load.
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
