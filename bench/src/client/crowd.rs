//! Clients that load the server: they send requests, and read responses only to send more.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{ask, connect, not_ok};

/// How many times a flood repeats its bytes in one write.
const REPEATED: usize = 1000;
/// How long to sleep between two rounds over all clients.
const REST: Duration = Duration::from_millis(1);

/// Connections that have sent a request and wait for the response.
pub fn asking(server: SocketAddr, target: &str, connections: usize) -> io::Result<Vec<TcpStream>> {
    let open = |_| {
        let mut socket = connect(server)?;
        ask(&mut socket, target, "keep-alive")?;
        Ok(socket)
    };
    (0..connections).map(open).collect()
}

/// Clients that send the next request as soon as they have any response, until dropped.
pub struct Persistent {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Persistent {
    /// Starts this many clients, each on a connection of its own.
    pub fn start(server: SocketAddr, target: &'static str, clients: usize) -> io::Result<Self> {
        let mut sockets = asking(server, target, clients)?;
        sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for socket in &mut sockets {
                    ask_again(socket, server, target);
                }
                thread::sleep(REST);
            }
        });
        Ok(Self { is_over, thread: Some(thread) })
    }
}

impl Drop for Persistent {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // The thread cannot fail.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Sends the next request after a response, on a new connection if this one has ended.
fn ask_again(socket: &mut TcpStream, server: SocketAddr, target: &str) {
    match socket.read(&mut [0; 4096]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Ok(1..) if ask(socket, target, "keep-alive").is_ok() => {}
        // If connecting fails, the next round tries again, because the old connection has ended.
        Ok(_) | Err(_) => {
            if let Ok(mut other) = connect(server)
                && ask(&mut other, target, "keep-alive").is_ok()
                && other.set_nonblocking(true).is_ok()
            {
                *socket = other;
            }
        }
    }
}

/// Connections that send the same bytes repeatedly, as fast as the server reads them, and discard what they receive.
pub struct Flood {
    sockets: Vec<TcpStream>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Flood {
    /// Opens connections with `opening` and then repeats `repeated`. What is received must begin with `answer`.
    pub fn start(
        server: SocketAddr,
        opening: &str,
        answer: &'static str,
        repeated: &[u8],
        connections: usize,
    ) -> io::Result<Self> {
        let mut flood = Self { sockets: Vec::new(), threads: Vec::new() };
        let block: Arc<[u8]> = repeated.repeat(REPEATED).into();
        for _ in 0..connections {
            let mut socket = connect(server)?;
            socket.write_all(opening.as_bytes())?;
            let (mut reads, mut writes, block) = (socket.try_clone()?, socket.try_clone()?, Arc::clone(&block));
            flood.sockets.push(socket);
            flood.threads.push(thread::spawn(move || drop_all(&mut reads, answer)));
            flood.threads.push(thread::spawn(move || {
                loop {
                    writes.write_all(&block)?;
                }
            }));
        }
        Ok(flood)
    }

    /// Stops the flood. Fails if it has ended before.
    pub fn stop(mut self) -> io::Result<()> {
        let ended = self.threads.iter().position(JoinHandle::is_finished);
        match ended.map(|at| self.threads.swap_remove(at).join()) {
            None => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            Some(_) => Err(io::Error::other("a connection that was to be flooded has ended")),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        for socket in &self.sockets {
            // It may have ended by itself.
            let _ = socket.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Discards what is received. The end must not come by itself.
fn drop_all(socket: &mut TcpStream, answer: &str) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    socket.read_exact(&mut buffer[..answer.len()])?;
    if !buffer.starts_with(answer.as_bytes()) {
        return Err(not_ok());
    }
    while socket.read(&mut buffer)? > 0 {}
    Ok(())
}
