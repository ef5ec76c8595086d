//! The manifest of a component: which blob has its bytes.

use serde_json::{Value, json};
use thiserror::Error;

use super::digest::ContentDigest;

/// The largest manifest that is read, in bytes: what registries have to take (OCI distribution specification).
pub(super) const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// The largest component that is read, in bytes.
pub const MAX_COMPONENT: u64 = 64 * 1024 * 1024;

/// The media type of manifests.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What clients say that they read.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// The media types of the layer that is a component: of today, and of tools before that.
const COMPONENT: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// The media type of the configuration of a component.
pub(super) const CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// What the media type of a list of manifests contains.
const LISTS: [&str; 2] = ["image.index", "manifest.list"];

/// A blob as its manifest describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) digest: ContentDigest,
    pub(super) size: u64,
}

/// Why a manifest is not that of a component.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// It is no manifest.
    #[error("it is no manifest of an OCI artifact")]
    Form,
    /// It is a list of manifests.
    #[error("it is an index, a list of artifacts for several platforms, and no component")]
    Index,
    /// It is something else.
    #[error("it has {0} layers of the type application/wasm, and a component has one")]
    Layers(usize),
    /// The component is too large.
    #[error("the component has {0} bytes, and at most {MAX_COMPONENT} are read")]
    TooLarge(u64),
}

/// The blob of the component.
pub(super) fn component(manifest: &[u8]) -> Result<Descriptor, ManifestError> {
    let manifest: Value = serde_json::from_slice(manifest).map_err(|_| ManifestError::Form)?;
    let media_type = manifest["mediaType"].as_str().unwrap_or_default();
    if LISTS.iter().any(|list| media_type.contains(list)) || manifest.get("manifests").is_some() {
        return Err(ManifestError::Index);
    }
    let layers = manifest["layers"].as_array().ok_or(ManifestError::Form)?;
    let is_component = |layer: &&Value| layer["mediaType"].as_str().is_some_and(|it| COMPONENT.contains(&it));
    let components: Vec<&Value> = layers.iter().filter(is_component).collect();
    let [component] = components[..] else { return Err(ManifestError::Layers(components.len())) };
    let descriptor = descriptor(component).ok_or(ManifestError::Form)?;
    if descriptor.size > MAX_COMPONENT {
        return Err(ManifestError::TooLarge(descriptor.size));
    }
    Ok(descriptor)
}

/// What a manifest says of a blob.
pub(super) fn descriptor(value: &Value) -> Option<Descriptor> {
    Some(Descriptor { digest: value["digest"].as_str()?.parse().ok()?, size: value["size"].as_u64()? })
}

/// The manifest of a component and its configuration.
pub(super) fn write(config: &[u8], component: &[u8]) -> Vec<u8> {
    let describe = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": ContentDigest::of(bytes).to_string(), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(CONFIG, config),
        "layers": [describe(COMPONENT[0], component)],
    });
    manifest.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_component_is_the_one_layer_of_its_type() {
        let layer = |media_type: &str, size: u64| json!({ "mediaType": media_type, "digest": DIGEST, "size": size });
        let found = |layers: Value| component(json!({ "layers": layers }).to_string().as_bytes());
        let expected = Descriptor { digest: ContentDigest::of(b"abc"), size: 3 };
        for media_type in COMPONENT {
            assert_eq!(found(json!([layer(media_type, 3)])), Ok(expected), "{media_type}");
            assert_eq!(found(json!([layer("text/plain", 1), layer(media_type, 3)])), Ok(expected), "{media_type}");
        }
        assert_eq!(found(json!([])), Err(ManifestError::Layers(0)));
        assert_eq!(found(json!([layer("text/plain", 1)])), Err(ManifestError::Layers(0)));
        assert_eq!(found(json!([layer(COMPONENT[0], 1), layer(COMPONENT[0], 1)])), Err(ManifestError::Layers(2)));
        assert_eq!(found(json!([layer(COMPONENT[0], MAX_COMPONENT)])).map(|it| it.size), Ok(MAX_COMPONENT));
        let large = MAX_COMPONENT + 1;
        assert_eq!(found(json!([layer(COMPONENT[0], large)])), Err(ManifestError::TooLarge(large)));
        assert_eq!(component(&write(b"{}", b"abc")), Ok(expected));
    }

    #[test]
    fn what_is_no_manifest_of_a_component_is_told_apart() {
        for (text, error) in [
            ("", ManifestError::Form),
            ("[]", ManifestError::Form),
            ("{}", ManifestError::Form),
            (r#"{"layers": 1}"#, ManifestError::Form),
            (r#"{"layers": [1]}"#, ManifestError::Layers(0)),
            (r#"{"layers": [{"mediaType": "application/wasm"}]}"#, ManifestError::Form),
            (
                r#"{"layers": [{"mediaType": "application/wasm", "digest": "sha256:0", "size": 1}]}"#,
                ManifestError::Form,
            ),
            (r#"{"manifests": []}"#, ManifestError::Index),
            (r#"{"mediaType": "application/vnd.oci.image.index.v1+json"}"#, ManifestError::Index),
            (r#"{"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}"#, ManifestError::Index),
        ] {
            assert_eq!(component(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(component("[".repeat(1 << 20).as_bytes()), Err(ManifestError::Form));
    }
}
