//! `host dev`: builds a project, serves it in development mode, and builds it again when its sources change.

mod build;
mod build_loop;
mod output;
mod project;
mod staging;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use host::dev::DevState;
use host::net::ListenSpec;
use host::text::printable;

use self::build_loop::BuildLoop;
use self::project::Project;
use self::staging::Staging;
use super::options::Loading;
use super::run::Run;

/// The arguments of `host dev`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Dev {
    /// A project as `host new` makes it, with a Cargo.toml or a program `build`; or a directory of components and
    /// scripts, which is served as it is.
    #[arg(value_name = "PROJECT|DIR", default_value = ".")]
    path: PathBuf,

    /// Address to listen on, of this machine alone; can be given several times. Port 0 takes a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", help_heading = "Server")]
    listen: Vec<ListenSpec>,

    /// Another host name to serve, without a port; see `host run --dev-host`.
    #[arg(long, value_name = "NAME", value_parser = super::run::host_name, help_heading = "Server")]
    dev_host: Vec<String>,

    #[command(flatten)]
    loading: Loading,
}

impl Dev {
    /// Serves until SIGINT or SIGTERM, which end a build too.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let project = Project::recognise(&self.path)?;
        let dev = Arc::new(DevState::new(true));
        match project {
            Project::Routes(routes) => {
                let run = Run::for_dev(routes, self.loading, self.listen, self.dev_host)?;
                let name = printable(&self.path.to_string_lossy());
                run.serve(Some(dev), || {
                    tracing::info!(target: "dev", "serving the routes in {name}; nothing is to be built");
                    Ok(())
                })
            }
            Project::Built(built) => {
                // It is removed after the server has ended.
                let staging = Arc::new(Staging::new(built.root(), dev.origins().clone())?);
                let run = Run::for_dev(staging.routes().to_owned(), self.loading, self.listen, self.dev_host)?;
                run.serve(Some(dev.clone()), || BuildLoop::start(built, staging.clone(), dev))
            }
        }
    }
}
