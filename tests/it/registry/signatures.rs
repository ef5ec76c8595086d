//! Components that have to be signed.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use host::oci::{ContentDigest, SignatureKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::registry::{Answer, FakeRegistry};
use crate::support::{RoutesDir, TestServer, host, log, plain_saying, run, text, wait_until};

/// Somebody who signs.
struct Signer {
    pair: EcdsaKeyPair,
    directory: TempDir,
}

impl Signer {
    fn new() -> Self {
        let made = rcgen::KeyPair::generate().expect("it can be made");
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.serialized_der(), &SystemRandom::new());
        let directory = TempDir::new().expect("a directory can be made");
        fs::write(directory.path().join("key.pub"), made.public_key_pem()).expect("it can be written");
        Self { pair: pair.expect("it is of that kind"), directory }
    }

    /// The file of the public key.
    fn file(&self) -> PathBuf {
        self.directory.path().join("key.pub")
    }

    fn key(&self) -> SignatureKey {
        SignatureKey::read(&self.file()).expect("it is a key")
    }

    /// A layer of a signature as cosign makes it, and what it signs.
    fn sign(&self, digest: &ContentDigest) -> (Value, Vec<u8>) {
        let image = json!({ "docker-manifest-digest": digest.to_string() });
        let identity = json!({ "docker-reference": "" });
        let critical = json!({ "identity": identity, "image": image, "type": "cosign container image signature" });
        let signed = json!({ "critical": critical, "optional": null }).to_string().into_bytes();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).expect("it can sign");
        let annotations = json!({ "dev.cosignproject.cosign/signature": BASE64_STANDARD.encode(signature) });
        let layer = json!({
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": ContentDigest::of(&signed).to_string(),
            "size": signed.len(),
            "annotations": annotations,
        });
        (layer, signed)
    }
}

/// Puts the signatures of a manifest beside it.
fn put(registry: &FakeRegistry, digest: &ContentDigest, signatures: &[(Value, Vec<u8>)]) {
    for (_, signed) in signatures {
        registry.put(&format!("/v2/it/blobs/{}", ContentDigest::of(signed)), Answer::Content(signed.clone()));
    }
    let layers: Vec<&Value> = signatures.iter().map(|(layer, _)| layer).collect();
    registry.push_manifest(&format!("sha256-{}.sig", digest.hex()), &json!({ "layers": layers }));
}

fn serve(registry: &FakeRegistry, cache: &TempDir, keys: &[&Signer]) -> TestServer {
    let routes = RoutesDir::new().with_file("it.toml", &format!("component = \"{}\"", registry.reference("it:1")));
    let server = TestServer::builder(routes).config(|config| {
        config.cache_directory = Some(cache.path().to_owned());
        config.oci.keys = keys.iter().map(|signer| signer.key()).collect();
    });
    server.watched().start()
}

#[track_caller]
fn assert_refused(server: &TestServer, reason: &str) {
    let told: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains(reason), "{reason} is not in {told:?}");
    assert!(server.get("/it").starts_with("HTTP/1.1 404 "));
}

fn cache() -> TempDir {
    TempDir::new().expect("a directory can be made")
}

#[test]
fn what_is_signed_by_one_of_the_keys_is_served() {
    let (registry, mine, other) = (FakeRegistry::start(), Signer::new(), Signer::new());
    let [digest, _] = registry.push("1", &plain_saying("right"));
    put(&registry, &digest, &[other.sign(&digest), mine.sign(&digest)]);
    let cache = cache();
    let server = serve(&registry, &cache, &[&mine]);
    assert!(server.diagnostics().is_empty(), "{:?}", server.diagnostics());
    assert!(server.get("/it").contains("\r\nright\r\n"));
    drop(server);
    // The registry is away, and so is its signature. What was accepted is kept, and looked at again.
    registry.remove(&format!("/v2/it/manifests/sha256-{}.sig", digest.hex()));
    assert!(serve(&registry, &cache, &[&mine]).get("/it").contains("\r\nright\r\n"));
    assert_refused(&serve(&registry, &cache, &[&Signer::new()]), "it is not signed");
}

#[test]
fn what_is_not_signed_so_is_refused() {
    let (registry, mine, other) = (FakeRegistry::start(), Signer::new(), Signer::new());
    let [digest, _] = registry.push("1", &plain_saying("right"));
    assert_refused(&serve(&registry, &cache(), &[&mine]), "its signature is not accepted: it is not signed");
    put(&registry, &digest, &[other.sign(&digest)]);
    assert_refused(&serve(&registry, &cache(), &[&mine]), "none of its signatures is by a key of --oci-key");
    let another = ContentDigest::of(b"another manifest");
    put(&registry, &digest, &[mine.sign(&another)]);
    assert_refused(&serve(&registry, &cache(), &[&mine]), "what is signed is another digest");
    let (layer, mut signed) = mine.sign(&digest);
    *signed.last_mut().expect("it has bytes") ^= 1;
    put(&registry, &digest, &[(layer.clone(), Vec::new())]);
    let place = format!("/v2/it/blobs/{}", layer["digest"].as_str().expect("it has one"));
    registry.put(&place, Answer::Content(signed));
    assert_refused(&serve(&registry, &cache(), &[&mine]), "others than its digest says");
    assert!(serve(&registry, &cache(), &[]).get("/it").contains("\r\nright\r\n"), "without keys, nobody asks");
}

#[test]
fn a_new_version_that_is_not_signed_leaves_the_one_before_it_also_after_a_restart() {
    let (registry, mine) = (FakeRegistry::start(), Signer::new());
    let [digest, _] = registry.push("1", &plain_saying("right"));
    put(&registry, &digest, &[mine.sign(&digest)]);
    let cache = cache();
    let server = serve(&registry, &cache, &[&mine]);
    let [digest, _] = registry.push("1", &plain_saying("other"));
    server.reload();
    let reference = registry.reference("it:1");
    log().wait_for(&[
        "WARN",
        &reference,
        "is not served: its signature is not accepted: it is not signed",
        "still serves",
    ]);
    assert!(server.get("/it").contains("\r\nright\r\n"));
    drop(server);
    let server = serve(&registry, &cache, &[&mine]);
    assert!(server.get("/it").contains("\r\nright\r\n"));
    put(&registry, &digest, &[mine.sign(&digest)]);
    server.reload();
    wait_until("the signed version is served", || server.get("/it").contains("\r\nother\r\n"));
}

#[test]
fn a_file_that_is_no_key_is_an_error_of_the_command() {
    let directory = cache();
    let file = directory.path().join("key.pub");
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("it can be made");
    for (content, reason) in [
        (None, "cannot read the key in "),
        (Some("no key".to_owned()), "is not in the PEM form"),
        (Some(p384.public_key_pem()), "is not one of ECDSA over P-256"),
    ] {
        content.iter().for_each(|content| fs::write(&file, content).expect("it can be written"));
        let output = run(host(&["check", "--oci-key"]).arg(&file).arg(directory.path()));
        assert!(!output.status.success() && text(&output.stderr).contains(reason), "{output:?}");
    }
}
