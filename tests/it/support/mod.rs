//! How the tests start servers, talk to them byte by byte, and see what they log. It must not know any test.

#[macro_use]
pub mod wire;

mod admin;
mod browser;
mod cases;
mod client;
mod component;
mod date;
pub mod guest;
pub mod http2;
mod log;
pub mod meddler;
#[cfg(feature = "acme")]
pub mod pebble;
mod process;
pub mod redis;
mod refusal;
pub mod registry;
mod relay;
mod response;
mod routes_dir;
pub mod script;
mod server;
pub mod tls;
#[cfg(target_os = "linux")]
mod usage;
pub mod websocket;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub use admin::{Admin, Metrics};
pub use browser::{Browser, Page};
pub use cases::{Case, Connection, check, check_before};
pub use client::{Client, End};
pub use component::{assemble, plain, plain_importing, plain_saying};
pub use http2::Http2Client;
pub use log::{Lines, log};
pub use process::{Process, host, run, text, with_sockets};
pub use refusal::{Refused, refuse};
pub use relay::Relay;
pub use routes_dir::RoutesDir;
pub use server::TestServer;

/// How long a test waits for what must come: long, so that a busy machine fails no test.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a test looks for what nobody tells it of.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Waits for what comes by itself, and is not told.
#[track_caller]
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < TIMEOUT, "{what}");
        std::thread::park_timeout(POLL_INTERVAL);
    }
}

/// Asks for `path` until the answer has this status.
#[track_caller]
fn wait_for_status(path: &str, status: &str, ask: impl Fn() -> String) {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            return;
        }
        assert!(start.elapsed() < TIMEOUT, "{path} still answers {answer:?}");
    }
}

/// Says that a test tests nothing, and why.
pub fn skip(why: &str) {
    // Not `eprintln!`, which a test that passes keeps to itself; and at once, as other tests write too.
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).expect("stderr can be written");
}

/// The compile cache that all servers of all tests share, so that each component is compiled once.
pub fn compile_cache() -> &'static Path {
    static DIRECTORY: LazyLock<PathBuf> =
        LazyLock::new(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-cache"));
    &DIRECTORY
}
