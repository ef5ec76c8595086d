//! The clocks that a guest reads. Their resolution is reduced, so that an untrusted guest cannot time single memory
//! accesses and use them as a side channel.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// The resolution of both clocks. Browsers use the same for isolated pages.
pub(super) const RESOLUTION: Duration = Duration::from_micros(5);

/// Time since the instance was created. It stays monotonic when the instance is reused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Monotonic(pub(super) Instant);

/// The time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wall;

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        nanos(RESOLUTION)
    }

    fn now(&self) -> u64 {
        nanos(coarse(self.0.elapsed()))
    }
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        // If the system clock is set to before 1970, the guest sees 1970.
        coarse(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Rounds down to the resolution.
fn coarse(time: Duration) -> Duration {
    let step = RESOLUTION.subsec_nanos();
    Duration::new(time.as_secs(), time.subsec_nanos() / step * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_down_to_the_resolution() {
        let rounded = |nanos| coarse(Duration::new(3, nanos)).subsec_nanos();
        assert_eq!([0, 4_999, 5_000, 9_999, 999_999_999].map(rounded), [0, 0, 5_000, 5_000, 999_995_000]);
    }

    #[test]
    fn the_clocks_have_their_resolution_and_never_go_back() {
        let monotonic = Monotonic(Instant::now());
        let mut before = 0;
        for _ in 0..10_000 {
            let now = monotonic.now();
            assert!(now >= before && now.is_multiple_of(5_000), "{now}");
            assert!(Wall.now().subsec_nanos().is_multiple_of(5_000));
            before = now;
        }
    }
}
