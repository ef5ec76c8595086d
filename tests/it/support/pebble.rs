//! Pebble, the test server of ACME from Debian, with a name server that says of every name that it leads to this machine.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Lines, skip};

/// How long an authority may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a free port is tried.
const ATTEMPTS: usize = 20;

/// An authority. Its address stays the same when its program is stopped and started again.
pub struct Pebble {
    directory: TempDir,
    address: SocketAddr,
    /// Where the program listens, while it runs.
    upstream: Arc<Mutex<Option<SocketAddr>>>,
    child: Option<Child>,
    log: Lines,
}

/// The ports that the authority looks at.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub http: u16,
    pub tls: u16,
}

impl Pebble {
    /// An authority that does not run yet. `None` if Pebble is not installed.
    pub fn new() -> Option<Self> {
        // It has no flag for its version.
        match Command::new("pebble").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(_) => {}
            Err(_) => {
                assert!(
                    std::env::var_os("VIBRATO_PEBBLE").is_none(),
                    "pebble is not installed: `make pebble` installs it"
                );
                skip("certificates of an authority: pebble is not installed; `make pebble` installs it");
                return None;
            }
        }
        let directory = tempfile::tempdir().expect("a directory can be made");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it can be made");
        std::fs::write(directory.path().join("ca.pem"), made.cert.pem()).expect("it can be written");
        std::fs::write(directory.path().join("ca.key"), made.signing_key.serialize_pem()).expect("it can be written");
        let upstream = Arc::default();
        let address = forward(Arc::clone(&upstream));
        Some(Self { directory, address, upstream, child: None, log: Lines::default() })
    }

    /// The URL of its directory.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/dir", self.address.port())
    }

    /// The certificate of the authority for its own address.
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// What it logs.
    pub fn log(&self) -> &Lines {
        &self.log
    }

    /// Starts the program, which knows nothing of what it did before.
    #[track_caller]
    pub fn start(&mut self, ports: Ports) {
        self.stop();
        let names = answer_names();
        for _ in 0..ATTEMPTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
            let address = free.local_addr().expect("it is bound");
            drop(free);
            let config = self.write_config(address, ports);
            let mut child = Command::new("pebble")
                .arg("-config")
                .arg(&config)
                .args(["-dnsserver", &names.to_string()])
                .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0")])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("pebble can be started");
            let mut output = BufReader::new(child.stdout.take().expect("it is a pipe"));
            if self.is_ready(&mut output) {
                let log = self.log.clone();
                std::thread::spawn(move || {
                    output.lines().map_while(Result::ok).for_each(|line| log.push(&format!("{line}\n")));
                });
                *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
                self.child = Some(child);
                return;
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("pebble does not start: {:?}", self.log.with(&[]));
    }

    /// Ends the program. Connections to its address are closed then.
    pub fn stop(&mut self) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it can be waited for");
        }
    }

    /// Reads what it logs until it listens. False if it ends before.
    fn is_ready(&self, output: &mut impl std::io::BufRead) -> bool {
        loop {
            let mut line = String::new();
            match output.read_line(&mut line) {
                Ok(0) | Err(_) => return false,
                Ok(_) => self.log.push(&line),
            }
            if line.contains("Root CA certificate available") || line.contains("ACME directory available") {
                return true;
            }
        }
    }

    fn write_config(&self, address: SocketAddr, ports: Ports) -> PathBuf {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": address.to_string(),
            "managementListenAddress": "",
            "certificate": path("ca.pem"),
            "privateKey": path("ca.key"),
            "httpPort": ports.http,
            "tlsPort": ports.tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        } });
        let file = Path::new(&path("pebble.json")).to_owned();
        std::fs::write(&file, config.to_string()).expect("it can be written");
        file
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until `holds`, as long as an authority may take.
#[track_caller]
pub fn wait_patiently(what: impl Fn() -> String, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{}", what());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Forwards the connections of a free port, or closes them while there is nothing to forward them to.
fn forward(upstream: Arc<Mutex<Option<SocketAddr>>>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = *upstream.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(server) = upstream.and_then(|upstream| TcpStream::connect(upstream).ok()) else { continue };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().expect("it is open"), to.try_clone().expect("it is open"));
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut &from, &mut &to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}

/// A name server (RFC 1035): every name has the address 127.0.0.1, and nothing else.
fn answer_names() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer_to(&query[..length]) {
                let _ = socket.send_to(&answer, client);
            }
        }
    });
    address
}

fn answer_to(query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(12..12 + name + 5)?;
    let is_for_address = question.ends_with(&[0, 1, 0, 1]);
    // The same number, a response without an error, one question, and one answer or none.
    let mut answer = vec![query[0], query[1], 0x81, 0x80, 0, 1, 0, u8::from(is_for_address), 0, 0, 0, 0];
    answer.extend_from_slice(question);
    if is_for_address {
        // The name of the question, an address of the Internet, for a second.
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
