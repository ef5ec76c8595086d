//! Writes chunks of 64 bytes that begin with the time of their writing, in nanoseconds since 1970, as a little-endian
//! `u64`: `/stamps?milliseconds=N` for so long, without ever resting.

use std::hint;
use std::time::{Duration, Instant, SystemTime};

use guest_sdk::{Error, Request, Response, handler};

const CHUNK_BYTES: usize = 64;
/// No divisor of the host's tick, so that writes come at every moment between two ticks.
const EVERY: Duration = Duration::from_micros(237);

#[handler(path = "/stamps", method = "GET", content_type = "application/octet-stream")]
fn stamps(request: Request, response: Response) -> Result<&'static str, Error> {
    let number = request.query_param("milliseconds").and_then(|number| number.parse().ok());
    let long = Duration::from_millis(number.expect("milliseconds=N says for how long"));
    let start = Instant::now();
    while start.elapsed() < long {
        response.write(stamped())?;
        work(EVERY);
    }
    Ok("")
}

fn stamped() -> [u8; CHUNK_BYTES] {
    let mut chunk = [0; CHUNK_BYTES];
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("1970 is over");
    let nanoseconds = u64::try_from(since.as_nanos()).expect("they last until 2554");
    chunk[..size_of::<u64>()].copy_from_slice(&nanoseconds.to_le_bytes());
    chunk
}

/// Is busy for so long: asking for the time takes time, and no turn of anybody else.
fn work(long: Duration) {
    let start = Instant::now();
    while start.elapsed() < long {
        hint::spin_loop();
    }
}
