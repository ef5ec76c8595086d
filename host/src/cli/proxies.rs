//! The flags that say which proxies are trusted, and how they name their clients.

use clap::Args;
use host::net::{ForwardedField, ListenSpec, ProxyHeader, TrustedProxy};

/// The proxies in front of the host.
#[derive(Debug, Args)]
#[command(next_help_heading = "Proxies")]
pub(super) struct ProxyFlags {
    /// Network of proxies that are trusted to name their clients, as in 10.0.0.0/8, one address, or unix for all that connect to
    /// a Unix socket; can be given several times. Rates, the access log and handlers then mean the client.
    #[arg(long, value_name = "CIDR", value_parser = trusted_proxy)]
    pub(super) trusted_proxy: Vec<TrustedProxy>,

    /// Field in which trusted proxies name the client of each request: forwarded or x-forwarded-for. It is read from its end, up to
    /// the first address that is not trusted.
    #[arg(long, value_name = "FIELD", requires = "trusted_proxy")]
    pub(super) forwarded: Option<ForwardedField>,

    /// Trusted proxies say in X-Forwarded-Proto whether the client uses https, which `request.scheme()` then is. They have to set it in
    /// each request, or append to it: otherwise clients choose. With --forwarded forwarded it is not needed.
    #[arg(long, requires = "forwarded")]
    pub(super) forwarded_proto: bool,
}

impl ProxyFlags {
    /// Refuses listeners that would take no connection, and proxies that nobody asks. Traces ask them.
    pub(super) fn check(&self, listen: &[ListenSpec], is_tracing: bool) -> anyhow::Result<()> {
        anyhow::ensure!(
            !(self.forwarded_proto && self.forwarded == Some(ForwardedField::Forwarded)),
            "--forwarded-proto is for --forwarded x-forwarded-for; the field Forwarded says the scheme itself"
        );
        let mut proxied = listen.iter().filter(|spec| spec.settings().proxy_header == ProxyHeader::Required).peekable();
        anyhow::ensure!(
            self.trusted_proxy.is_empty() || self.forwarded.is_some() || proxied.peek().is_some() || is_tracing,
            "--trusted-proxy needs --forwarded FIELD, or a --listen ADDR,proxy=required, to say how proxies name their clients"
        );
        if let Some(spec) = proxied.next()
            && self.trusted_proxy.is_empty()
        {
            anyhow::bail!(
                "`--listen {spec}` takes clients from trusted proxies alone; name those with --trusted-proxy"
            );
        }
        Ok(())
    }
}

fn trusted_proxy(text: &str) -> Result<TrustedProxy, String> {
    text.parse().map_err(|error| format!("{error}, or unix"))
}
