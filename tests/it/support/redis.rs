//! A Redis of its own for a test, on a Unix socket. With `VIBRATO_ENGINE_SERVER` in the environment it is another server that
//! speaks the same protocol, such as `valkey-server`.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::{POLL_INTERVAL, TIMEOUT, skip, wait_until};

/// A Redis, which is killed when this is dropped.
pub struct Redis {
    directory: TempDir,
    arguments: Vec<String>,
    port: u16,
    child: Option<Child>,
}

impl Redis {
    /// A Redis that runs. `None` if it is not installed.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// The same with more arguments.
    pub fn with(arguments: &[&str]) -> Option<Self> {
        let mut redis = Self::stopped(arguments)?;
        redis.run();
        Some(redis)
    }

    /// The same, which listens on a port, too.
    pub fn listening(arguments: &[&str]) -> Option<Self> {
        let port = free_port();
        let mut redis = Self::with(&[&["--port", &port.to_string()], arguments].concat())?;
        redis.port = port;
        Some(redis)
    }

    /// A Redis that does not run yet.
    pub fn stopped(arguments: &[&str]) -> Option<Self> {
        if Command::new(program()).arg("--version").stdout(Stdio::null()).status().is_err() {
            let is_demanded = std::env::var_os("VIBRATO_ENGINES").is_some();
            assert!(!is_demanded, "{} is not installed: `make engines` installs it", program().display());
            skip("several hosts: redis-server is not installed; `make engines` installs it");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory can be made");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Some(Self { directory, arguments, port: 0, child: None })
    }

    /// Starts it, without what it knew before.
    pub fn run(&mut self) {
        self.kill();
        let socket = self.socket();
        let mut command = Command::new(program());
        command
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(self.directory.path());
        command.args(&self.arguments).stdout(Stdio::null());
        let mut child = command.spawn().expect("it can be started");
        let start = Instant::now();
        while UnixStream::connect(&socket).is_err() && child.try_wait().expect("it can be asked").is_none() {
            assert!(start.elapsed() < TIMEOUT, "it listens on {}", socket.display());
            std::thread::park_timeout(POLL_INTERVAL);
        }
        self.child = Some(child);
    }

    /// Whether it has ended as soon as it was started: it does not know one of its arguments.
    pub fn has_refused(&self) -> bool {
        UnixStream::connect(self.socket()).is_err()
    }

    /// The port of one that is listening.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is a replica that has all that its master has.
    pub fn is_linked(&self) -> bool {
        self.lines("ROLE").iter().any(|line| line == "connected")
    }

    /// Whether it is a master.
    pub fn is_master(&self) -> bool {
        self.lines("ROLE").iter().any(|line| line == "master")
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be waited for");
            // Unless it has ended by itself.
            let _ = std::fs::remove_file(self.socket());
        }
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().expect("there is a kill command").success());
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// The URL for `--engine`.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// The lines of what it answers to an inline command.
    pub fn lines(&self, command: &str) -> Vec<String> {
        let mut socket = UnixStream::connect(self.socket()).expect("it listens");
        // It closes the connection behind the last answer.
        socket.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).expect("it reads");
        BufReader::new(socket).lines().map_while(Result::ok).collect()
    }

    /// What it answers to an inline command whose answer is one line.
    pub fn ask(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.socket()).expect("it listens");
        socket.write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }

    /// How many calls of a command it has counted.
    pub fn calls(&self, command: &str) -> u64 {
        let mut socket = UnixStream::connect(self.socket()).expect("it listens");
        socket.write_all(b"INFO commandstats\r\nQUIT\r\n").expect("it reads");
        let lines = BufReader::new(socket).lines().map_while(Result::ok);
        let of = format!("cmdstat_{command}:calls=");
        let calls = lines.filter_map(|line| line.strip_prefix(&of)?.split(',').next()?.parse().ok()).next();
        calls.unwrap_or(0)
    }

    /// How many connections are subscribed to a channel.
    pub fn subscribers(&self, channel: &str) -> usize {
        let mut socket = UnixStream::connect(self.socket()).expect("it listens");
        socket.write_all(format!("PUBSUB NUMSUB {channel}\r\n").as_bytes()).expect("it reads");
        // The count is the last of an array of two.
        let lines = BufReader::new(socket).lines().map(|line| line.expect("it answers"));
        lines.skip(3).find_map(|line| line.strip_prefix(':')?.parse().ok()).expect("it is a number")
    }

    /// How many channels are subscribed to whose names match `pattern`.
    pub fn channels(&self, pattern: &str) -> usize {
        let answer = self.ask(&format!("PUBSUB CHANNELS {pattern}"));
        answer.strip_prefix('*').and_then(|count| count.parse().ok()).expect("it is an array")
    }
}

/// The server that is tested with.
pub fn program() -> OsString {
    std::env::var_os("VIBRATO_ENGINE_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// A port that is free, for a server that cannot choose one by itself.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may be stopped, and may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A Sentinel of one master, which is called `main`.
pub struct Sentinel {
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl Sentinel {
    /// One that names another master half a second after this one has gone.
    pub fn of(master: &Redis) -> Self {
        let (directory, port) = (tempfile::tempdir().expect("a directory can be made"), free_port());
        let file = directory.path().join("sentinel.conf");
        let lines = format!(
            "port {port}\nsentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 3000\n",
            master.port
        );
        std::fs::write(&file, lines).expect("it can be written");
        let mut command = Command::new(program());
        command.arg(&file).arg("--sentinel").current_dir(directory.path()).stdout(Stdio::null());
        let child = command.spawn().expect("it can be started");
        let sentinel = Self { port, child, _directory: directory };
        wait_until("the Sentinel listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        sentinel
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it knows a replica of the master.
    #[track_caller]
    pub fn wait_for_replica(&self) {
        wait_until("the Sentinel knows the replica", || {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
            socket.write_all(b"SENTINEL REPLICAS main\r\n").expect("it reads");
            let mut line = String::new();
            BufReader::new(socket).read_line(&mut line).expect("it answers");
            line == "*1\r\n"
        });
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An engine that takes connections and answers nothing.
pub struct SilentEngine(TempDir);

impl SilentEngine {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let listener =
            std::os::unix::net::UnixListener::bind(directory.path().join("redis.sock")).expect("it can listen");
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut socket = socket;
                    // Until the other end closes it.
                    while matches!(socket.read(&mut [0; 1024]), Ok(1..)) {}
                });
            }
        });
        Self(directory)
    }

    /// The URL for `--engine`.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.0.path().join("redis.sock").display())
    }
}
