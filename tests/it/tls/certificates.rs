//! Certificates: which one a client gets, and how they are replaced while the server serves.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;

use crate::support::tls::{TlsClient, VERSIONS, config};
use crate::support::wire::{HELLO_RESPONSE, get_script};
use crate::support::{Client, Process, RoutesDir, compile_cache, guest, host, run, skip, text};

const GET: &str = get!("/hello");

/// Makes a certificate for these names, in `NAME.pem` and `NAME.key` of a directory.
fn write_pair(directory: &Path, name: &str, names: &[&str]) -> CertificateDer<'static> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("it can be made");
    write(&directory.join(format!("{name}.pem")), &made.cert.pem());
    write(&directory.join(format!("{name}.key")), &made.signing_key.serialize_pem());
    made.cert.der().clone()
}

/// Writes a file that only its owner can read, in the place of what was there.
fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("it can be written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::rename(&new, path).expect("it can be renamed");
}

/// A host on a free port that speaks TLS with these pairs.
fn start(routes: &RoutesDir, directory: &Path, pairs: &[&str], more: &[&str]) -> Process {
    let mut command = host(&["run", "--listen", "https://127.0.0.1:0"]);
    command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache()).args(more);
    for pair in pairs {
        command.arg("--tls-cert").arg(directory.join(format!("{pair}.pem")));
        command.arg("--tls-key").arg(directory.join(format!("{pair}.key")));
    }
    let process = Process::spawn(command, 1);
    process.stderr().wait_for(&["routes loaded"]);
    process
}

/// A client that trusts one certificate.
fn client(process: &Process, certificate: &CertificateDer<'static>, name: &str) -> Client {
    process.connect().over_tls(TlsClient::with(config(certificate.clone(), &VERSIONS), name))
}

/// Whether a new connection for a name gets this certificate.
fn gets(process: &Process, certificate: &CertificateDer<'static>, name: &str) -> bool {
    let mut client = client(process, certificate, name);
    if client.try_send(GET).is_err() {
        return false;
    }
    client.expect(HELLO_RESPONSE);
    true
}

#[track_caller]
fn wait_until_gets(process: &Process, certificate: &CertificateDer<'static>, name: &str) {
    crate::support::wait_until("the new certificate is served", || gets(process, certificate, name));
}

fn hello() -> RoutesDir {
    RoutesDir::new().with(guest::HELLO)
}

#[test]
fn a_client_gets_the_certificate_of_the_name_it_asks_for_or_the_first() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let first = write_pair(directory.path(), "first", &["first.test", "shared.test"]);
    let wild = write_pair(directory.path(), "wild", &["*.wild.test", "shared.test", "exact.more.test"]);
    let more = write_pair(directory.path(), "more", &["*.more.test"]);
    let process = start(&routes, directory.path(), &["first", "wild", "more"], &[]);
    for (certificate, name) in [
        (&first, "first.test"),
        (&first, "FIRST.test"),
        (&first, "shared.test"),
        (&wild, "a.wild.test"),
        (&wild, "exact.more.test"),
        (&more, "other.more.test"),
    ] {
        assert!(gets(&process, certificate, name), "{name}");
    }
    // A wildcard is one label, and no certificate is for this: the client gets the first, and refuses it.
    for name in ["wild.test", "a.b.wild.test", "none.test"] {
        let mut refusing = client(&process, &first, name);
        let error = refusing.try_send(GET).expect_err("the certificate is for other names");
        assert!(error.to_string().contains("not valid for name"), "{name}: {error}");
    }
}

#[test]
fn a_changed_pair_is_served_and_open_connections_stay() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let old = write_pair(directory.path(), "it", &["it.test"]);
    let process = start(&routes, directory.path(), &["it"], &[]);
    let mut open = client(&process, &old, "it.test");
    open.send(GET);
    open.expect(HELLO_RESPONSE);
    let new = write_pair(directory.path(), "it", &["it.test", "new.test"]);
    wait_until_gets(&process, &new, "new.test");
    process.stderr().wait_for(&["certificate replaced", "new.test"]);
    open.send(GET);
    open.expect(HELLO_RESPONSE);
}

#[test]
fn a_websocket_and_a_parked_response_live_on_over_a_replacement() {
    let routes = RoutesDir::new().with(guest::MESSAGES).with(guest::SCRIPT);
    let directory = TempDir::new().expect("a directory can be made");
    let old = write_pair(directory.path(), "it", &["it.test"]);
    let process = start(&routes, directory.path(), &["it"], &[]);
    let mut websocket = client(&process, &old, "it.test");
    websocket.open_websocket("/messages");
    websocket.expect_answer("echo=before", "before");
    let mut parked = client(&process, &old, "it.test");
    parked.send(get_script("subscribe=a&write=one&manual"));
    parked.expect(ok_chunked!("3\r\none\r\n"));
    let new = write_pair(directory.path(), "it", &["it.test"]);
    crate::support::wait_until("the new certificate is served", || {
        let mut publisher = client(&process, &new, "it.test");
        publisher.try_send(get_script("publish=a:two&body=")).is_ok()
    });
    parked.expect("3\r\ntwo\r\n");
    websocket.expect_answer("echo=after", "after");
}

#[test]
fn a_directory_that_is_replaced_by_a_link_is_noticed() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let root = directory.path();
    let versions: [PathBuf; 2] = ["one", "two"].map(|name| root.join(name));
    versions.iter().for_each(|version| fs::create_dir(version).expect("it can be made"));
    let old = write_pair(&versions[0], "it", &["it.test"]);
    let new = write_pair(&versions[1], "it", &["it.test"]);
    symlink(&versions[0], root.join("data")).expect("it can be linked");
    for file in ["it.pem", "it.key"] {
        symlink(Path::new("data").join(file), root.join(file)).expect("it can be linked");
    }
    let process = start(&routes, root, &["it"], &[]);
    assert!(gets(&process, &old, "it.test"));
    symlink(&versions[1], root.join("next")).expect("it can be linked");
    fs::rename(root.join("next"), root.join("data")).expect("it can be renamed");
    wait_until_gets(&process, &new, "it.test");
}

#[test]
fn a_broken_pair_keeps_the_old_one_and_the_log_says_why() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let root = directory.path();
    let old = write_pair(root, "it", &["it.test"]);
    let process = start(&routes, root, &["it"], &[]);
    write(&root.join("it.pem"), "no certificate\n");
    process.stderr().wait_for(&["ERROR", "the one before it stays", "it.pem has no certificate"]);
    assert!(gets(&process, &old, "it.test"));
    write_pair(root, "other", &["it.test"]);
    fs::rename(root.join("other.pem"), root.join("it.pem")).expect("it can be renamed");
    process.stderr().wait_for(&["ERROR", "it.key does not fit the certificate in"]);
    assert!(gets(&process, &old, "it.test"));
    fs::remove_file(root.join("it.pem")).expect("it is there");
    process.stderr().wait_for(&["ERROR", "cannot read", "it.pem"]);
    assert!(gets(&process, &old, "it.test"));
    let new = write_pair(root, "it", &["it.test"]);
    wait_until_gets(&process, &new, "it.test");
}

#[test]
fn without_a_watcher_a_signal_reads_the_files_again() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let old = write_pair(directory.path(), "it", &["it.test"]);
    let process = start(&routes, directory.path(), &["it"], &["--no-watch"]);
    assert!(gets(&process, &old, "it.test"));
    let new = write_pair(directory.path(), "it", &["it.test"]);
    process.signal("HUP");
    wait_until_gets(&process, &new, "it.test");
}

#[test]
fn no_handshake_fails_while_certificates_are_replaced() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    // One key, so that each certificate fits it at any time.
    let key = rcgen::KeyPair::generate().expect("it can be made");
    let make = |serial: u64| {
        let mut params = rcgen::CertificateParams::new(["it.test".to_owned()]).expect("it is a name");
        params.serial_number = Some(serial.into());
        params.self_signed(&key).expect("it can be made")
    };
    write(&directory.path().join("it.key"), &key.serialize_pem());
    let certificates: Vec<_> = (1..6).map(make).collect();
    write(&directory.path().join("it.pem"), &certificates[0].pem());
    let process = start(&routes, directory.path(), &["it"], &[]);
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.der().clone()).expect("it is a certificate");
    }
    let mut trusting_all = (*config(certificates[0].der().clone(), &VERSIONS)).clone();
    trusting_all.dangerous().set_certificate_verifier(
        rustls::client::WebPkiServerVerifier::builder_with_provider(
            std::sync::Arc::new(roots),
            std::sync::Arc::new(rustls::crypto::ring::default_provider()),
        )
        .build()
        .expect("there are roots"),
    );
    trusting_all.resumption = rustls::client::Resumption::disabled();
    let trusting_all = std::sync::Arc::new(trusting_all);
    for certificate in &certificates[1..] {
        write(&directory.path().join("it.pem"), &certificate.pem());
        process.signal("HUP");
        crate::support::wait_until("the new certificate is served", || {
            let mut client = process.connect().over_tls(TlsClient::with(trusting_all.clone(), "it.test"));
            client.send(GET);
            client.expect(HELLO_RESPONSE);
            let served = client.tls().connection().peer_certificates().and_then(|chain| chain.first().cloned());
            served.as_ref() == Some(certificate.der())
        });
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_at_the_start() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let root = directory.path();
    write_pair(root, "it", &["it.test"]);
    write_pair(root, "other", &["it.test"]);
    let path = |name: &str| root.join(name).display().to_string();
    let (it, it_key, other_key) = (path("it.pem"), path("it.key"), path("other.key"));
    let https = "https://127.0.0.1:0";
    for (arguments, message) in [
        (vec!["--listen", https], "--listen https:// needs a certificate"),
        (vec!["--listen", https, "--tls-cert", &it], "there are 1 certificates and 0 keys"),
        (vec!["--listen", "127.0.0.1:0", "--tls-cert", &it, "--tls-key", &it_key], "no listener speaks TLS"),
        (vec!["--listen", https, "--tls-cert", &it, "--tls-key", &other_key], "does not fit the certificate"),
        (vec!["--listen", https, "--tls-cert", &it_key, "--tls-key", &it_key], "has no certificate"),
        (vec!["--listen", https, "--tls-cert", &it, "--tls-key", &it], "has no private key"),
        (vec!["--listen", https, "--tls-cert", "/none.pem", "--tls-key", &it_key], "cannot read /none.pem"),
    ] {
        let mut command = host(&["run"]);
        command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache()).args(&arguments);
        let output = run(&mut command);
        let printed = text(&output.stderr);
        assert!(!output.status.success() && printed.contains(message), "{arguments:?}: {printed}");
    }
}

/// Makes a certificate that is valid from so many days ago until in so many days, and its key.
fn write_dated(directory: &Path, name: &str, days_ago: i64, days_left: i64) {
    let in_days = |days: i64| {
        let (now, distance) = (SystemTime::now(), Duration::from_secs(days.unsigned_abs() * 86_400));
        if days < 0 { now - distance } else { now + distance }
    };
    let names = if name == "unnamed" { Vec::new() } else { vec!["it.test".to_owned()] };
    let mut params = rcgen::CertificateParams::new(names).expect("it is a name");
    params.not_before = in_days(-days_ago).into();
    params.not_after = in_days(days_left).into();
    let key = rcgen::KeyPair::generate().expect("it can be made");
    write(&directory.join(format!("{name}.pem")), &params.self_signed(&key).expect("it can be made").pem());
    write(&directory.join(format!("{name}.key")), &key.serialize_pem());
}

#[test]
fn a_certificate_that_clients_refuse_or_will_and_a_key_that_others_read_are_warned_of_and_served() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let root = directory.path();
    for (name, days_ago, days_left) in [
        ("expired", 90, -1),
        ("ending", 84, 6),
        ("good", 60, 30),
        ("short", 5, 1),
        ("early", -1, 90),
        ("unnamed", 1, 90),
    ] {
        write_dated(root, name, days_ago, days_left);
    }
    write_dated(root, "open", 1, 90);
    fs::set_permissions(root.join("open.key"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let all = ["good", "expired", "ending", "short", "early", "unnamed", "open"];
    let process = start(&routes, root, &all, &[]);
    let said = |name: &str| process.stderr().with(&["WARN", &format!("{name}.")]);
    for (name, warning) in [
        ("expired", "expired.pem has expired on "),
        ("ending", "ending.pem expires on "),
        ("early", "early.pem is valid from "),
        ("unnamed", "unnamed.pem names no host; clients refuse it: it needs a subjectAltName"),
        ("open", "everybody on this machine can read the private key in "),
    ] {
        let said = said(name);
        assert!(said.len() == 1 && said[0].contains(warning), "{name}: {said:?}");
    }
    for name in ["good", "short"] {
        assert!(said(name).is_empty(), "{name}: {:?}", said(name));
    }
    let file = root.join("good.pem");
    let good = CertificateDer::from_pem_file(file).expect("it is there");
    assert!(gets(&process, &good, "it.test"));
    // One that comes later is warned of, too.
    write_dated(root, "good", 80, 3);
    process.stderr().wait_for(&["WARN", "good.pem expires on "]);
}

#[test]
fn an_encrypted_key_is_refused_with_what_to_do() {
    let (routes, directory) = (hello(), TempDir::new().expect("a directory can be made"));
    let root = directory.path();
    write_pair(root, "it", &["it.test"]);
    for (name, arguments) in
        [("pkcs8", &["pkcs8", "-topk8", "-v2", "aes-256-cbc"][..]), ("traditional", &["ec", "-aes256"])]
    {
        let file = root.join(format!("{name}.key"));
        let mut openssl = Command::new("openssl");
        openssl
            .args(arguments)
            .args(["-passout", "pass:secret", "-in"])
            .arg(root.join("it.key"))
            .arg("-out")
            .arg(&file);
        match openssl.output() {
            Ok(made) => assert!(made.status.success(), "{made:?}"),
            Err(_) => return skip("there is no openssl"),
        }
        let mut command = host(&["run", "--listen", "https://127.0.0.1:0"]);
        command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache());
        command.arg("--tls-cert").arg(root.join("it.pem")).arg("--tls-key").arg(&file);
        let output = run(&mut command);
        let expected =
            format!("is encrypted; write it without a passphrase: openssl pkey -in {} -out NEW", file.display());
        let printed = text(&output.stderr);
        assert!(!output.status.success() && printed.contains(&expected), "{name}: {printed}");
    }
}

#[test]
fn development_mode_makes_its_own_certificate_once() {
    let (routes, cache) = (hello(), TempDir::new().expect("a directory can be made"));
    let start = |more: &[&str]| {
        let mut command = host(&["run", "--dev", "--listen", "https://127.0.0.1:0"]);
        command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(cache.path()).args(more);
        let process = Process::spawn(command, 1);
        process.stderr().wait_for(&["routes loaded"]);
        process
    };
    let certificate = || CertificateDer::from_pem_file(cache.path().join("tls/localhost.pem")).expect("it is kept");
    let get = |process: &Process, name: &str| {
        let mut client = client(process, &certificate(), name);
        client.send(GET.replace("it", name));
        client.read_until("\r\n\r\n")
    };
    let process = start(&[]);
    process.stderr().wait_for(&["clients refuse until they are told to trust it", "SHA-256"]);
    let first = certificate();
    for name in ["localhost", "127.0.0.1"] {
        assert!(get(&process, name).starts_with("HTTP/1.1 200 OK\r\n"), "{name}");
    }
    drop(process);
    drop(start(&[]));
    assert_eq!(certificate(), first, "it is kept");
    let process = start(&["--dev-host", "dev.test"]);
    assert_ne!(certificate(), first, "it has another name");
    assert!(get(&process, "dev.test").starts_with("HTTP/1.1 200 OK\r\n"));
    let key = fs::metadata(cache.path().join("tls/localhost.key")).expect("it is kept");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}
