//! Pushes a component to a registry.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;
use tokio::time::timeout;
use wasmparser::{Parser, Payload};

use super::client::RegistryClient;
use super::components::OciSettings;
use super::digest::ContentDigest;
use super::error::OciError;
use super::manifest::{self, MAX_COMPONENT, ManifestError};
use super::reference::{ComponentReference, TagOrDigest};
use crate::outbound::UpstreamClient;
use crate::text::date_and_time;

/// How long it may take.
const PUSH_TIMEOUT: Duration = Duration::from_secs(300);

/// A component to push.
#[derive(Debug)]
pub struct PushedComponent {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was made. The same bytes of the same time have the same digest.
    pub created: SystemTime,
}

/// Pushes a component under a tag, and under more tags of the same repository. Returns it by its digest.
///
/// # Errors
/// See [`OciError`].
pub fn push(
    settings: &OciSettings,
    component: PushedComponent,
    reference: &ComponentReference,
    tags: &[String],
) -> Result<ComponentReference, OciError> {
    let size = component.bytes.len() as u64;
    if size > MAX_COMPONENT {
        return Err(ManifestError::TooLarge(size).into());
    }
    let client = UpstreamClient::new(1, settings.authorities.clone());
    let client = RegistryClient::new(client, settings.insecure.clone(), settings.docker_config.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = async {
        let pushed = send(&client, component, reference, tags);
        timeout(PUSH_TIMEOUT, pushed).await.unwrap_or(Err(OciError::Late(PUSH_TIMEOUT)))
    };
    Ok(reference.at(runtime.block_on(work)?))
}

async fn send(
    client: &RegistryClient,
    component: PushedComponent,
    reference: &ComponentReference,
    tags: &[String],
) -> Result<ContentDigest, OciError> {
    let config = config(&component);
    let manifest = manifest::write(&config, &component.bytes);
    let digest = ContentDigest::of(&manifest);
    client.push_blob(&reference.repository, Bytes::from(component.bytes)).await?;
    client.push_blob(&reference.repository, Bytes::from(config)).await?;
    let manifest = Bytes::from(manifest);
    client.push_manifest(&reference.repository, &reference.version, manifest.clone()).await?;
    for tag in tags {
        client.push_manifest(&reference.repository, &TagOrDigest::Tag(tag.clone()), manifest.clone()).await?;
    }
    Ok(digest)
}

/// The configuration that describes a component, as other tools of WebAssembly write it.
fn config(component: &PushedComponent) -> Vec<u8> {
    let PushedComponent { bytes, created } = component;
    let (imports, exports) = interfaces(bytes);
    let config = json!({
        "created": date_and_time(*created),
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [ContentDigest::of(bytes).to_string()],
        "component": { "imports": imports, "exports": exports },
    });
    config.to_string().into_bytes()
}

/// The names that a component imports and exports.
fn interfaces(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_u32);
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map_while(Result::ok).map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map_while(Result::ok).map(|export| export.name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_what_the_component_itself_imports_and_exports() {
        let bytes = wat::parse_str(
            r#"(component
                (import "a:b/c" (instance))
                (component (import "x" (func)) (export "y" (func 0)))
                (core module (func (export "z")))
                (instance (export "d:e/f"))
            )"#,
        );
        let component = PushedComponent { bytes: bytes.expect("it is valid"), created: SystemTime::UNIX_EPOCH };
        let config: serde_json::Value = serde_json::from_slice(&config(&component)).expect("it is JSON");
        assert_eq!(config["created"], "1970-01-01T00:00:00Z");
        assert_eq!(config["component"], json!({ "imports": ["a:b/c"], "exports": ["d:e/f"] }));
        assert_eq!(config["layerDigests"], json!([ContentDigest::of(&component.bytes).to_string()]));
    }
}
