//! The threads that compile. wasmtime has them made on their first use, all or none, and panics where the system lets
//! none be started: so they are started before, as many as may be.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism};

/// Sees to it that there are threads to compile by: one for each core, or as many as the system allows.
///
/// # Errors
/// Where it allows not a single one now. It may later.
pub(super) fn prepare() -> io::Result<()> {
    static READY: Mutex<bool> = Mutex::new(false);
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    if !*ready {
        start()?;
        *ready = true;
    }
    Ok(())
}

fn start() -> io::Result<()> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    // What a process that compiles is told by the one that has started it.
    let told = std::env::var("RAYON_NUM_THREADS").ok().and_then(|told| told.parse::<usize>().ok());
    let cores = told.map_or(cores, |told| told.clamp(1, cores));
    // Each waits for its part in the pool: to make the pool can be tried only once, and then it must not fail.
    let mut waiting = Vec::new();
    for number in 0..cores {
        let (give, take) = channel::<rayon::ThreadBuilder>();
        let work = move || {
            if let Ok(part) = take.recv() {
                part.run();
            }
        };
        match Builder::new().name(format!("compile-{number}")).spawn(work) {
            Ok(_) => waiting.push(give),
            Err(error) if waiting.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    let threads = waiting.len();
    if threads < cores {
        tracing::warn!(target: "engine", threads, cores, "components are compiled by fewer threads: the system lets no more be started");
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.spawn_handler(|part| {
        let next = waiting.pop().ok_or(io::ErrorKind::WouldBlock)?;
        next.send(part).map_err(|_| io::ErrorKind::BrokenPipe.into())
    });
    // It can be refused only where another part of the program has made it already.
    let _ = pool.build_global();
    Ok(())
}
