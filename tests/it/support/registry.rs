//! Registries of components: Debian's docker-registry, and one of the tests that answers whatever they want.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host::oci::ContentDigest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Lines, skip};

/// The user of a registry that asks for one, its password, and the line of the file that it looks in.
pub const USER: &str = "me";
pub const PASSWORD: &str = "open sesame";
const HTPASSWD: &str = "me:$2y$05$UdXZNzG6CLrLToA9qq8MXevL6GDWq9BNdy0bAXbItZejUVcP.qhZK\n";

/// A docker-registry. Its address stays the same when its program is stopped and started again.
pub struct DockerRegistry {
    directory: TempDir,
    http: Value,
    auth: Value,
    port: u16,
    child: Option<Child>,
    log: Lines,
}

impl DockerRegistry {
    /// A registry that runs, without TLS, for everybody. `None` if docker-registry is not installed.
    pub fn start() -> Option<Self> {
        Self::with(|_| (json!({}), Value::Null))
    }

    /// A registry that asks for [`USER`].
    pub fn with_password() -> Option<Self> {
        Self::with(|directory| {
            let file = directory.join("htpasswd");
            std::fs::write(&file, HTPASSWD).expect("it can be written");
            (json!({}), json!({ "htpasswd": { "realm": "it", "path": file } }))
        })
    }

    /// A registry that speaks TLS. Its certificate is [`Self::certificate`].
    pub fn with_tls() -> Option<Self> {
        Self::with(|directory| {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it can be made");
            let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
            std::fs::write(&certificate, made.cert.pem()).expect("it can be written");
            std::fs::write(&key, made.signing_key.serialize_pem()).expect("it can be written");
            (json!({ "tls": { "certificate": certificate, "key": key } }), Value::Null)
        })
    }

    fn with(settings: impl FnOnce(&Path) -> (Value, Value)) -> Option<Self> {
        if Command::new("docker-registry").arg("--version").stdout(Stdio::null()).status().is_err() {
            let is_demanded = std::env::var_os("VIBRATO_REGISTRY").is_some();
            assert!(!is_demanded, "docker-registry is not installed: `make registry` installs it");
            skip("components of registries: docker-registry is not installed; `make registry` installs it");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory can be made");
        let (http, auth) = settings(directory.path());
        let mut registry = Self { directory, http, auth, port: 0, child: None, log: Lines::default() };
        registry.run();
        Some(registry)
    }

    /// Starts the program, with what was pushed before.
    pub fn run(&mut self) {
        self.http["addr"] = json!(format!("127.0.0.1:{}", self.port));
        self.http["secret"] = json!("of the tests");
        let data = self.directory.path().join("data");
        let mut config = json!({
            "version": "0.1",
            "log": { "accesslog": { "disabled": false } },
            "storage": { "filesystem": { "rootdirectory": data } },
            "http": self.http,
        });
        if !self.auth.is_null() {
            config["auth"] = self.auth.clone();
        }
        let file = self.directory.path().join("config.yml");
        // JSON is YAML.
        std::fs::write(&file, config.to_string()).expect("it can be written");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let (output, log) = (BufReader::new(child.stderr.take().expect("it is a pipe")), self.log.clone());
        let before = log.with(&["listening on "]).len();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| log.push(&format!("{line}\n")));
        });
        self.child = Some(child);
        self.log.wait_for_another(&["listening on "], before);
        let line = self.log.with(&["listening on "]).pop().expect("it was waited for");
        let behind = line.split("listening on 127.0.0.1:").nth(1).expect("it says the port");
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        self.port = digits.parse().expect("it is a port");
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it can be waited for");
        }
    }

    /// The name of its host, with the port.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The reference of a component in it.
    pub fn reference(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.host())
    }

    /// The certificate of one with TLS.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.directory.path().join("cert.pem")
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a [`FakeRegistry`] answers at a path.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes.
    Content(Vec<u8>),
    /// A response of this head, and then nothing.
    Head(String),
    /// A redirect.
    Redirect(String),
    /// The head, and then bytes without an end.
    Endless,
    /// A byte each so many milliseconds, without an end.
    Slow(u64),
    /// Another length than its body has.
    WrongLength(Vec<u8>, usize),
}

/// A registry that has what a test puts there, and answers it without asking whether that is right.
#[derive(Debug)]
pub struct FakeRegistry {
    address: SocketAddr,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Lines,
}

impl FakeRegistry {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (answers, asked) = (Arc::new(Mutex::new(BTreeMap::new())), Lines::default());
        let registry = Self { address, answers: Arc::clone(&answers), asked: asked.clone() };
        // It ends with the process.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (answers, asked) = (Arc::clone(&answers), asked.clone());
                std::thread::spawn(move || answer(client, &answers, &asked));
            }
        });
        registry
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The reference of a component in it.
    pub fn reference(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }

    /// Answers this at a path from now on.
    pub fn put(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), answer);
    }

    /// Answers nothing there any more.
    pub fn remove(&self, path: &str) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// Has a component in the repository `it`, under a tag. Returns its digests: of the manifest and of the component.
    pub fn push(&self, tag: &str, component: &[u8]) -> [ContentDigest; 2] {
        let layer = ContentDigest::of(component);
        self.put(&format!("/v2/it/blobs/{layer}"), Answer::Content(component.to_owned()));
        let layers = json!([{ "mediaType": "application/wasm", "digest": layer.to_string(), "size": component.len() }]);
        [self.push_manifest(tag, &json!({ "schemaVersion": 2, "layers": layers })), layer]
    }

    /// Has a manifest in the repository `it`, under a tag. Returns its digest.
    pub fn push_manifest(&self, tag: &str, manifest: &Value) -> ContentDigest {
        let manifest = manifest.to_string().into_bytes();
        let digest = ContentDigest::of(&manifest);
        for version in [tag, &digest.to_string()] {
            self.put(&format!("/v2/it/manifests/{version}"), Answer::Content(manifest.clone()));
        }
        digest
    }

    /// The first lines of the requests that it got.
    pub fn asked(&self) -> &Lines {
        &self.asked
    }
}

/// Answers one request.
fn answer(client: TcpStream, answers: &Mutex<BTreeMap<String, Answer>>, asked: &Lines) {
    let mut reader = BufReader::new(&client);
    let mut line = String::new();
    // A handshake of TLS is no text.
    if reader.read_line(&mut line).is_err() || !line.ends_with("HTTP/1.1\r\n") {
        return;
    }
    let mut field = String::new();
    while reader.read_line(&mut field).is_ok_and(|read| read > 2) {
        asked.push(&format!("{} {}", line.trim_end(), field));
        field.clear();
    }
    asked.push(&line);
    let mut words = line.split(' ');
    let (is_head, path) = (words.next() == Some("HEAD"), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let found = answers.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    // It may have given up by now.
    let _ = respond(&client, is_head, found);
    let _ = client.shutdown(std::net::Shutdown::Write);
    let _ = client.set_read_timeout(Some(Duration::from_millis(100)));
    let _ = (&client).read(&mut [0; 1024]);
}

fn respond(mut client: &TcpStream, is_head: bool, answer: Option<Answer>) -> std::io::Result<()> {
    let mut whole = |body: &[u8], length: usize| {
        // Once the manifest is known by its tag, its digest is.
        let digest = ContentDigest::of(body);
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nDocker-Content-Digest: {digest}\r\n\r\n")?;
        if is_head { Ok(()) } else { client.write_all(body) }
    };
    match answer {
        None => write!(client, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        Some(Answer::Content(body)) => whole(&body, body.len()),
        Some(Answer::WrongLength(body, length)) => whole(&body, length),
        Some(Answer::Head(head)) => write!(client, "{head}\r\n\r\n"),
        Some(Answer::Redirect(location)) => {
            write!(client, "HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        }
        Some(Answer::Endless) => {
            write!(client, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                client.write_all(&[b'x'; 64 * 1024])?;
            }
        }
        Some(Answer::Slow(milliseconds)) => {
            write!(client, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                client.write_all(b"x")?;
                std::thread::sleep(Duration::from_millis(milliseconds));
            }
        }
    }
}
