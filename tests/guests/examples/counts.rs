//! Answers how often its instance was called. `print` prints it too, `grow` takes a MiB more, `trap` traps after it
//! has counted, `wait` reads the body first, `sleep` sleeps for longer than anybody waits.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use guest_sdk::{BodyError, Request, handler};

static CALLS: AtomicU32 = AtomicU32::new(0);

#[handler]
fn counts(request: Request) -> Result<String, BodyError> {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    match request.query().as_deref() {
        Some("print") => eprint!("call {calls} prints"),
        Some("grow") => std::mem::forget(black_box(vec![1_u8; 1 << 20])),
        Some("trap") => panic!("call {calls} traps"),
        Some("wait") => drop(request.body().read_all(16)?),
        Some("sleep") => sleep(Duration::from_secs(3600)),
        Some(_) | None => {}
    }
    Ok(calls.to_string())
}
