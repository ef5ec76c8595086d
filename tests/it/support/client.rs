//! A client that sends bytes and compares bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::TIMEOUT;
use super::date::{dated_len, undated};
use super::tls::TlsClient;

/// One connection. A read that waits too long fails the test.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    tls: Option<Box<TlsClient>>,
    /// Received and not yet asked for.
    input: Vec<u8>,
}

/// How a server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a FIN.
    Closed,
    /// With an RST.
    Reset,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the server accepts"))
    }

    /// Connects from another address of this machine, which is another client.
    pub fn connect_from(from: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("all of 127.0.0.0/8 is of this machine");
        socket.connect(&address.into()).expect("the server accepts");
        Self::over(TcpStream::from(socket))
    }

    /// A client whose system takes little of what it does not read.
    pub fn with_small_window(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket can be made");
        socket.set_recv_buffer_size(4096).expect("a buffer can be small");
        socket.connect(&address.into()).expect("the server accepts");
        Self::over(TcpStream::from(socket))
    }

    /// Connects to a Unix socket.
    pub fn connect_unix(path: &Path) -> Self {
        Self::of(UnixStream::connect(path).expect("the server accepts").into())
    }

    /// A client over a connection that a test made by itself.
    pub fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("a socket can be without delay");
        Self::of(socket.into())
    }

    fn of(socket: Socket) -> Self {
        socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out can be set");
        Self { socket, tls: None, input: Vec::new() }
    }

    /// The same over TLS. The handshake takes place with what is sent or read first.
    pub fn over_tls(self, tls: TlsClient) -> Self {
        Self { tls: Some(Box::new(tls)), ..self }
    }

    /// Its side of TLS.
    #[track_caller]
    pub fn tls(&self) -> &TlsClient {
        self.tls.as_ref().expect("it speaks TLS")
    }

    /// Sends.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server reads");
    }

    /// Sends to a server that may have closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.write_all(&self.socket, bytes.as_ref()),
            None => self.socket.write_all(bytes.as_ref()),
        }
    }

    /// Sends the end, and can still read.
    pub fn half_close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&self.socket).expect("the connection is open");
        }
        self.socket.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Sends bytes that are not encrypted.
    pub fn send_without_tls(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
    }

    /// Shuts down the socket alone, as if the connection broke.
    pub fn half_close_without_tls(&self) {
        // The server may have closed it.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Is gone at once, with an RST.
    pub fn reset(self) {
        self.socket.set_linger(Some(Duration::ZERO)).expect("a socket can be without lingering");
    }

    /// Sends `request` and reads until the server closes; see [`Self::read_to_end`].
    #[track_caller]
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request);
        self.read_to_end()
    }

    /// All that comes until the server closes, each `Date` replaced by `Date: <date>`.
    #[track_caller]
    pub fn read_to_end(&mut self) -> String {
        let (text, end) = self.read_until_end();
        assert_eq!(end, End::Closed, "after {text:?}");
        text
    }

    /// All that comes until the server ends the connection, and how it does.
    #[track_caller]
    pub fn read_until_end(&mut self) -> (String, End) {
        let end = loop {
            match self.read_some() {
                Ok(0) => break End::Closed,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
                Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&self.input)),
            }
        };
        (undated(&std::mem::take(&mut self.input)), end)
    }

    /// As many bytes.
    #[track_caller]
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        self.take(|input| (input.len() >= length).then_some(length))
    }

    /// As many bytes, or why they do not come.
    pub fn try_read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < length {
            if self.read_some()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.input.drain(..length).collect())
    }

    /// All up to and with the next `end`.
    #[track_caller]
    pub fn read_until(&mut self, end: &str) -> String {
        let at = |input: &[u8]| input.windows(end.len()).position(|window| window == end.as_bytes());
        undated(&self.take(|input| Some(at(input)? + end.len())))
    }

    /// Reads what is expected, byte for byte but for the values of `Date`. What comes past it is for the next read.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) {
        let length = dated_len(expected);
        while self.input.len() < length && matches!(self.read_some(), Ok(1..)) {}
        let received: Vec<u8> = self.input.drain(..length.min(self.input.len())).collect();
        assert_eq!(undated(&received), expected);
    }

    /// Sees that for as long nothing comes, not the end either.
    #[track_caller]
    pub fn expect_silence(&mut self, duration: Duration) {
        self.socket.set_read_timeout(Some(duration)).expect("a time-out can be set");
        let read = self.read_some().map_err(|error| error.kind());
        self.socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out can be set");
        assert_eq!((undated(&self.input), read), (String::new(), Err(ErrorKind::WouldBlock)));
    }

    /// Reads what comes next, for the next read; how many bytes, and none at the end.
    pub fn read_some(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 65_536];
        let read = match &mut self.tls {
            Some(tls) => tls.read(&self.socket, &mut buffer)?,
            None => self.socket.read(&mut buffer)?,
        };
        self.input.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    /// Reads until `length` says how much to take.
    #[track_caller]
    fn take(&mut self, length: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(length) = length(&self.input) {
                return self.input.drain(..length).collect();
            }
            let read = self.read_some().map_err(|error| error.kind());
            assert!(matches!(read, Ok(1..)), "{read:?} after {:?}", String::from_utf8_lossy(&self.input));
        }
    }
}
