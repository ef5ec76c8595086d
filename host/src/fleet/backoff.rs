//! How long to wait between two attempts to connect.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The shortest and the longest time between two attempts.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// The time until the next attempt, which doubles with each.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(SHORTEST)
    }

    /// An attempt has succeeded.
    pub(super) fn reset(&mut self) {
        self.0 = SHORTEST;
    }

    /// Waits for the next attempt.
    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(jittered(self.0)).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
}

/// A time between half of this and all of it, so that hosts do not all come back at once.
fn jittered(time: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) as u32;
    time / 2 + time.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}
