//! The compiler's threads. wasmtime would start them on first use, and panics if the system refuses to start them. So
//! they are started here first, as many as the system allows.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism};

/// Makes sure that compiler threads exist: one per core, or as many as the system allows.
///
/// # Errors
/// If the system allows no thread at all. A later call tries again.
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
    // The parent sets this variable for a process that compiles.
    let configured = std::env::var("RAYON_NUM_THREADS").ok().and_then(|configured| configured.parse::<usize>().ok());
    let cores = configured.map_or(cores, |configured| configured.clamp(1, cores));
    // Start the threads before the pool: the global pool can be built only once, and building it must not fail.
    let mut waiting = Vec::new();
    for number in 0..cores {
        let (sender, receiver) = channel::<rayon::ThreadBuilder>();
        let work = move || {
            if let Ok(part) = receiver.recv() {
                part.run();
            }
        };
        match Builder::new().name(format!("compile-{number}")).spawn(work) {
            Ok(_) => waiting.push(sender),
            Err(error) if waiting.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    let threads = waiting.len();
    if threads < cores {
        tracing::warn!(target: "engine", threads, cores, "fewer compiler threads than cores: the system refused to start more");
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.spawn_handler(|part| {
        let next = waiting.pop().ok_or(io::ErrorKind::WouldBlock)?;
        next.send(part).map_err(|_| io::ErrorKind::BrokenPipe.into())
    });
    // This fails only if another part of the program has already built the global pool.
    let _ = pool.build_global();
    Ok(())
}
