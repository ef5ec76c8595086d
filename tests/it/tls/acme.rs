//! Certificates from an authority, by ACME: how they are obtained, kept and renewed, and what is told if they are not.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use host::acme::{AcmeDirectory, AcmeStore};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;

use crate::support::pebble::{Pebble, Ports, wait_patiently};
use crate::support::tls::{CERTIFICATE, TlsClient, VERSIONS, config};
use crate::support::wire::{HELLO_RESPONSE, HELLO_RESPONSE_CLOSE};
use crate::support::{Client, Process, RoutesDir, TestServer, compile_cache, guest, host, run, text, with_sockets};

const GET: &str = get!("/hello");

/// No authority finds anything there.
const CLOSED: u16 = 1;

/// A host that orders certificates, with listeners that stay when it is started again.
struct Site {
    routes: RoutesDir,
    state: TempDir,
    listener: TcpListener,
    directory: String,
    ca: Option<PathBuf>,
}

impl Site {
    fn new(pebble: &Pebble) -> Self {
        Self { ca: Some(pebble.ca()), ..Self::with(pebble.url()) }
    }

    /// With another directory.
    fn with(directory: String) -> Self {
        let (routes, state) = (RoutesDir::new().with(guest::HELLO), TempDir::new().expect("a directory can be made"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        Self { routes, state, listener, directory, ca: None }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("it is bound").port()
    }

    /// Starts the host for these names. Its first listener is that of this site.
    fn start(&self, names: &[&str], listen: &[&str]) -> Process {
        let listener = self.listener.try_clone().expect("it is open");
        let mut command = with_sockets(listener.into(), &["web"], &self.routes, &[]);
        listen.iter().for_each(|listen| _ = command.args(["--listen", listen]));
        names.iter().for_each(|name| _ = command.args(["--acme-domain", name]));
        command.args(["--acme-directory", &self.directory]).arg("--state").arg(self.state.path());
        if let Some(ca) = &self.ca {
            command.arg("--acme-ca").arg(ca);
        }
        let process = Process::spawn(command, listen.len());
        process.stderr().wait_for(&["routes loaded"]);
        process
    }

    /// The file of the certificate for a name.
    fn file(&self, name: &str) -> PathBuf {
        let directory: AcmeDirectory = self.directory.parse().expect("it is a URL");
        let store = AcmeStore::open(self.state.path(), &directory).expect("it can be made");
        store.files(&name.parse().expect("it is a name")).certificate
    }

    /// The certificate for a name, and those of the authorities behind it.
    fn chain(&self, name: &str) -> Vec<CertificateDer<'static>> {
        let chain = CertificateDer::pem_file_iter(self.file(name)).expect("it is kept");
        chain.map(|certificate| certificate.expect("it is PEM")).collect()
    }

    /// A client that asks for a name, and trusts who has issued the certificate for it.
    fn client(&self, process: &Process, name: &str) -> Client {
        let issuer = self.chain(name).get(1).cloned().expect("it has an issuer");
        over_tls(process, issuer, name)
    }
}

fn over_tls(process: &Process, trusted: CertificateDer<'static>, name: &str) -> Client {
    process.connect().over_tls(TlsClient::with(config(trusted, &VERSIONS), name))
}

fn served(client: &Client) -> CertificateDer<'static> {
    let chain = client.tls().connection().peer_certificates().expect("the handshake is complete");
    chain[0].clone().into_owned()
}

/// Waits until the host has logged this so often.
#[track_caller]
fn wait_for_log(process: &Process, parts: &[&str], times: usize) {
    let found = || process.stderr().with(parts).len() >= times;
    wait_patiently(|| format!("{parts:?} is not in the log: {}", process.stderr().with(&[]).concat()), found);
}

#[track_caller]
fn wait_until_issued(process: &Process, name: &str) {
    wait_for_log(process, &["INFO", "a certificate was issued", &format!("domain={name}"), "renewed="], 1);
}

#[test]
fn a_certificate_is_obtained_served_and_found_again_after_a_restart() {
    let Some(mut pebble) = Pebble::new() else { return };
    let site = Site::new(&pebble);
    pebble.start(Ports { tls: site.port(), http: CLOSED });
    let process = site.start(&["a.test"], &["https://fd:web"]);
    wait_until_issued(&process, "a.test");
    let mut client = site.client(&process, "a.test");
    client.send(GET);
    client.expect(HELLO_RESPONSE);
    assert_eq!(served(&client), site.chain("a.test")[0]);
    for entry in fs::read_dir(site.file("a.test").parent().expect("it has a directory")).expect("it is there").flatten()
    {
        let mode = entry.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{entry:?}");
    }
    drop(process);
    let orders = || pebble.log().with(&["POST /order-plz"]).len();
    let before = orders();
    assert!(before > 0, "{:?}", pebble.log().with(&[]));
    let process = site.start(&["a.test"], &["https://fd:web"]);
    let mut client = site.client(&process, "a.test");
    client.send(GET);
    client.expect(HELLO_RESPONSE);
    assert_eq!(orders(), before, "nothing is ordered anew");
}

#[test]
fn a_certificate_is_renewed_without_a_closed_connection_once_a_directory_is_back_that_was_away() {
    let Some(mut pebble) = Pebble::new() else { return };
    let site = Site::new(&pebble);
    let file = site.file("a.test");
    let old = write_old(&file, "a.test");
    let process = site.start(&["a.test"], &["https://fd:web"]);
    wait_for_log(
        &process,
        &[
            "WARN",
            "the certificate for a.test could not be renewed, and the one before it serves until",
            "the authority cannot be reached",
            "the next attempt is in 1m, at",
        ],
        1,
    );
    let mut open = over_tls(&process, old.clone(), "a.test");
    open.send(GET);
    open.expect(HELLO_RESPONSE);
    pebble.start(Ports { tls: site.port(), http: CLOSED });
    process.signal("HUP");
    wait_until_issued(&process, "a.test");
    let mut new = site.client(&process, "a.test");
    new.send(GET);
    new.expect(HELLO_RESPONSE);
    assert_ne!(served(&new), old);
    open.send(GET);
    open.expect(HELLO_RESPONSE);
}

/// Writes a certificate of 90 days that ends in ten.
fn write_old(file: &Path, name: &str) -> CertificateDer<'static> {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).expect("it is a name");
    params.not_before = (SystemTime::now() - days(80)).into();
    params.not_after = (SystemTime::now() + days(10)).into();
    let pair = rcgen::KeyPair::generate().expect("it can be made");
    let made = params.self_signed(&pair).expect("it can be made");
    fs::write(file, format!("{}{}", pair.serialize_pem(), made.pem())).expect("it can be written");
    made.der().clone()
}

#[test]
fn each_of_two_names_gets_a_certificate_of_its_own() {
    let Some(mut pebble) = Pebble::new() else { return };
    let site = Site::new(&pebble);
    pebble.start(Ports { tls: site.port(), http: CLOSED });
    let process = site.start(&["a.test", "B.test", "a.test"], &["https://fd:web"]);
    for name in ["a.test", "b.test"] {
        wait_until_issued(&process, name);
        let mut client = site.client(&process, name);
        client.send(GET);
        client.expect(HELLO_RESPONSE);
        assert_eq!(served(&client), site.chain(name)[0], "{name}");
    }
    assert_eq!(process.stderr().with(&["a certificate was issued"]).len(), 2);
}

#[test]
fn the_next_attempt_takes_another_challenge_which_no_route_shadows() {
    let Some(mut pebble) = Pebble::new() else { return };
    let site = Site::new(&pebble);
    site.routes.write("hello.toml", "path = '/{*rest}'");
    pebble.start(Ports { tls: CLOSED, http: site.port() });
    let process = site.start(&["a.test"], &["fd:web", "https://127.0.0.1:0"]);
    wait_for_log(
        &process,
        &[
            "ERROR",
            "there is no certificate for a.test yet",
            "by TLS-ALPN-01, on port 443",
            "the next attempt is in 1m",
        ],
        1,
    );
    process.signal("HUP");
    wait_until_issued(&process, "a.test");
    let answer = process.get("/.well-known/acme-challenge/token");
    assert_eq!(answer, HELLO_RESPONSE_CLOSE, "a path of no pending challenge is that of a route");
}

#[test]
fn an_account_that_the_authority_has_forgotten_is_made_anew() {
    let Some(mut pebble) = Pebble::new() else { return };
    let site = Site::new(&pebble);
    let ports = Ports { tls: site.port(), http: CLOSED };
    pebble.start(ports);
    let process = site.start(&["a.test"], &["https://fd:web"]);
    wait_until_issued(&process, "a.test");
    drop(process);
    pebble.start(ports);
    let process = site.start(&["a.test", "b.test"], &["https://fd:web"]);
    wait_until_issued(&process, "b.test");
    process.stderr().wait_for(&["WARN", "the authority does not know the account of this host any more"]);
}

#[test]
fn while_the_directory_is_away_the_server_serves_and_a_handshake_is_refused() {
    // A port of this machine that closes each connection.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let site = Site::with(format!("https://localhost:{}/dir", address.port()));
    let process = site.start(&["a.test"], &["fd:web", "https://127.0.0.1:0"]);
    wait_for_log(&process, &["ERROR", "there is no certificate for a.test yet", "the authority cannot be reached"], 1);
    assert_eq!(process.get("/hello"), HELLO_RESPONSE_CLOSE);
    let trusted = CERTIFICATE.certificate().expect("there is one");
    for protocols in [&["http/1.1"][..], &["acme-tls/1"]] {
        let mut client = config(trusted.clone(), &VERSIONS);
        std::sync::Arc::make_mut(&mut client).alpn_protocols =
            protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let mut client = Client::connect(process.addresses()[1]).over_tls(TlsClient::with(client, "a.test"));
        let error = client.try_send(GET).expect_err("there is no certificate");
        assert!(error.to_string().contains("AccessDenied"), "{protocols:?}: {error}");
    }
}

#[test]
fn a_host_that_orders_nothing_knows_no_challenges() {
    let server = TestServer::builder(RoutesDir::new().with(guest::HELLO)).tls().start();
    let mut client = config(CERTIFICATE.certificate().expect("there is one"), &VERSIONS);
    std::sync::Arc::make_mut(&mut client).alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let mut client = Client::connect(server.address()).over_tls(TlsClient::with(client, "it"));
    let error = client.try_send(GET).expect_err("there is no such protocol");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn a_directory_that_is_none_is_told() {
    let server = TestServer::builder(RoutesDir::new().with(guest::HELLO)).tls().start();
    let ca = TempDir::new().expect("a directory can be made");
    let ca = ca.path().join("ca.pem");
    let write = |ca: &Path| {
        fs::create_dir_all(ca.parent().expect("it has a directory")).expect("it can be made");
        let der = CERTIFICATE.certificate().expect("there is one");
        fs::write(ca, pem(&der)).expect("it can be written");
    };
    write(&ca);
    let url = |path: &str| format!("https://localhost:{}{path}", server.address().port());
    for (directory, ca, reason) in [
        (url("/hello"), Some(ca.clone()), "the authority has answered something else than ACME"),
        (url("/hello"), None, "the authority cannot be reached: the certificate is not accepted"),
    ] {
        let site = Site { ca, ..Site::with(directory) };
        let process = site.start(&["a.test"], &["https://fd:web"]);
        wait_for_log(
            &process,
            &["ERROR", "there is no certificate for a.test yet", reason, "next attempt is in 1m"],
            1,
        );
    }
}

/// A certificate as PEM.
fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("it is ASCII")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[test]
fn what_is_wrong_with_the_options_is_said_at_the_start() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let state = TempDir::new().expect("a directory can be made");
    let file = state.path().join("file");
    fs::write(&file, "no certificate").expect("it can be written");
    let (state, file) = (state.path().join("state"), file.display().to_string());
    let state = state.display().to_string();
    let https = ["--listen", "https://127.0.0.1:0"];
    let domain = ["--acme-domain", "a.test"];
    let with = |more: &[&'static str]| [&https[..], &domain, &["--state", "$STATE"], more].concat();
    for (arguments, message) in [
        ([&https[..], &domain].concat(), "--acme-domain needs --state DIR"),
        ([&domain[..], &["--state", "$STATE", "--listen", "127.0.0.1:0"]].concat(), "but no listener speaks TLS"),
        (vec!["--acme-domain", "*.a.test"], "expected one host name"),
        (vec!["--acme-domain", "127.0.0.1"], "and not an address"),
        (vec!["--acme-domain", "a.test:443"], "without a scheme, a port or a path"),
        (vec!["--acme-email", "me@a.test"], "--acme-domain"),
        (with(&["--acme-directory", "http://a.test/dir"]), "expected a URL with https://"),
        (with(&["--acme-email", "me"]), "expected an address"),
        (with(&["--acme-ca", "/none.pem"]), "cannot read the certificates in /none.pem"),
        (with(&["--acme-ca", "$FILE"]), "has no certificate of an authority"),
        ([&https[..], &domain, &["--state", "$FILE"]].concat(), "cannot keep certificates in"),
    ] {
        let arguments: Vec<String> =
            arguments.iter().map(|it| it.replace("$STATE", &state).replace("$FILE", &file)).collect();
        let mut command = host(&["run"]);
        command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache()).args(&arguments);
        let output = run(&mut command);
        let printed = text(&output.stderr);
        assert!(!output.status.success() && printed.contains(message), "{arguments:?}: {printed}");
    }
}
