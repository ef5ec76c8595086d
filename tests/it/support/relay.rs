//! A listener that leads to another one, or to nobody: so a server is away and comes back at the same address.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Leads connections to a server while that is there.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<RelayState>>,
}

#[derive(Debug)]
struct RelayState {
    target: Option<SocketAddr>,
    open: Vec<TcpStream>,
}

impl Relay {
    /// One that leads to `target`, at a port of its own.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(RelayState { target: Some(target), open: Vec::new() }));
        let relayed = state.clone();
        // It ends with the process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut state = relayed.lock().expect("nobody panics with it");
                let Some(server) = state.target.and_then(|target| TcpStream::connect(target).ok()) else { continue };
                state.open.extend([&client, &server].map(|stream| stream.try_clone().expect("it is open")));
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) =
                        (from.try_clone().expect("it is open"), to.try_clone().expect("it is open"));
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads to this server from now on, or closes each connection at once. Those that there are are closed.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        let mut state = self.state.lock().expect("nobody panics with it");
        state.target = target;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
