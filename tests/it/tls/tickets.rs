//! Session tickets with keys that several hosts share: a client that comes back to another host resumes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind};
use tempfile::TempDir;

use crate::support::tls::{TlsClient, VERSIONS, config, openssl};
use crate::support::wire::HELLO_RESPONSE;
use crate::support::{Process, RoutesDir, compile_cache, guest, host, run, skip, text};

/// Hosts with one certificate, and one file of keys.
struct Fleet {
    routes: RoutesDir,
    directory: TempDir,
    certificate: rustls::pki_types::CertificateDer<'static>,
}

impl Fleet {
    /// With these keys, each made of one byte.
    fn new(keys: &[u8]) -> Self {
        let directory = TempDir::new().expect("a directory can be made");
        let made = rcgen::generate_simple_self_signed(["it".to_owned()]).expect("it can be made");
        fs::write(directory.path().join("it.pem"), made.cert.pem()).expect("it can be written");
        write_private(&directory.path().join("it.key"), made.signing_key.serialize_pem().as_bytes());
        let certificate = made.cert.der().clone();
        let fleet = Self { routes: RoutesDir::new().with(guest::HELLO), directory, certificate };
        fleet.write(keys);
        fleet
    }

    fn keys(&self) -> PathBuf {
        self.directory.path().join("tickets")
    }

    fn write(&self, keys: &[u8]) {
        let bytes: Vec<u8> = keys.iter().flat_map(|key| [*key; 80]).collect();
        write_private(&self.keys(), &bytes);
    }

    fn start(&self) -> Process {
        let mut command = host(&["run", "--listen", "https://127.0.0.1:0"]);
        command.arg("--routes").arg(self.routes.path()).arg("--cache-dir").arg(compile_cache());
        command.arg("--tls-cert").arg(self.directory.path().join("it.pem"));
        command.arg("--tls-key").arg(self.directory.path().join("it.key"));
        command.arg("--tls-ticket-keys").arg(self.keys());
        let process = Process::spawn(command, 1);
        process.stderr().wait_for(&["routes loaded"]);
        process
    }

    /// A client that remembers its sessions.
    fn client(&self) -> Arc<ClientConfig> {
        config(self.certificate.clone(), &VERSIONS)
    }
}

fn write_private(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).expect("it can be written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::rename(&new, path).expect("it can be renamed");
}

/// Sends a request. Returns how the handshake was.
fn ask(process: &Process, client: &Arc<ClientConfig>) -> HandshakeKind {
    let mut client = process.connect().over_tls(TlsClient::with(client.clone(), "it"));
    client.send(get!("/hello"));
    client.expect(HELLO_RESPONSE);
    client.tls().connection().handshake_kind().expect("it is complete")
}

#[test]
fn a_session_of_one_host_resumes_at_another_of_the_same_keys_alone() {
    let (fleet, stranger) = (Fleet::new(&[1]), Fleet::new(&[2]));
    let (first, second, stranger) = (fleet.start(), fleet.start(), stranger.start());
    let client = fleet.client();
    assert_eq!(ask(&first, &client), HandshakeKind::Full);
    assert_eq!(ask(&second, &client), HandshakeKind::Resumed);
    assert_eq!(ask(&first, &client), HandshakeKind::Resumed);
    let mut refused = stranger.connect().over_tls(TlsClient::with(client, "it"));
    assert!(refused.try_send(get!("/hello")).is_err(), "it has another certificate, and no session of this one");
}

#[test]
fn a_key_that_is_replaced_opens_tickets_until_two_more_have_come() {
    let fleet = Fleet::new(&[1]);
    let process = fleet.start();
    let clients = [(); 4].map(|()| fleet.client());
    for client in &clients {
        assert_eq!(ask(&process, client), HandshakeKind::Full);
    }
    for (key, (client, kind)) in (2..).zip(clients.iter().zip([
        HandshakeKind::Resumed,
        HandshakeKind::Resumed,
        HandshakeKind::Full,
        HandshakeKind::Full,
    ])) {
        let before = process.stderr().with(&["ticket keys replaced"]).len();
        fleet.write(&[key]);
        process.stderr().wait_for_another(&["INFO", "ticket keys replaced"], before);
        assert_eq!(ask(&process, client), kind, "after key {key}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_told_and_those_before_them_stay() {
    let fleet = Fleet::new(&[2, 1]);
    let process = fleet.start();
    let client = fleet.client();
    assert_eq!(ask(&process, &client), HandshakeKind::Full);
    write_private(&fleet.keys(), b"short");
    process.stderr().wait_for(&[
        "ERROR",
        "the ticket keys were not replaced, those before them stay",
        "openssl rand 80",
    ]);
    assert_eq!(ask(&process, &client), HandshakeKind::Resumed);
    fs::remove_file(fleet.keys()).expect("it is there");
    process.stderr().wait_for(&["ERROR", "cannot read the ticket keys in"]);
    assert_eq!(ask(&process, &client), HandshakeKind::Resumed);
    fleet.write(&[3, 2]);
    fs::set_permissions(fleet.keys(), fs::Permissions::from_mode(0o644)).expect("it is ours");
    process.stderr().wait_for(&["ticket keys replaced", "keys=2"]);
    process.stderr().wait_for(&["WARN", "everybody on this machine can read the ticket keys in"]);
    assert_eq!(ask(&process, &client), HandshakeKind::Resumed);
}

#[test]
fn openssl_takes_its_session_from_one_host_to_another() {
    let fleet = Fleet::new(&[1]);
    let (first, second) = (fleet.start(), fleet.start());
    let session = fleet.directory.path().join("session");
    let session = session.to_str().expect("it is text");
    for version in ["-tls1_2", "-tls1_3"] {
        for (process, flag, handshake) in [
            (&first, "-sess_out", "New, TLS"),
            (&second, "-sess_in", "Reused, TLS"),
            (&first, "-sess_in", "Reused, TLS"),
        ] {
            let address = process.addresses()[0].to_string();
            let arguments = ["s_client", "-ign_eof", "-connect", &address, version, "-servername", "it", flag, session];
            let Some(printed) = openssl(&arguments, get_and_close!("/hello")) else {
                return skip("there is no openssl");
            };
            assert!(printed.contains(handshake) && printed.contains("HTTP/1.1 200 OK"), "{version} {flag}: {printed}");
        }
    }
}

#[test]
fn a_file_of_keys_is_checked_at_the_start() {
    let fleet = Fleet::new(&[1]);
    let tls = ["--dev", "--listen", "https://127.0.0.1:0"];
    let (short, four) = (fleet.directory.path().join("short"), fleet.directory.path().join("four"));
    write_private(&short, &[0; 79]);
    write_private(&four, &[0; 320]);
    for (listen, file, message) in [
        (&tls[..], Path::new("/none"), "cannot read the ticket keys in /none"),
        (&tls, &short, "has to have one, two or three ticket keys of 80 bytes each"),
        (&tls, &four, "has to have one, two or three ticket keys of 80 bytes each"),
        (&["--listen", "127.0.0.1:0"], &fleet.keys(), "--tls-ticket-keys is given, but no listener speaks TLS"),
    ] {
        let mut command = host(&["run", "--no-cache"]);
        command.arg("--routes").arg(fleet.routes.path()).args(listen).arg("--tls-ticket-keys").arg(file);
        let output = run(&mut command);
        let printed = text(&output.stderr);
        assert!(!output.status.success() && printed.contains(message), "{}: {printed}", file.display());
    }
}
