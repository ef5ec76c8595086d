//! Sleeps for an hour before it answers.

use std::thread;
use std::time::Duration;

use guest_sdk::handler;

#[handler]
fn sleeps() -> &'static str {
    thread::sleep(Duration::from_secs(3600));
    "awake"
}
