//! Servers with TLS.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A new authority.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// Answers with a certificate for `name`, which may have expired.
async fn server(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    has_expired: bool,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Upstream {
    let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
    if has_expired {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Upstream::new(move |_, accepted| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(accepted.stream).await else { return };
            if stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 6\r\n\r\nsecret").await.is_ok() {
                drain(&mut stream).await;
            }
        }
    })
    .await
}

fn trusting(roots: &[&CertifiedIssuer<'static, KeyPair>]) -> Arc<HttpGrant> {
    let roots = roots.iter().map(|root| root.der().clone()).collect();
    let private = vec!["127.0.0.1/32".parse().expect("a network")];
    let resolver = StubResolver::new(&[("a.example", &["127.0.0.1"])]);
    let client = UpstreamClient::new(16, roots).with_resolver(resolver);
    grant_of(client, &["https://a.example:*"], HttpLimits { private, ..HttpLimits::default() })
}

#[test]
fn a_server_is_reached_if_its_certificate_is_of_a_trusted_authority() {
    on_a_worker(async {
        let authority = authority();
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let upstream = server(&authority, "a.example", false, &[version]).await;
            let grant = trusting(&[&authority]);
            assert_eq!(get(&grant, &format!("https://a.example:{}/", upstream.port)).await, ok("secret"));
        }
    });
}

#[test]
fn a_certificate_that_is_not_accepted_is_told_with_the_reason() {
    on_a_worker(async {
        let authority = authority();
        let both = [&rustls::version::TLS12, &rustls::version::TLS13];
        let table = [
            (server(&authority, "a.example", false, &both).await, trusting(&[]), "UnknownIssuer"),
            (server(&authority, "b.example", false, &both).await, trusting(&[&authority]), "not valid for name"),
            (server(&authority, "a.example", true, &both).await, trusting(&[&authority]), "expired"),
        ];
        for (upstream, grant, reason) in table {
            let failure = get(&grant, &format!("https://a.example:{}/", upstream.port)).await;
            let Err(UpstreamFailure::Certificate(text)) = failure else { panic!("{reason}: {failure:?}") };
            assert!(text.contains(reason), "{text}");
        }
    });
}

#[test]
fn a_server_without_tls_is_told() {
    on_a_worker(async {
        let upstream = Upstream::answering(b"HTTP/1.1 200 x\r\n\r\n").await;
        let plain = Upstream::new(|_, mut accepted| async move {
            accepted.write(b"HTTP/1.1 400 x\r\n\r\n").await;
            accepted.closed().await;
        })
        .await;
        drop(upstream);
        let failure = get(&trusting(&[]), &format!("https://a.example:{}/", plain.port)).await;
        assert!(matches!(failure, Err(UpstreamFailure::Tls(_))), "{failure:?}");
    });
}

#[test]
fn a_file_of_authorities_is_read_or_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    assert!(matches!(read_ca(&path), Err(CaError::Unread { .. })));
    std::fs::write(&path, "no certificate").expect("a file");
    assert!(matches!(read_ca(&path), Err(CaError::NoRoot { .. })));
    std::fs::write(&path, format!("{}{}", authority().pem(), authority().pem())).expect("a file");
    assert_eq!(read_ca(&path).expect("two certificates").len(), 2);
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n").expect("a file");
    assert!(matches!(read_ca(&path), Err(CaError::NoRoot { .. })));
}
