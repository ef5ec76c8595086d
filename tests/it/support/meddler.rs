//! What stands between a host and its engine and treats their bytes badly, and an engine that lies.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::POLL_INTERVAL;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddling {
    /// They are passed on.
    Pass,
    /// They are passed on after this time.
    Delay(Duration),
    /// They are passed on one by one.
    ByteByByte,
    /// They stay where they are. Connections are accepted.
    Stall,
    /// Those of the engine stay where they are: it gets all, and nobody hears it.
    StallAnswers,
    /// Connections are closed as soon as they are accepted.
    Refuse,
}

/// A listener that leads to an engine at a Unix socket.
pub struct Meddler {
    address: SocketAddr,
    state: Arc<Mutex<MeddlerState>>,
}

struct MeddlerState {
    meddling: Meddling,
    open: Vec<TcpStream>,
}

impl Meddler {
    /// One that leads to `engine`.
    pub fn to(engine: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(MeddlerState { meddling: Meddling::Pass, open: Vec::new() }));
        let shared = state.clone();
        // It ends with the process.
        thread::spawn(move || listener.incoming().flatten().for_each(|host| lead(host, &engine, &shared)));
        Self { address, state }
    }

    /// The URL for `--engine`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Treats bytes like this from now on.
    pub fn set(&self, meddling: Meddling) {
        self.state.lock().expect("nobody panics with it").meddling = meddling;
    }

    /// Closes the connections that there are.
    pub fn cut(&self) {
        for stream in self.state.lock().expect("nobody panics with it").open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Leads the connection of a host to the engine.
fn lead(host: TcpStream, engine: &Path, state: &Arc<Mutex<MeddlerState>>) {
    let mut locked = state.lock().expect("nobody panics with it");
    if locked.meddling == Meddling::Refuse {
        return;
    }
    let Ok(engine) = UnixStream::connect(engine) else { return };
    let (of_host, of_engine) = (host.try_clone().expect("it is open"), engine.try_clone().expect("it is open"));
    locked.open.push(host.try_clone().expect("it is open"));
    let [up, down] = [state.clone(), state.clone()];
    thread::spawn(move || {
        let (mut from, mut to) = (of_host, engine);
        let _ = pass(|buffer| from.read(buffer), |bytes| to.write_all(bytes), &up, Meddling::Stall);
        let _ = to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let (mut from, mut to) = (of_engine, host);
        let _ = pass(|buffer| from.read(buffer), |bytes| to.write_all(bytes), &down, Meddling::StallAnswers);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// Passes bytes on to the end, and stays in one direction if that is what `stall` says.
fn pass(
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
    state: &Mutex<MeddlerState>,
    stall: Meddling,
) -> io::Result<()> {
    let meddling = || state.lock().expect("nobody panics with it").meddling;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        while [Meddling::Stall, stall].contains(&meddling()) {
            thread::park_timeout(POLL_INTERVAL);
        }
        match meddling() {
            Meddling::Delay(time) => {
                thread::park_timeout(time);
                write(&buffer[..length])?;
            }
            Meddling::ByteByByte => buffer[..length].chunks(1).try_for_each(&mut write)?,
            _ => write(&buffer[..length])?,
        }
    }
}

/// An engine that confirms all and, once it lies, delivers nothing.
pub struct LyingEngine {
    address: SocketAddr,
    lies: Arc<AtomicBool>,
}

impl LyingEngine {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let lies = Arc::<AtomicBool>::default();
        let shared = lies.clone();
        thread::spawn(move || {
            for host in listener.incoming().flatten() {
                let lies = shared.clone();
                thread::spawn(move || {
                    let _ = confirm(host, &lies);
                });
            }
        });
        Self { address, lies }
    }

    /// The URL for `--engine`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Whether it lies from now on.
    pub fn lie(&self, lies: bool) {
        self.lies.store(lies, Ordering::Relaxed);
    }
}

/// Answers the commands of a host.
fn confirm(mut host: TcpStream, lies: &AtomicBool) -> io::Result<()> {
    let mut commands = BufReader::new(host.try_clone()?);
    let mut channels = HashSet::new();
    while let Some(command) = command(&mut commands)? {
        let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidData)?;
        match name.to_ascii_uppercase().as_slice() {
            b"HELLO" => host.write_all(b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n")?,
            b"SUBSCRIBE" => {
                for channel in arguments {
                    host.write_all(&push(&[b"subscribe", channel], b":1\r\n"))?;
                    channels.insert(channel.clone());
                }
            }
            b"PUBLISH" => {
                if channels.contains(&arguments[0]) && !lies.load(Ordering::Relaxed) {
                    host.write_all(&push(&[b"message", &arguments[0], &arguments[1]], b""))?;
                }
                host.write_all(b":1\r\n")?;
            }
            _ => host.write_all(b"+OK\r\n")?,
        }
    }
    Ok(())
}

/// A push of RESP3 with these texts, and `rest` as one element more if it is not empty.
fn push(texts: &[&[u8]], rest: &[u8]) -> Vec<u8> {
    let mut bytes = format!(">{}\r\n", texts.len() + usize::from(!rest.is_empty())).into_bytes();
    for text in texts {
        bytes.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// Reads a command. `None` at the end.
fn command(from: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<Vec<u8>>>> {
    let Some(count) = number(from, '*')? else { return Ok(None) };
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(from, '$')?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut word = vec![0; length + 2];
        from.read_exact(&mut word)?;
        word.truncate(length);
        words.push(word);
    }
    Ok(Some(words))
}

/// Reads a line that is a number behind `mark`. `None` at the end.
fn number(from: &mut BufReader<TcpStream>, mark: char) -> io::Result<Option<usize>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let number = line.trim_end().strip_prefix(mark).and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
