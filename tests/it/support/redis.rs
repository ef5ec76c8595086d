//! A Redis of its own for a test, on a Unix socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{skip, wait_until};

/// A Redis, which is killed when this is dropped.
pub struct Redis {
    directory: TempDir,
    arguments: Vec<String>,
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

    /// A Redis that does not run yet.
    pub fn stopped(arguments: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            let is_demanded = std::env::var_os("VIBRATO_ENGINES").is_some();
            assert!(!is_demanded, "redis-server is not installed: `make engines` installs it");
            skip("several hosts: redis-server is not installed; `make engines` installs it");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory can be made");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Some(Self { directory, arguments, child: None })
    }

    /// Starts it, without what it knew before.
    pub fn run(&mut self) {
        self.kill();
        let socket = self.socket();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(self.directory.path());
        command.args(&self.arguments).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("it can be started"));
        wait_until("Redis listens", || UnixStream::connect(&socket).is_ok());
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be waited for");
            std::fs::remove_file(self.socket()).expect("its socket can be removed");
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

    /// What it answers to an inline command whose answer is one line.
    pub fn ask(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.socket()).expect("it listens");
        socket.write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
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

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may be stopped, and may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
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
