//! `host push`: pushes a component to a registry.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use host::config::Config;
use host::diagnostic::Severity;
use host::oci::{self, ComponentReference, MAX_COMPONENT, OciSettings, PushedComponent};
use host::server::Server;

use super::options::Loading;

/// The arguments of `host push`.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// The component. It is checked before, as `host check` does.
    file: PathBuf,

    /// Where to, with a tag, as in oci://registry.example/shop/cart:1.2.
    reference: ComponentReference,

    /// Another tag for it; can be given several times.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,

    #[command(flatten)]
    loading: Loading,
}

impl Push {
    /// Prints the reference with the digest, for `component` in NAME.toml. The exit code is 1 if this host cannot serve the
    /// component.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { file, reference, tag: tags, loading } = self;
        let shown = file.display();
        anyhow::ensure!(
            reference.is_tag(),
            "a component is pushed under a tag, and its digest follows; write one behind `{}`",
            reference.repository
        );
        for tag in &tags {
            let other = format!("{}:{tag}", reference.repository).parse::<ComponentReference>();
            other.with_context(|| format!("`{tag}` is no tag"))?;
        }
        let metadata = std::fs::metadata(&file).with_context(|| format!("cannot read {shown}; name a component"))?;
        anyhow::ensure!(metadata.is_file(), "{shown} is no file; name a component");
        anyhow::ensure!(
            metadata.len() <= MAX_COMPONENT,
            "{shown} has more than {MAX_COMPONENT} bytes, and such a component is not fetched"
        );
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {shown}; name a component"))?;
        let config = Config { open_state: false, ..loading.config(file.clone())? };
        let settings = OciSettings { authorities: config.authorities.clone(), ..config.oci.clone() };
        let (_, diagnostics) = Server::new(config)?;
        for diagnostic in &diagnostics {
            eprintln!("{diagnostic}");
        }
        if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Ok(ExitCode::FAILURE);
        }
        let component = PushedComponent { bytes, created: metadata.modified()? };
        let pushed = oci::push(&settings, component, &reference, &tags);
        let pushed = pushed.map_err(|error| anyhow::anyhow!("{error}; {}", error.remedy()));
        println!("{}", pushed.with_context(|| format!("cannot push {shown}"))?);
        Ok(ExitCode::SUCCESS)
    }
}
