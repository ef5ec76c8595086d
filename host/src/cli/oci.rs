//! The flags for components in registries.

use std::env;
use std::path::PathBuf;

use clap::Args;
use host::oci::{OciSettings, SignatureKey};
use host::outbound::{Origin, Scheme};

/// How components of registries are fetched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Components in registries")]
pub(super) struct OciFlags {
    /// Host, with a port or not, whose registry may be reached without TLS; can be given several times. This machine always may.
    #[arg(long, value_name = "HOST", value_parser = registry_host)]
    oci_insecure: Vec<Origin>,

    /// File of a public key (PEM, ECDSA over P-256), as `cosign generate-key-pair` makes one; can be given several times. Then a component
    /// of a registry is served only if it is signed with one of them.
    #[arg(long, value_name = "FILE")]
    oci_key: Vec<PathBuf>,
}

impl OciFlags {
    /// How components are fetched.
    pub(super) fn settings(&self) -> anyhow::Result<OciSettings> {
        let keys = self.oci_key.iter().map(|file| SignatureKey::read(file)).collect::<Result<Vec<_>, _>>()?;
        Ok(OciSettings {
            insecure: self.oci_insecure.clone(),
            keys,
            docker_config: docker_config(),
            ..OciSettings::default()
        })
    }
}

/// The file that `docker login` writes.
fn docker_config() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")));
    directory.map(|directory| directory.join("config.json"))
}

fn registry_host(text: &str) -> Result<Origin, String> {
    Origin::new(Scheme::Https, text).map_err(|error| format!("it {error}"))
}
