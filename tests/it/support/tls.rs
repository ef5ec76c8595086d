//! TLS in tests: a certificate for `it` and `localhost`, and the client's side of a connection.
//!
//! With `TEST_OVER_TLS` in the environment every [`TestServer`](super::TestServer) speaks TLS, and every
//! [`Client`](super::Client) that it connects. So tests about HTTP are tests of TLS too.

use std::io::{self, ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use host::certificates::SelfSigned;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use socket2::Socket;
use tempfile::NamedTempFile;

/// A listener that speaks TLS.
pub const FREE_PORT: &str = "https://127.0.0.1:0";

/// The certificate of all servers in the process of the tests.
pub static CERTIFICATE: LazyLock<SelfSigned> =
    LazyLock::new(|| SelfSigned::open(None, &["it".to_owned()]).expect("a certificate can be made"));

/// Both versions.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let certificate = CERTIFICATE.certificate().expect("there is a certificate");
    config(certificate, rustls::ALL_VERSIONS)
});

/// The file of [`CERTIFICATE`], in PEM, for clients that are programs.
pub fn certificate_file() -> NamedTempFile {
    let der = CERTIFICATE.certificate().expect("there is a certificate");
    let mut file = NamedTempFile::new().expect("a file can be made");
    let text = BASE64_STANDARD.encode(der);
    writeln!(file, "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----").expect("it can be written");
    file
}

/// Whether all tests are to use TLS.
pub fn is_default() -> bool {
    std::env::var_os("TEST_OVER_TLS").is_some()
}

/// A client of these versions that trusts one certificate.
pub fn config(
    certificate: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut config = config.expect("they are supported").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The client's side of TLS on a socket that blocks.
#[derive(Debug)]
pub struct TlsClient {
    connection: ClientConnection,
    is_closed_by_server: bool,
}

impl TlsClient {
    /// A client that trusts [`CERTIFICATE`], before its handshake.
    pub fn new() -> Self {
        Self::with(CONFIG.clone(), "it")
    }

    /// A client that asks for a name.
    pub fn with(config: Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).expect("it is a name");
        let connection = ClientConnection::new(config, name).expect("it is a configuration");
        Self { connection, is_closed_by_server: false }
    }

    /// What was agreed on.
    pub fn connection(&self) -> &ClientConnection {
        &self.connection
    }

    /// Whether the server has said that nothing follows.
    pub fn is_closed_by_server(&self) -> bool {
        self.is_closed_by_server
    }

    /// Sends plaintext.
    pub fn write_all(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<()> {
        let mut socket = socket;
        let mut stream = rustls::Stream::new(&mut self.connection, &mut socket);
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Reads plaintext; none at the end, with or without a `close_notify`.
    pub fn read(&mut self, socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = socket;
        match rustls::Stream::new(&mut self.connection, &mut socket).read(buffer) {
            Ok(0) => {
                self.is_closed_by_server = true;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }

    /// Says that nothing follows.
    pub fn close(&mut self, socket: &Socket) -> io::Result<()> {
        let mut socket = socket;
        self.connection.send_close_notify();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut socket)?;
        }
        Ok(())
    }
}

/// What openssl prints until its connection ends. `None` if it is not installed.
pub fn openssl(arguments: &[&str], input: &str) -> Option<String> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().expect("it is a pipe");
    // It may have ended already.
    let _ = stdin.write_all(input.as_bytes());
    let mut printed = Vec::new();
    if !arguments.contains(&"-quiet") {
        drop(stdin);
    }
    child.stdout.take().expect("it is a pipe").read_to_end(&mut printed).expect("it can be read");
    child.wait().expect("it can be waited for");
    Some(String::from_utf8_lossy(&printed).into_owned())
}
