use std::io::{Read as _, Write as _};
use std::task::Waker;

use bytes::BytesMut;
use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::super::memory::{MemoryClient, memory_stream};
use super::*;

const LARGE: usize = 1024 * 1024;

/// A certificate for `a.test` and `*.b.test`, and the settings of a server with it.
fn certificate() -> (CertificateDer<'static>, Arc<TlsSettings>) {
    let names = ["a.test", "*.b.test"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).expect("it can be made");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = rustls::crypto::ring::default_provider();
    let certified = CertifiedKey::from_der(vec![made.cert.der().clone()], key.into(), &provider).expect("they fit");
    let resolver = rustls::sign::SingleCertAndKey::from(certified);
    (made.cert.der().clone(), Arc::new(TlsSettings::new(Arc::new(resolver)).expect("there are random bytes")))
}

/// A client of TLS, and the server's end of its connection.
struct Connected {
    client: ClientConnection,
    memory: MemoryClient,
    server: Stream,
}

fn tls(stream: &Stream) -> &TlsStream {
    let Stream::Tls(tls) = stream else { unreachable!("it is TLS") };
    tls
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A server's end with a client that speaks bytes.
fn server(capacity: usize) -> (Stream, MemoryClient) {
    let (stream, memory) = memory_stream(capacity);
    let (_, settings) = certificate();
    (Stream::Tls(Box::new(TlsStream::new(Stream::Memory(stream), settings))), memory)
}

impl Connected {
    /// A client of some versions for a name, before the handshake.
    fn new(versions: &[&'static SupportedProtocolVersion], capacity: usize) -> Self {
        let (certificate, settings) = certificate();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("it is a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let mut config = config.expect("they are supported").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from("a.test").expect("it is a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("it is a configuration");
        let (stream, memory) = memory_stream(capacity);
        let server = Stream::Tls(Box::new(TlsStream::new(Stream::Memory(stream), settings)));
        Self { client, memory, server }
    }

    /// After the handshake.
    fn complete(versions: &[&'static SupportedProtocolVersion], capacity: usize) -> Self {
        let mut connected = Self::new(versions, capacity);
        connected.shake_hands(usize::MAX);
        connected
    }

    /// Does the handshake. The client's bytes arrive in pieces.
    fn shake_hands(&mut self, piece: usize) {
        for _ in 0..10 {
            self.send(piece);
            self.receive();
            if self.handshake().is_ready() && !self.client.is_handshaking() {
                self.receive();
                return;
            }
        }
        unreachable!("a handshake has fewer turns");
    }

    fn handshake(&self) -> Poll<io::Result<Handshake>> {
        self.server.poll_handshake(&mut cx())
    }

    /// Sends what the client has to send, in pieces; the server takes part in the handshake after each.
    fn send(&mut self, piece: usize) {
        for bytes in self.ciphertext().chunks(piece) {
            self.memory.send(bytes);
            if self.client.is_handshaking() {
                let _ = self.handshake();
            }
        }
    }

    /// What the client has to send.
    fn ciphertext(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).expect("it is memory");
        }
        bytes
    }

    /// Gives the client what the server has sent, and returns its plaintext.
    fn receive(&mut self) -> Vec<u8> {
        let received = self.memory.receive_bytes();
        let mut received = &received[..];
        let mut plaintext = Vec::new();
        while !received.is_empty() {
            self.client.read_tls(&mut received).expect("it is memory");
            self.client.process_new_packets().expect("the server keeps to the protocol");
            let mut piece = [0; 16 * 1024];
            while let Ok(read @ 1..) = self.client.reader().read(&mut piece) {
                plaintext.extend_from_slice(&piece[..read]);
            }
        }
        plaintext
    }

    fn say(&mut self, plaintext: &[u8]) {
        self.client.writer().write_all(plaintext).expect("it is memory");
    }

    /// What the server reads until it has to wait, and whether it has read the end.
    fn read(&self) -> io::Result<(Vec<u8>, bool)> {
        let mut input = BytesMut::new();
        loop {
            match self.server.poll_read(&mut cx(), &mut input) {
                Poll::Ready(read) => {
                    if read? == 0 {
                        return Ok((input.to_vec(), true));
                    }
                }
                Poll::Pending => return Ok((input.to_vec(), false)),
            }
        }
    }
}

const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// The lengths of the records in `bytes`.
fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut records = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        records.push(length);
        bytes = &rest[length..];
    }
    records
}

#[test]
fn a_request_and_a_response_pass_and_the_name_is_known() {
    for version in BOTH {
        let mut connected = Connected::complete(&[version], LARGE);
        connected.say(b"request");
        connected.send(usize::MAX);
        assert_eq!(connected.read().expect("it is open"), (b"request".to_vec(), false));
        let slices = [IoSlice::new(b"res"), IoSlice::new(b""), IoSlice::new(b"ponse")];
        assert_eq!(connected.server.try_write_vectored(&slices).expect("there is room"), 8);
        assert_eq!(connected.receive(), b"response");
        let sni = connected.server.sni().expect("the handshake is complete");
        assert_eq!(sni.name(), Some("a.test"));
        for (host, covered) in [
            ("a.test", true),
            ("A.Test.", true),
            ("x.b.test", true),
            ("b.test", false),
            ("127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(sni.covers(host), covered, "{host}");
        }
        assert_eq!(connected.client.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn plaintext_that_arrives_with_the_end_of_the_handshake_is_the_first_that_is_read() {
    let mut connected = Connected::new(&[&rustls::version::TLS13], LARGE);
    connected.say(b"early bird");
    connected.shake_hands(usize::MAX);
    assert_eq!(connected.read().expect("it is open").0, b"early bird");
}

#[test]
fn head_and_body_of_a_small_response_are_one_record() {
    for version in BOTH {
        let connected = Connected::complete(&[version], LARGE);
        let slices = [IoSlice::new(b"head"), IoSlice::new(&[b'b'; 9_000]), IoSlice::new(b"end")];
        assert_eq!(connected.server.try_write_vectored(&slices).expect("there is room"), 9_007);
        let sent = connected.memory.receive_bytes();
        assert_eq!(records(&sent).len(), 1, "{version:?}");
    }
}

#[test]
fn what_the_socket_does_not_accept_is_bounded_and_sent_later_in_order() {
    for version in BOTH {
        let mut connected = Connected::complete(&[version], 5_000);
        let body: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
        let (mut written, mut received) = (0, Vec::new());
        for _ in 0..1_000 {
            match connected.server.try_write(&body[written..]) {
                Ok(accepted) => written += accepted,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            assert!(connected.server.unsent() <= MAX_UNSENT);
            received.extend(connected.receive());
            if written == body.len() && connected.server.poll_flush(&mut cx()).is_ready() {
                break;
            }
        }
        received.extend(connected.receive());
        assert!(received == body, "{version:?}");
        assert_eq!(connected.server.unsent(), 0);
    }
}

#[test]
fn a_stream_with_unsent_ciphertext_is_not_flushed_and_not_ready_to_write() {
    let mut connected = Connected::complete(&BOTH, 3_000);
    connected.server.try_write(&[0; 10_000]).expect("there is room");
    assert!(connected.server.poll_flush(&mut cx()).is_pending());
    assert!(connected.server.poll_write_ready(&mut cx()).is_pending());
    assert_eq!(connected.server.try_write(b"more").map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    let mut received = 0;
    while connected.server.poll_flush(&mut cx()).is_pending() {
        received += connected.receive().len();
    }
    assert!(connected.server.poll_write_ready(&mut cx()).is_ready());
    assert_eq!(received + connected.receive().len(), 10_000);
}

#[test]
fn what_is_read_at_most_leaves_the_rest_for_the_next_read() {
    let mut connected = Connected::complete(&BOTH, LARGE);
    let body: Vec<u8> = (0..50_000_u32).map(|index| (index % 241) as u8).collect();
    connected.say(&body);
    connected.send(usize::MAX);
    let mut input = BytesMut::new();
    for most in [1, 2, 20_000, 3] {
        let before = input.len();
        let read = connected.server.poll_read_at_most(&mut cx(), &mut input, most);
        let Poll::Ready(Ok(read)) = read else { unreachable!("there is something to read") };
        assert!((1..=most).contains(&read) && input.len() == before + read);
    }
    let rest = connected.read().expect("it is open").0;
    assert!([&input[..], &rest].concat() == body);
}

#[test]
fn the_stream_ends_with_a_close_notify_and_breaks_off_without_one() {
    for version in BOTH {
        let mut connected = Connected::complete(&[version], LARGE);
        connected.say(b"last");
        connected.client.send_close_notify();
        connected.send(usize::MAX);
        assert_eq!(connected.read().expect("it is complete"), (b"last".to_vec(), true));
        // The client may still read.
        connected.server.try_write(b"answer").expect("there is room");
        assert_eq!(connected.receive(), b"answer");

        let mut broken = Connected::complete(&[version], LARGE);
        broken.say(b"last");
        broken.send(usize::MAX);
        broken.memory.close_write();
        let mut input = BytesMut::new();
        assert!(matches!(broken.server.poll_read(&mut cx(), &mut input), Poll::Ready(Ok(4))));
        let error = broken.read().expect_err("it has ended without a close_notify");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_shutdown_tells_the_client_first_and_a_truncated_response_does_not() {
    for version in BOTH {
        let mut connected = Connected::complete(&[version], LARGE);
        connected.server.try_write(b"all").expect("there is room");
        connected.server.shutdown_write().expect("it is open");
        assert!(connected.memory.is_ended());
        assert_eq!(connected.receive(), b"all");
        assert!(connected.client.process_new_packets().expect("it is TLS").peer_has_closed());

        let mut truncated = Connected::complete(&[version], LARGE);
        truncated.server.try_write(b"some").expect("there is room");
        truncated.server.break_off().expect("it is open");
        assert!(truncated.memory.is_ended());
        assert_eq!(truncated.receive(), b"some");
        assert!(!truncated.client.process_new_packets().expect("it is TLS").peer_has_closed());
    }
}

#[test]
fn a_shutdown_waits_until_the_ciphertext_before_it_is_sent() {
    let mut connected = Connected::complete(&BOTH, 1_000);
    connected.server.try_write(&[1; 5_000]).expect("there is room");
    connected.server.shutdown_write().expect("it is open");
    assert!(!connected.memory.is_ended());
    let mut received = 0;
    for _ in 0..20 {
        received += connected.receive().len();
        let _ = connected.server.poll_discard(&mut cx());
    }
    assert!(connected.memory.is_ended());
    assert_eq!(received, 5_000);
    assert!(connected.client.process_new_packets().expect("it is TLS").peer_has_closed());
}

#[test]
fn new_keys_of_the_client_are_taken_and_answered() {
    let mut connected = Connected::complete(&[&rustls::version::TLS13], LARGE);
    for _ in 0..3 {
        connected.client.refresh_traffic_keys().expect("the handshake is complete");
        connected.say(b"after");
        connected.send(usize::MAX);
        assert_eq!(connected.read().expect("it is open").0, b"after");
        connected.server.try_write(b"answer").expect("there is room");
        assert_eq!(connected.receive(), b"answer");
    }
}

#[test]
fn a_request_without_tls_is_told_apart_and_answered_as_it_is() {
    for request in ["GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "x"] {
        let (server, client) = server(LARGE);
        assert!(server.poll_handshake(&mut cx()).is_pending());
        client.send(request.as_bytes());
        assert!(matches!(server.poll_handshake(&mut cx()), Poll::Ready(Ok(Handshake::NotTls))));
        server.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("there is room");
        assert_eq!(client.receive(), "HTTP/1.1 400 Bad Request\r\n\r\n");
        server.shutdown_write().expect("it is open");
        assert!(client.is_ended());
    }
}

#[test]
fn what_is_no_tls_fails_with_an_alert_and_nothing_can_be_written() {
    for bytes in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x01a",
        b"\x80\x2e\x01\x00\x02\x00\x15",
        b"\0\0\0\0\0\0\0\0",
        b"\xff\xff\xff\xff\xff",
    ] {
        let (server, client) = server(LARGE);
        client.send(bytes);
        let failed = server.poll_handshake(&mut cx());
        assert!(matches!(failed, Poll::Ready(Err(_))), "{bytes:?}: {failed:?}");
        assert!(server.try_write(b"secret").is_err());
        let sent = client.receive_bytes();
        // An alert of the client is not answered, and rustls has none for a message that is too long.
        let is_answered = bytes[0] != 0x15 && !bytes.ends_with(b"hello");
        assert_eq!(sent.starts_with(b"\x15\x03"), is_answered, "{bytes:?}: {sent:?}");
    }
}

#[test]
fn a_message_of_the_handshake_that_has_no_end_is_refused_before_it_takes_much_memory() {
    let (server, client) = server(LARGE);
    // A ClientHello of 16 MiB, in records of 1 KiB.
    let mut first = b"\x16\x03\x01\x04\x00\x01\xff\xff\xff".to_vec();
    first.resize(5 + 1024, 0);
    client.send(&first);
    let mut sent = 0;
    let failed = loop {
        match server.poll_handshake(&mut cx()) {
            Poll::Ready(ended) => break ended,
            Poll::Pending => {}
        }
        sent += 1;
        assert!(sent < 100, "it is still waited for");
        client.send(b"\x16\x03\x01\x04\x00");
        client.send(&[0; 1024]);
    };
    failed.expect_err("it is refused");
}

#[test]
fn a_connection_that_waits_holds_no_buffers() {
    let mut connected = Connected::complete(&BOTH, LARGE);
    connected.say(&[b'r'; 40_000]);
    connected.send(usize::MAX);
    assert_eq!(connected.read().expect("it is open").0.len(), 40_000);
    connected.server.try_write(&[b'a'; 30_000]).expect("there is room");
    let phase = tls(&connected.server).phase();
    let Phase::Tls(session) = &*phase else { unreachable!("it is TLS") };
    assert_eq!(session.buffered_capacity(), 0);
}

#[test]
fn a_client_that_closes_without_a_byte_is_gone() {
    let (server, client) = server(LARGE);
    client.close_write();
    let Poll::Ready(Err(error)) = server.poll_handshake(&mut cx()) else { unreachable!("it has ended") };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_the_ciphertext_gives_the_same_bytes(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30_000), 1..4),
        piece in prop_oneof![1_usize..40, 1_usize..20_000],
        is_tls_13 in any::<bool>(),
        most in 1_usize..20_000,
    ) {
        let version = BOTH[usize::from(is_tls_13)];
        let mut connected = Connected::new(&[version], LARGE);
        connected.shake_hands(piece);
        for body in bodies {
            connected.say(&body);
            let ciphertext = connected.ciphertext();
            let mut read = BytesMut::new();
            for bytes in ciphertext.chunks(piece) {
                connected.memory.send(bytes);
                while let Poll::Ready(found) = connected.server.poll_read_at_most(&mut cx(), &mut read, most) {
                    prop_assert!(found.expect("it is open") > 0);
                }
            }
            prop_assert!(read == body);
            let (mut written, mut received) = (0, Vec::new());
            while written < body.len() {
                let end = body.len().min(written + piece.max(100));
                written += connected.server.try_write(&body[written..end]).expect("there is room");
                received.extend(connected.receive());
            }
            prop_assert!(received == body);
        }
    }

    #[test]
    fn no_bytes_panic_and_none_take_much_memory(
        bytes in prop::collection::vec(any::<u8>(), 0..5_000),
        is_record in any::<bool>(),
        piece in 1_usize..2_000,
    ) {
        let (server, client) = server(LARGE);
        if is_record {
            client.send(b"\x16\x03\x01\x02\x00");
        }
        for bytes in bytes.chunks(piece) {
            client.send(bytes);
            if server.poll_handshake(&mut cx()).is_ready() {
                break;
            }
        }
        let _ = server.try_write(b"answer");
        let _ = server.shutdown_write();
    }

    #[test]
    fn no_change_of_a_handshake_panics(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        is_tls_13 in any::<bool>(),
    ) {
        let mut connected = Connected::new(&[BOTH[usize::from(is_tls_13)]], LARGE);
        let mut hello = connected.ciphertext();
        let at = at.index(hello.len());
        hello[at] = byte;
        connected.memory.send(&hello);
        let _ = connected.handshake();
        let _ = connected.server.try_write(b"answer");
        let _ = connected.server.shutdown_write();
    }
}
