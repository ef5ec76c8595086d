//! The flags of `host run` about the admin listener.

use std::io;
use std::time::Duration;

use clap::Args;
use host::admin::{AdminServer, AdminSettings};
use host::net::{ListenSpec, ListenSpecError, Listener};
use host::server::RunningServer;

use super::run::{duration, host_name};

/// How often workers note that they take turns, so that /healthz sees one that does not.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What is told of a running host, and to whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics and health")]
pub(super) struct AdminFlags {
    /// Another listener, for the operator alone: /healthz, /readyz, /metrics, /stats.json and a page at /. HOST:PORT, unix:PATH
    /// or fd:NAME; no route answers there. It has no password, so only loopback addresses and Unix sockets are allowed.
    #[arg(long, value_name = "ADDR", value_parser = admin_address)]
    admin: Option<ListenSpec>,

    /// Allow other addresses for --admin: everybody who can connect reads the names of routes, and figures of them.
    #[arg(long, requires = "admin")]
    admin_public: bool,

    /// Another host name under which --admin answers, without a port; can be given several times. The others are addresses and
    /// localhost, so that no page of another site can read it.
    #[arg(long, value_name = "NAME", requires = "admin", value_parser = host_name)]
    admin_host: Vec<String>,

    /// Time in seconds for which the host serves on after it was told to stop, while /readyz says 503, so that load balancers
    /// notice it first [default: none].
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    drain_delay: Option<Duration>,
}

fn admin_address(text: &str) -> Result<ListenSpec, ListenSpecError> {
    text.parse::<ListenSpec>()?.for_admin()
}

impl AdminFlags {
    /// What to listen on.
    pub(super) fn listen(&self) -> Option<&ListenSpec> {
        self.admin.as_ref()
    }

    /// Whether requests are counted.
    pub(super) fn counts(&self) -> bool {
        self.admin.is_some()
    }

    /// How often workers note that they take turns, at least as often as `other` says.
    pub(super) fn heartbeat(&self, other: Option<Duration>) -> Option<Duration> {
        self.admin.as_ref().map(|_| HEARTBEAT).into_iter().chain(other).min()
    }

    /// How long the host serves on after it was told to stop.
    pub(super) fn drain_delay(&self) -> Option<Duration> {
        self.drain_delay
    }

    /// Refuses addresses that other machines can reach, unless the operator consents.
    pub(super) fn check(&self, listeners: &[Listener]) -> anyhow::Result<()> {
        for listener in listeners.iter().filter(|_| !self.admin_public) {
            let address = listener.address()?;
            anyhow::ensure!(
                address.is_loopback(),
                "--admin shows the names of routes and figures of them to everybody who can connect, and {address} is not a \
                 loopback address; listen on 127.0.0.1, [::1] or unix:PATH, or say --admin-public"
            );
        }
        Ok(())
    }

    /// Starts to serve them, if there are any.
    pub(super) fn start(&self, listeners: Vec<Listener>, running: &RunningServer) -> io::Result<Option<AdminServer>> {
        if listeners.is_empty() {
            return Ok(None);
        }
        let settings = AdminSettings { hosts: self.admin_host.clone(), ..AdminSettings::default() };
        AdminServer::start(listeners, running.monitor(), settings).map(Some)
    }
}
