//! A client over TLS 1.3.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use super::{BUFFER_BYTES, END_OF_HEAD, LAST_CHUNK, is_ok, not_ok};

/// Clients that trust one certificate.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

/// What becomes of the session of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// Each handshake makes one.
    Made,
    /// The next handshake resumes it.
    Resumed,
}

/// A connection, whose handshake takes place with what is sent first.
pub type TlsConnection = StreamOwned<ClientConnection, TcpStream>;

impl TlsClient {
    /// Trusts the certificate in a PEM file.
    pub fn trusting(certificate: &Path) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).context("cannot read the certificate")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
        Ok(Self { config: Arc::new(config.with_root_certificates(roots).with_no_client_auth()) })
    }

    /// The same for HTTP/2.
    pub fn http2(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { config: Arc::new(config) }
    }

    /// Connects.
    pub fn connect(&self, server: SocketAddr) -> io::Result<TlsConnection> {
        let socket = super::connect(server)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, socket))
    }

    /// Fetches a response to its end, with its head.
    pub fn fetch(&self, server: SocketAddr, target: &str) -> io::Result<Vec<u8>> {
        let mut connection = self.connect(server)?;
        ask(&mut connection, target, "close")?;
        let mut response = Vec::new();
        connection.take(BUFFER_BYTES as u64).read_to_end(&mut response)?;
        if is_ok(&response) { Ok(response) } else { Err(not_ok()) }
    }

    /// Fetches a short response on connections of their own, one after the other in each of `clients` threads. Returns how
    /// many were fetched in this time. An error if a handshake was not as `sessions` says.
    pub fn handshakes(
        &self,
        server: SocketAddr,
        target: &str,
        clients: u32,
        sessions: Sessions,
        run: Duration,
    ) -> io::Result<u64> {
        let start = Instant::now();
        let one = || {
            let client = self.for_sessions(sessions);
            // The first handshake of a client has nothing to resume.
            client.shake_hands(server, target)?;
            let mut fetched = 1;
            while start.elapsed() < run {
                let kind = client.shake_hands(server, target)?;
                if (kind == Some(HandshakeKind::Resumed)) != (sessions == Sessions::Resumed) {
                    return Err(io::Error::other(format!(
                        "a handshake was {kind:?}, and sessions are to be {sessions:?}"
                    )));
                }
                fetched += 1;
            }
            Ok(fetched)
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
            let fetched =
                clients.into_iter().map(|client| client.join().map_err(|_| io::Error::other("a client panicked"))?);
            fetched.sum()
        })
    }

    fn for_sessions(&self, sessions: Sessions) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = match sessions {
            Sessions::Made => Resumption::disabled(),
            Sessions::Resumed => Resumption::in_memory_sessions(16),
        };
        Self { config: Arc::new(config) }
    }

    /// Connects, fetches a response to its end, and says how the handshake was.
    fn shake_hands(&self, server: SocketAddr, target: &str) -> io::Result<Option<HandshakeKind>> {
        let mut connection = self.connect(server)?;
        ask(&mut connection, target, "close")?;
        let mut response = Vec::new();
        Read::by_ref(&mut connection).take(BUFFER_BYTES as u64).read_to_end(&mut response)?;
        if is_ok(&response) { Ok(connection.conn.handshake_kind()) } else { Err(not_ok()) }
    }

    /// How long a response with a body of at least `body_bytes` takes, with the handshake.
    pub fn stream(&self, server: SocketAddr, target: &str, body_bytes: u64) -> io::Result<Duration> {
        let start = Instant::now();
        let mut connection = self.connect(server)?;
        ask(&mut connection, target, "close")?;
        let (mut buffer, mut received) = (vec![0; BUFFER_BYTES], 0);
        loop {
            match connection.read(&mut buffer)? {
                0 if received < body_bytes => {
                    return Err(io::Error::other(format!("the response ended after {received} of {body_bytes} bytes")));
                }
                0 => return Ok(start.elapsed()),
                read => received += read as u64,
            }
        }
    }

    /// Connections that are idle after one response in the chunked coding.
    pub fn idle(&self, server: SocketAddr, target: &str, connections: u32) -> io::Result<Vec<TlsConnection>> {
        let open = |_| {
            let mut connection = self.connect(server)?;
            exchange(&mut connection, target)?;
            Ok(connection)
        };
        (0..connections).map(open).collect()
    }
}

/// Sends a request on a persistent connection and reads a response in the chunked coding.
pub fn exchange(connection: &mut TlsConnection, target: &str) -> io::Result<()> {
    ask(connection, target, "keep-alive")?;
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    while !ends_chunked(&response) {
        match connection.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => response.extend_from_slice(&buffer[..read]),
        }
    }
    if is_ok(&response) { Ok(()) } else { Err(not_ok()) }
}

fn ask(connection: &mut TlsConnection, target: &str, keeps: &str) -> io::Result<()> {
    write!(connection, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: {keeps}\r\n\r\n")?;
    connection.flush()
}

/// Whether a head and a body in the chunked coding are complete.
fn ends_chunked(response: &[u8]) -> bool {
    response.ends_with(LAST_CHUNK) && response.windows(END_OF_HEAD.len()).any(|end| end == END_OF_HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;

    #[test]
    fn a_chunked_response_is_complete_with_its_last_chunk() {
        assert!(ends_chunked(b"HTTP/1.1 200 OK\r\n\r\n1\r\na\r\n0\r\n\r\n"));
        assert!(!ends_chunked(b"HTTP/1.1 200 OK\r\n\r\n1\r\na\r\n"));
    }

    #[test]
    fn the_certificate_that_is_made_can_be_trusted() {
        let certificate = Certificate::make().expect("there is openssl");
        assert!(TlsClient::trusting(&certificate.file()).is_ok());
        assert!(TlsClient::trusting(&certificate.key()).is_err());
    }
}
