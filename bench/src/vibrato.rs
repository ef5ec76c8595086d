//! Vibrato's host as a process, with a routes directory that is built for the measurement.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::machine::Place;
use crate::server::{Listening, Server};
use crate::setup::{self, Setup};

/// A routes directory under construction.
pub struct Routes<'a> {
    setup: &'a Setup,
    files: TempDir,
    environment: Option<(&'a str, &'a str)>,
    flags: &'a [&'a str],
    certificate: Option<&'a Certificate>,
}

impl<'a> Routes<'a> {
    /// An empty directory.
    pub fn new(setup: &'a Setup) -> anyhow::Result<Self> {
        let files = setup::folder()?;
        fs::create_dir(files.path().join("routes"))?;
        Ok(Self { setup, files, environment: None, flags: &[], certificate: None })
    }

    /// The routes of these handlers, as they declare themselves.
    pub fn of(setup: &'a Setup, handlers: &[&str]) -> anyhow::Result<Self> {
        let routes = Self::new(setup)?;
        for handler in handlers {
            routes.add(handler, handler, "")?;
        }
        Ok(routes)
    }

    /// Sets an environment variable of the host.
    pub fn with(self, name: &'a str, value: &'a str) -> Self {
        Self { environment: Some((name, value)), ..self }
    }

    /// Sets flags of `host run`.
    pub fn flags(self, flags: &'a [&'a str]) -> Self {
        Self { flags, ..self }
    }

    /// Speaks TLS.
    pub fn tls(self, certificate: &'a Certificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// Adds a route: a handler under another name, with the text of its `NAME.toml`.
    pub fn add(&self, name: &str, handler: &str, options: &str) -> anyhow::Result<()> {
        self.add_component(name, &self.component(handler)?, options)
    }

    /// Adds a route with the bytes of a component.
    pub fn add_component(&self, name: &str, component: &[u8], options: &str) -> anyhow::Result<()> {
        let folder = self.files.path().join("routes");
        fs::write(folder.join(format!("{name}.wasm")), component)?;
        if !options.is_empty() {
            fs::write(folder.join(format!("{name}.toml")), options)?;
        }
        Ok(())
    }

    /// The bytes of a component that `make bench` has built.
    pub fn component(&self, handler: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.setup.handlers.join(format!("{handler}.wasm"));
        fs::read(&path).with_context(|| format!("cannot read {}: `make bench` builds it", path.display()))
    }

    /// Serves the routes on the server's core, with the compile cache of this run.
    pub fn serve(self) -> anyhow::Result<Server> {
        let compiled = self.setup.compiled.path().to_owned();
        self.serve_at(Place::ServerCore, &compiled)
    }

    /// Serves the routes at `place`, with the compile cache in `compiled`. Returns when all are loaded.
    pub fn serve_at(self, place: Place, compiled: &Path) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.setup.host);
        command.args(["run", "--listen"]);
        match self.certificate {
            Some(certificate) => {
                command.arg("https://127.0.0.1:0").arg("--tls-cert").arg(certificate.file());
                command.arg("--tls-key").arg(certificate.key())
            }
            None => command.arg("127.0.0.1:0"),
        };
        command.args(["--workers", "1", "--routes"]);
        command
            .arg(self.files.path().join("routes"))
            .arg("--cache-dir")
            .arg(compiled)
            .env("RUST_LOG", "warn,server=info");
        command.args(self.flags).envs(self.environment);
        let server = Server::start(&self.setup.cores, place, command, Listening::Printed, self.files);
        let server = server.context("Vibrato")?;
        server.wait_for("routes loaded").context("Vibrato")?;
        Ok(server)
    }
}
