//! Prints 10 MiB in one line, then 100,000 lines, all to stderr, and answers all the same.

use std::io::{self, Write};

use guest_sdk::handler;

#[handler]
fn log_flood() -> io::Result<&'static str> {
    let mut stderr = io::stderr().lock();
    let piece = vec![b'x'; 65_536];
    for _ in 0..160 {
        stderr.write_all(&piece)?;
    }
    stderr.write_all(b"\n")?;
    for line in 0..100_000 {
        writeln!(stderr, "line {line}")?;
    }
    Ok("flooded")
}
