//! Signatures of manifests by cosign with a key: an artifact beside the manifest, with the tag `sha256-….sig`.
//!
//! What is signed is a small JSON that has the digest of the manifest ("simple signing"), with ECDSA over P-256 and SHA-256.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::{self, PemObject as _};
use serde_json::{Value, json};
use thiserror::Error;

use super::digest::ContentDigest;
use super::manifest::{Descriptor, descriptor};

/// The largest thing that is signed, in bytes.
pub(super) const MAX_SIGNED: u64 = 64 * 1024;

/// The most signatures of one manifest that are looked at.
const MAX_SIGNATURES: usize = 16;

/// The annotation of a layer that has the signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// What a P-256 key begins with as SubjectPublicKeyInfo (RFC 5480): the algorithm, and the length of the point that follows.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The length of a point that is not compressed, in bytes.
const POINT: usize = 65;

/// A public key that signatures are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureKey([u8; POINT]);

/// Why a file has no key.
#[derive(Debug, Error)]
pub enum SignatureKeyError {
    /// It cannot be read.
    #[error("cannot read the key in {}: {error}", .path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// It is not in the PEM form.
    #[error("the key in {} is not in the PEM form: {error}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// It is another kind of key.
    #[error("the key in {} is not one of ECDSA over P-256, as `cosign generate-key-pair` makes them", .path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
}

/// Why a component is not accepted as signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("it is not signed")]
    Unsigned,
    /// No signature is by one of the keys.
    #[error("none of its signatures is by a key of --oci-key")]
    OtherKey,
    /// The signature is for another manifest.
    #[error("what is signed is another digest")]
    OtherDigest,
}

impl SignatureError {
    /// What the operator can do about it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Unsigned | Self::OtherDigest => {
                "sign it: `cosign sign --key … --tlog-upload=false --new-bundle-format=false REGISTRY/NAME@sha256:…`"
            }
            Self::OtherKey => "give the public key of who has signed it with --oci-key",
        }
    }
}

/// A signature, and what it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) signed: Vec<u8>,
    signature: Vec<u8>,
}

impl SignatureKey {
    /// Reads a public key from a PEM file.
    ///
    /// # Errors
    /// See [`SignatureKeyError`].
    pub fn read(path: &Path) -> Result<Self, SignatureKeyError> {
        let text = std::fs::read(path);
        let text = text.map_err(|error| SignatureKeyError::Unread { path: path.to_owned(), error })?;
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&text);
        let der = der.map_err(|error| SignatureKeyError::Pem { path: path.to_owned(), error })?;
        let point = der.as_ref().strip_prefix(&P256).and_then(|point| point.try_into().ok());
        point.map(Self).ok_or_else(|| SignatureKeyError::Kind { path: path.to_owned() })
    }

    fn has_signed(&self, Signature { signed, signature }: &Signature) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0).verify(signed, signature).is_ok()
    }
}

impl Signature {
    /// The same as text, to be kept.
    pub(super) fn write(&self) -> Vec<u8> {
        let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        json!({ "signed": encode(&self.signed), "signature": encode(&self.signature) }).to_string().into_bytes()
    }

    /// Reads what [`Self::write`] has written.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let decode = |name: &str| BASE64_STANDARD.decode(value[name].as_str()?).ok();
        Some(Self { signed: decode("signed")?, signature: decode("signature")? })
    }

    /// With what it signs.
    pub(super) fn of(signature: Vec<u8>, signed: Vec<u8>) -> Self {
        Self { signed, signature }
    }

    /// Checks that one of the keys has signed this manifest.
    pub(super) fn verify(&self, keys: &[SignatureKey], manifest: &ContentDigest) -> Result<(), SignatureError> {
        if !keys.iter().any(|key| key.has_signed(self)) {
            return Err(SignatureError::OtherKey);
        }
        let signed: Value = serde_json::from_slice(&self.signed).unwrap_or_default();
        let critical = &signed["critical"];
        let is_this = critical["image"]["docker-manifest-digest"].as_str() == Some(&manifest.to_string());
        let is_cosign = critical["type"].as_str() == Some("cosign container image signature");
        if is_this && is_cosign { Ok(()) } else { Err(SignatureError::OtherDigest) }
    }
}

/// The tag of the signatures of a manifest.
pub(super) fn tag(manifest: &ContentDigest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

/// The signatures that an artifact has: each with the blob that it signs.
pub(super) fn signatures(artifact: &[u8]) -> Vec<(Vec<u8>, Descriptor)> {
    let artifact: Value = serde_json::from_slice(artifact).unwrap_or_default();
    let layers = artifact["layers"].as_array().into_iter().flatten().take(MAX_SIGNATURES);
    let signature = |layer: &Value| {
        let signature = BASE64_STANDARD.decode(layer["annotations"][SIGNATURE].as_str()?).ok()?;
        Some((signature, descriptor(layer).filter(|it| it.size <= MAX_SIGNED)?))
    };
    layers.filter_map(signature).collect()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    fn key_pair() -> EcdsaKeyPair {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("it can be made");
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random).expect("it was made so")
    }

    fn public(pair: &EcdsaKeyPair) -> SignatureKey {
        SignatureKey(pair.public_key().as_ref().try_into().expect("it is a point"))
    }

    fn sign(pair: &EcdsaKeyPair, signed: &str) -> Signature {
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("it can sign");
        Signature::of(signature.as_ref().to_vec(), signed.as_bytes().to_vec())
    }

    fn payload(digest: &ContentDigest) -> String {
        let image = json!({ "docker-manifest-digest": digest.to_string() });
        json!({ "critical": { "image": image, "type": "cosign container image signature" }, "optional": null })
            .to_string()
    }

    #[test]
    fn a_signature_is_accepted_of_one_of_the_keys_and_for_its_manifest_alone() {
        let (mine, other) = (key_pair(), key_pair());
        let (digest, another) = (ContentDigest::of(b"1"), ContentDigest::of(b"2"));
        let signature = sign(&mine, &payload(&digest));
        let keys = [public(&other), public(&mine)];
        assert_eq!(signature.verify(&keys, &digest), Ok(()));
        assert_eq!(signature.verify(&keys[..1], &digest), Err(SignatureError::OtherKey));
        assert_eq!(signature.verify(&[], &digest), Err(SignatureError::OtherKey));
        assert_eq!(signature.verify(&keys, &another), Err(SignatureError::OtherDigest));
        let altered = Signature { signed: payload(&another).into_bytes(), ..signature.clone() };
        assert_eq!(altered.verify(&keys, &another), Err(SignatureError::OtherKey));
        assert_eq!(sign(&mine, "{}").verify(&keys, &digest), Err(SignatureError::OtherDigest));
        assert_eq!(Signature::read(&signature.write()), Some(signature));
    }

    #[test]
    fn an_artifact_has_the_signatures_of_its_annotations() {
        let digest = ContentDigest::of(b"abc");
        let layer = |signature: &str, size: u64| json!({ "digest": digest.to_string(), "size": size, "annotations": { SIGNATURE: signature } });
        let artifact = json!({ "layers": [layer("YWJj", 3), layer("%", 3), layer("YWJj", MAX_SIGNED + 1), {}] });
        let found = signatures(artifact.to_string().as_bytes());
        assert_eq!(found, [(b"abc".to_vec(), Descriptor { digest, size: 3 })]);
        let many = json!({ "layers": vec![layer("YWJj", 3); 1_000] });
        assert_eq!(signatures(many.to_string().as_bytes()).len(), MAX_SIGNATURES);
        assert!(signatures(b"").is_empty());
    }
}
