//! The peers: how each is started on one core, and its version.
//!
//! Every peer but [`Peer::WasmtimeP3Bodies`] answers `/hello`; some also serve a stream of [`STREAM_BYTES`].

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::certificate::Certificate;
use crate::machine::{Place, first_line};
use crate::server::{self, Listening, Server};
use crate::setup::{self, Setup};

/// Length of the long response, in bytes.
pub const STREAM_BYTES: u64 = 256 * 1024 * 1024;
/// The target of nginx's long response.
pub const NGINX_STREAM: &str = "/stream.bin";

/// The component for wasi:http 0.2: hello, a stream, an echo, and a fetch from an upstream.
pub const WASI_HTTP: &str = "wasi_http_hello";
/// The component for wasi:http 0.3: hello.
pub const WASI_HTTP_P3: &str = "wasi_http_p3_hello";
/// The component for wasi:http 0.3: a stream and an echo.
pub const WASI_HTTP_P3_BODIES: &str = "wasi_http_p3_bodies";

const LOCK: &str = include_str!("../Cargo.lock");
const MAKE: &str = "`make peers` installs it";

/// A server that Vibrato is compared with.
#[derive(Clone, Copy)]
pub enum Peer {
    /// A loop that parses a head and writes constant bytes.
    Bare,
    /// hyper without a framework.
    Hyper,
    /// nginx with one worker, answering from its configuration.
    Nginx,
    /// The same, sending a file.
    NginxSendfile,
    /// Tremolo on uvloop.
    Tremolo,
    /// `wasmtime serve` with a component for wasi:http 0.2 and an instance for each request.
    Wasmtime,
    /// The same, with 1,000 requests per instance.
    WasmtimeReused,
    /// `wasmtime serve` with a component for wasi:http 0.3 and its default reuse.
    WasmtimeP3,
    /// The same, with an instance for each request.
    WasmtimeP3Fresh,
    /// `wasmtime serve` with long bodies over wasi:http 0.3 and its default reuse.
    WasmtimeP3Bodies,
}

impl Peer {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "a bare loop",
            Self::Hyper => "hyper, no Wasm",
            Self::Nginx => "nginx `return 200`",
            Self::NginxSendfile => "nginx `sendfile`",
            Self::Tremolo => "Tremolo on uvloop",
            Self::Wasmtime => "`wasmtime serve`",
            Self::WasmtimeReused => "`wasmtime serve --max-instance-reuse-count 1000`",
            Self::WasmtimeP3 | Self::WasmtimeP3Bodies => "`wasmtime serve`, p3 with its default reuse",
            Self::WasmtimeP3Fresh => "`wasmtime serve --max-instance-reuse-count 1`, p3",
        }
    }

    /// Starts it on the server's core.
    pub fn start(self, setup: &Setup) -> anyhow::Result<Server> {
        match self {
            Self::Bare => built(setup, "bare-hello"),
            Self::Hyper => built(setup, "hyper-hello"),
            Self::Nginx | Self::NginxSendfile => nginx(setup, Place::ServerCore),
            Self::Tremolo => tremolo(setup),
            Self::Wasmtime => wasmtime(setup, &[], WASI_HTTP),
            Self::WasmtimeReused => wasmtime(setup, &["--max-instance-reuse-count", "1000"], WASI_HTTP),
            Self::WasmtimeP3 => wasmtime(setup, &[], WASI_HTTP_P3),
            Self::WasmtimeP3Fresh => wasmtime(setup, &["--max-instance-reuse-count", "1"], WASI_HTTP_P3),
            Self::WasmtimeP3Bodies => wasmtime(setup, &[], WASI_HTTP_P3_BODIES),
        }
    }
}

/// The version of each program, as it prints it.
pub fn versions(setup: &Setup) -> Vec<String> {
    let tremolo = "from importlib.metadata import version as v; import sys; \
        print(f'Tremolo {v(\"tremolo\")}, uvloop {v(\"uvloop\")}, Python', sys.version.split()[0])";
    let programs = [
        (first_line(Command::new(&setup.host).arg("--version")), "Vibrato's host"),
        (first_line(Command::new(wasmtime_program(setup)).arg("--version")), "wasmtime"),
        (first_line(Command::new(nginx_program()).arg("-v")), "nginx"),
        (first_line(Command::new(python(setup)).args(["-c", tremolo])), "Tremolo"),
        (first_line(Command::new("wrk").arg("-v")).map(until_copyright), "wrk"),
        (first_line(Command::new("h2load").arg("--version")), "h2load"),
        (first_line(Command::new("rustc").arg("--version")), "rustc"),
    ];
    let programs = programs.into_iter().map(|(version, name)| version.unwrap_or_else(|| format!("no {name}")));
    let crates = ["hyper", "tokio", "wasip2", "wasip3"].into_iter();
    programs.chain(crates.map(|name| format!("{name} {}", locked(LOCK, name).unwrap_or("of no version")))).collect()
}

/// wrk prints more on the line of its version.
fn until_copyright(line: String) -> String {
    line.split(" [").next().unwrap_or_default().to_owned()
}

/// The version of a crate in a `Cargo.lock`.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}

/// Fails, with the way to install the program, if it does not exist.
fn installed(program: &Path, how: &str) -> anyhow::Result<()> {
    ensure!(program.exists(), "not installed: {how}");
    Ok(())
}

fn built(setup: &Setup, name: &str) -> anyhow::Result<Server> {
    let program = setup.built.join("release").join(name);
    installed(&program, "`make bench` builds it")?;
    start(setup, Command::new(program), Listening::Printed)
}

fn wasmtime(setup: &Setup, arguments: &[&str], component: &str) -> anyhow::Result<Server> {
    let program = wasmtime_program(setup);
    installed(&program, MAKE)?;
    let component = component_for_wasi_http(setup, component)?;
    let mut command = Command::new(program);
    command.args(["serve", "-Scli", "--addr", "127.0.0.1:0"]).args(arguments).arg(component);
    start(setup, command, Listening::Printed)
}

/// The file of a component for wasi:http, which Vibrato serves too.
pub fn component_for_wasi_http(setup: &Setup, name: &str) -> anyhow::Result<PathBuf> {
    let component = setup.built.join("wasm32-wasip2/handler").join(format!("{name}.wasm"));
    installed(&component, "`make bench` builds it")?;
    Ok(component)
}

fn tremolo(setup: &Setup) -> anyhow::Result<Server> {
    let program = python(setup);
    installed(&program, MAKE)?;
    let address = server::free_address()?;
    let mut command = Command::new(program);
    command.arg(setup.peers.join("tremolo/hello.py")).arg(address.port().to_string());
    start(setup, command, Listening::At(address))
}

/// nginx as an upstream of the servers, on the client's core.
pub fn upstream(setup: &Setup) -> anyhow::Result<Server> {
    nginx(setup, Place::ClientCore)
}

/// What nginx speaks besides HTTP/1 without TLS.
#[derive(Clone, Copy)]
pub enum Protocol<'a> {
    /// HTTP/1 over TLS.
    Tls(&'a Certificate),
    /// HTTP/2 over TLS.
    Http2OverTls(&'a Certificate),
    /// HTTP/2 alone, with prior knowledge.
    Http2,
}

/// nginx with one worker on the server's core.
pub fn nginx_speaking(setup: &Setup, protocol: Protocol<'_>) -> anyhow::Result<Server> {
    // Before nginx 1.23.4 TLS 1.3 is off by default.
    let tls = |more: &str, certificate: &Certificate| {
        format!(
            "ssl{more}; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {}; ssl_certificate_key {}",
            certificate.file().display(),
            certificate.key().display()
        )
    };
    let more = match protocol {
        Protocol::Tls(certificate) => tls("", certificate),
        Protocol::Http2OverTls(certificate) => tls(" http2", certificate),
        Protocol::Http2 => "http2".to_owned(),
    };
    nginx_at(setup, Place::ServerCore, &more)
}

fn nginx(setup: &Setup, place: Place) -> anyhow::Result<Server> {
    nginx_at(setup, place, "")
}

/// `more` follows the address in its `listen`.
fn nginx_at(setup: &Setup, place: Place, more: &str) -> anyhow::Result<Server> {
    let program = nginx_program();
    first_line(Command::new(program).arg("-v"))
        .context("not installed: `make peers` installs it as root, `apt-get install nginx-light` does")?;
    let (files, address) = (setup::folder()?, server::free_address()?);
    let folder = files.path();
    let template = setup.peers.join("nginx/nginx.conf");
    let settings = fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
    let root = folder.display().to_string();
    let listen = format!("{address} {more}");
    fs::write(folder.join("nginx.conf"), settings.replace("LISTEN", &listen).replace("ROOT", &root))?;
    // A sparse file of that size: it is sent from the page cache like any other.
    File::create(folder.join(NGINX_STREAM.trim_start_matches('/')))?.set_len(STREAM_BYTES)?;
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder);
    Server::start(&setup.cores, place, command, Listening::At(address), files)
}

fn start(setup: &Setup, command: Command, listening: Listening) -> anyhow::Result<Server> {
    Server::start(&setup.cores, Place::ServerCore, command, listening, setup::folder()?)
}

fn wasmtime_program(setup: &Setup) -> PathBuf {
    setup.installed.join("wasmtime/bin/wasmtime")
}

fn python(setup: &Setup) -> PathBuf {
    setup.installed.join("tremolo/bin/python")
}

/// Debian installs it where only root looks.
fn nginx_program() -> &'static Path {
    let sbin = Path::new("/usr/sbin/nginx");
    if sbin.exists() { sbin } else { Path::new("nginx") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_crate_is_the_one_that_is_locked() {
        let lock = "[[package]]\nname = \"hyper-util\"\nversion = \"0.1.21\"\n\n[[package]]\nname = \"hyper\"\n\
            version = \"1.9.0\"\nsource = \"registry\"\n";
        assert_eq!(locked(lock, "hyper"), Some("1.9.0"));
        assert_eq!(locked(lock, "tokio"), None);
        assert!(locked(LOCK, "wasip3").is_some());
    }
}
