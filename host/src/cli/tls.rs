//! The flags of `host run` about TLS.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use host::certificates::{CertificateFiles, Certificates, SelfSigned, TicketKeys};
use host::config::Limits;
use host::net::{ListenSpec, Scheme};

/// Where the certificates come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS, for --listen https://")]
pub(super) struct TlsFlags {
    /// Certificate, in PEM, with those of its authorities behind it; can be given several times, each with its --tls-key. A
    /// client gets the first that has the name it asks for, or else the first. Changed files are read again.
    #[arg(long, value_name = "FILE")]
    tls_cert: Vec<PathBuf>,

    /// Private key of the --tls-cert at the same position, in PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Vec<PathBuf>,

    /// File of one to three keys of session tickets, of 80 random bytes each, that several hosts share, so that a client which comes
    /// back to another one of them resumes. The first encrypts, all decrypt. A changed file is read again; if it has one key, the two
    /// before it go on decrypting [default: keys that this process makes, and replaces every six hours].
    #[arg(long, value_name = "FILE")]
    tls_ticket_keys: Option<PathBuf>,

    /// Maximum TLS handshakes that one worker carries on at once; more wait, and while they do, a handshake that takes longer
    /// than a second is given up. Each has to be complete within --head-timeout.
    #[arg(long, value_name = "N", default_value_t = Limits::default().handshakes)]
    tls_handshakes: NonZeroUsize,
}

impl TlsFlags {
    pub(super) fn handshakes(&self) -> NonZeroUsize {
        self.tls_handshakes
    }

    /// The certificates for the listeners that speak TLS. `None` if there are no such listeners. In development mode one is
    /// made if none is given: for this machine and `dev_hosts`, kept in `cache`. `issued` are the files of those that an authority
    /// issues.
    pub(super) fn certificates(
        &self,
        listen: &[ListenSpec],
        dev_hosts: Option<&[String]>,
        cache: Option<&Path>,
        issued: Vec<CertificateFiles>,
    ) -> anyhow::Result<Option<Arc<Certificates>>> {
        let (certificates, keys) = (self.tls_cert.len(), self.tls_key.len());
        anyhow::ensure!(
            certificates == keys,
            "each --tls-cert needs its --tls-key, in the same order: there are {certificates} certificates and {keys} keys"
        );
        if listen.iter().all(|spec| spec.settings().scheme == Scheme::Http) {
            anyhow::ensure!(
                certificates == 0,
                "--tls-cert is given, but no listener speaks TLS; say --listen https://HOST:PORT"
            );
            anyhow::ensure!(
                self.tls_ticket_keys.is_none(),
                "--tls-ticket-keys is given, but no listener speaks TLS; say --listen https://HOST:PORT"
            );
            return Ok(None);
        }
        let certificates = match dev_hosts {
            Some(others) if certificates == 0 && issued.is_empty() => made(others, cache)?,
            Some(_) | None => self.load(issued)?,
        };
        let certificates = match &self.tls_ticket_keys {
            Some(file) => certificates.with_ticket_keys(TicketKeys::load(file.clone())?),
            None => certificates,
        };
        Ok(Some(Arc::new(certificates)))
    }

    fn load(&self, issued: Vec<CertificateFiles>) -> anyhow::Result<Certificates> {
        anyhow::ensure!(
            !self.tls_cert.is_empty() || !issued.is_empty(),
            "--listen https:// needs a certificate: give one with --tls-cert FILE and --tls-key FILE; --acme-domain NAME gets one \
             for a public name, and --dev makes one for this machine"
        );
        let files = self.tls_cert.iter().zip(&self.tls_key);
        let files =
            files.map(|(certificate, key)| CertificateFiles { certificate: certificate.clone(), key: key.clone() });
        let (certificates, warnings) = Certificates::load_with_issued(files.collect(), issued)?;
        for warning in warnings {
            tracing::warn!(target: "server", "{warning}");
        }
        Ok(certificates)
    }
}

/// The certificate of development mode.
fn made(others: &[String], cache: Option<&Path>) -> anyhow::Result<Certificates> {
    let made = SelfSigned::open(cache.map(|cache| cache.join("tls")).as_deref(), others)?;
    let fingerprint = made.fingerprint();
    match made.file() {
        Some(file) => tracing::warn!(
            target: "server",
            "--dev made its own certificate, which clients refuse until they are told to trust it: curl --cacert {0}, or import \
             {0} into the browser; SHA-256 {fingerprint}",
            file.display()
        ),
        None => tracing::warn!(
            target: "server",
            "--dev made its own certificate, which clients refuse until they are told to trust it, and which is made anew at \
             each start; SHA-256 {fingerprint}"
        ),
    }
    Ok(Certificates::self_signed(&made))
}
