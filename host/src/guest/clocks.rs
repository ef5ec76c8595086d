//! The clocks that a guest reads: coarser than the system's, so that a stranger cannot time single accesses to memory,
//! which is how the secrets of a process are guessed. What a handler takes is told as finely as before.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// The steps in which they advance: those of browsers where pages share no memory with others.
pub(super) const RESOLUTION: Duration = Duration::from_micros(5);

/// Since an instance was made. It never goes back, also where the instance serves again.
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
        // A clock that is set to before 1970 has no time that a guest could be told.
        coarse(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The last step before a moment.
fn coarse(time: Duration) -> Duration {
    let step = RESOLUTION.subsec_nanos();
    Duration::new(time.as_secs(), time.subsec_nanos() / step * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_as_the_last_step_before_it() {
        let told = |nanos| coarse(Duration::new(3, nanos)).subsec_nanos();
        assert_eq!([0, 4_999, 5_000, 9_999, 999_999_999].map(told), [0, 0, 5_000, 5_000, 999_995_000]);
    }

    #[test]
    fn the_clocks_tell_no_finer_steps_and_never_go_back() {
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
