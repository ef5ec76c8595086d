//! What a service manager such as systemd is told of the host: sd_notify(3). Without one, nothing is sent.

use std::time::Duration;

use host::server::RunningServer;
use sd_notify::NotifyState;

/// The service manager that has started the host, if there is one.
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// After which time without a sign of life it ends the host.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// What the environment says of it.
    pub(super) fn from_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero()) }
    }

    /// How often each worker has to note that it takes turns. `None` if nobody asks for it.
    pub(super) fn heartbeat(&self) -> Option<Duration> {
        self.watchdog.map(|timeout| timeout / 4)
    }

    /// All routes are loaded, or requests no longer wait for those that are not.
    pub(super) fn ready(&self, running: &RunningServer) {
        let routes = running.routes();
        let status = format!("serving {routes} {}", if routes == 1 { "route" } else { "routes" });
        notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// Routes are being reloaded. [`Self::ready`] says when they are.
    pub(super) fn reloading(&self) {
        // Without a clock the manager waits for nothing.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now, NotifyState::Status("reloading routes")]);
        }
    }

    /// Another process of this number goes on in place of this one, and is ready.
    pub(super) fn replaced_by(&self, process: u32) {
        notify(&[NotifyState::MainPid(process), NotifyState::Ready, NotifyState::Status("replaced by a new process")]);
    }

    /// The host stops.
    pub(super) fn stopping(&self) {
        notify(&[NotifyState::Stopping, NotifyState::Status("waiting for requests in flight")]);
    }

    /// Tells, again and again, that all workers take turns, as long as they do. It never ends.
    pub(super) async fn keep_alive(&self, running: &RunningServer) {
        let Some(timeout) = self.watchdog else { return std::future::pending().await };
        loop {
            if running.is_alive(timeout / 2) {
                notify(&[NotifyState::Watchdog]);
            }
            tokio::time::sleep(timeout / 4).await;
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(target: "server", "cannot notify the service manager: {error}");
    }
}
