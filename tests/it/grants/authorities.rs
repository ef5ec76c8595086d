//! Servers with TLS, whose authorities `--ca` names.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Process, RoutesDir, guest, host, run, text};

/// A new authority. Those with different names are different authorities.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("valid parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A server at 127.0.0.1 whose certificate `authority` has signed. It answers each connection once. Returns its port.
fn serve(authority: &CertifiedIssuer<'static, KeyPair>) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("valid parameters");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("there are versions").with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).expect("the key fits"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || {
                let connection = ServerConnection::new(config).expect("a valid configuration");
                let mut stream = StreamOwned::new(connection, stream);
                if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    let _ = stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 6\r\n\r\nsecret");
                    let _ = stream.read(&mut [0]);
                }
            });
        }
    });
    port
}

fn routes(port: u16) -> RoutesDir {
    let file = format!("path = '/calls'\n[grant]\nhttp = ['https://127.0.0.1:{port}']\n");
    RoutesDir::new().with_as("calls.wasm", guest::CALLS).with_file("calls.toml", &file)
}

#[test]
fn a_server_of_an_authority_in_the_file_is_called_and_one_of_another_is_not() {
    let (trusted, other) = (authority("trusted"), authority("other"));
    let files = RoutesDir::new().with_file("ca.pem", &format!("{}{}", authority("unused").pem(), trusted.pem()));
    let ca = files.path().join("ca.pem");
    let ca = ["--ca", ca.to_str().expect("a path of a test is text")];
    let table = [(&trusted, &ca[..], "get: 200 secret\n"), (&trusted, &[], "get: tls\n"), (&other, &ca, "get: tls\n")];
    for (authority, arguments, expected) in table {
        let port = serve(authority);
        let process = Process::start(&routes(port), arguments);
        let response = process.get(&format!("/calls?get=https://127.0.0.1:{port}/"));
        assert!(response.contains(expected), "{arguments:?}: {response}");
        if expected.contains("tls") {
            process.stderr().wait_for(&["handler calls could not call https://127.0.0.1", "UnknownIssuer"]);
        }
    }
}

#[test]
fn one_call_of_a_component_trusts_the_file_too() {
    let trusted = authority("trusted");
    let port = serve(&trusted);
    let routes = routes(port).with_file("ca.pem", &trusted.pem());
    let path = |name: &str| routes.path().join(name);
    let target = format!("/calls?get=https://127.0.0.1:{port}/");
    let mut call = host(&["call", "--path", &target, "--cache-dir"]);
    call.arg(crate::support::compile_cache()).arg("--grant").arg(path("calls.toml"));
    let output = run(call.arg("--ca").arg(path("ca.pem")).arg(path("calls.wasm")));
    assert_eq!(text(&output.stdout).lines().last(), Some("get: 200 secret"), "{}", text(&output.stderr));
}

#[test]
fn a_file_without_an_authority_is_refused_with_its_name() {
    let files = RoutesDir::new().with_file("empty.pem", "");
    for (name, reason) in [("empty.pem", "no certificate"), ("missing.pem", "No such file")] {
        let path = files.path().join(name);
        let output =
            run(host(&["run", "--listen", "127.0.0.1:0", "--ca"]).arg(&path).arg("--routes").arg(files.path()));
        let printed = text(&output.stderr);
        assert!(!output.status.success());
        assert!(
            printed.contains(path.to_str().expect("a path of a test is text")) && printed.contains(reason),
            "{printed}"
        );
    }
}
