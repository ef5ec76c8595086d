//! The certificate of the rows about TLS.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::setup;

/// A certificate for `localhost` that is its own authority, with a key on the curve P-256, as most servers have.
pub struct Certificate {
    files: TempDir,
}

impl Certificate {
    /// Makes one.
    pub fn make() -> anyhow::Result<Self> {
        let certificate = Self { files: setup::folder()? };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            // A client of rustls takes no certificate of an authority for that of a server.
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(certificate.key())
            .arg("-out")
            .arg(certificate.file())
            .stdin(Stdio::null())
            .output()
            .context("cannot start openssl: `apt-get install openssl` installs it")?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(certificate)
    }

    /// The file of the certificate, in PEM.
    pub fn file(&self) -> PathBuf {
        self.files.path().join("certificate.pem")
    }

    /// The file of its key, in PEM.
    pub fn key(&self) -> PathBuf {
        self.files.path().join("key.pem")
    }
}
