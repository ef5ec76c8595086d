//! The thread that orders certificates when they are due, as long as the server runs.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::task::JoinHandle as TaskHandle;

use super::order::{AcmeAuthority, OrderError};
use super::renewal::{self, Renewal};
use super::settings::{AcmeDomain, AcmeSettings};
use super::store::AcmeStore;
use crate::certificates::{Certificates, PendingChallenges};

/// The longest time without a look at the clock, which may be set.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// How often to look whether another process orders no more.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);

/// Orders certificates until this is dropped.
#[derive(Debug)]
pub struct AcmeThread {
    signals: Arc<RenewalSignals>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
#[derive(Debug, Default)]
pub(super) struct RenewalSignals {
    stop: Notify,
    retry: Notify,
}

impl RenewalSignals {
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }
}

/// Who issues certificates. It is a trait so that tests need no authority.
pub(super) trait Issuer {
    /// Gets a certificate, and writes it to its files. `failures` is how often that has failed before.
    fn issue(&self, domain: &AcmeDomain, failures: usize) -> impl Future<Output = Result<(), OrderError>>;
    /// How long the authority has asked to wait since the last call of this.
    fn take_retry_after(&self) -> Option<Duration>;
}

/// The time. It is a trait so that tests need not wait.
pub(super) trait AcmeClock {
    fn now(&self) -> SystemTime;
    fn wait(&self, time: Duration) -> impl Future<Output = ()>;
}

/// The clock of the system.
#[derive(Debug)]
struct SystemClock;

impl AcmeClock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, time: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(time)
    }
}

/// A task that ends with this.
struct Attempt(TaskHandle<Result<(), OrderError>>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Issuer for AcmeAuthority {
    async fn issue(&self, domain: &AcmeDomain, failures: usize) -> Result<(), OrderError> {
        let (authority, domain) = (self.clone(), domain.clone());
        // A task of its own, so that a panic over what an authority sends ends this attempt alone.
        let mut attempt = Attempt(tokio::spawn(async move { authority.obtain(&domain, failures).await }));
        (&mut attempt.0).await.unwrap_or_else(|error| Err(OrderError::Protocol(error.to_string())))
    }

    fn take_retry_after(&self) -> Option<Duration> {
        AcmeAuthority::take_retry_after(self)
    }
}

impl AcmeThread {
    /// Begins to order the certificates that are due.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        settings: AcmeSettings,
        store: AcmeStore,
        certificates: Arc<Certificates>,
        challenges: Arc<PendingChallenges>,
    ) -> io::Result<Self> {
        let signals = Arc::new(RenewalSignals::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (domains, told) = (settings.domains.clone(), signals.clone());
        let issuer = AcmeAuthority::new(settings, store.clone(), challenges);
        let orders = Orders::new(domains, store, certificates, issuer, SystemClock);
        let run = move || runtime.block_on(orders.run(&told));
        let thread = std::thread::Builder::new().name("acme".to_owned()).spawn(run)?;
        Ok(Self { signals, thread: Some(thread) })
    }

    /// Orders at once what has failed before, since the operator may have mended why.
    pub fn retry_now(&self) {
        self.signals.retry.notify_one();
    }

    /// Orders nothing more, so that another process can.
    pub fn stop(&self) {
        self.signals.stop();
    }
}

impl Drop for AcmeThread {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // If it has panicked, the log says so.
            let _ = thread.join();
        }
    }
}

/// The certificates that are ordered.
pub(super) struct Orders<I, C> {
    domains: Vec<(AcmeDomain, Renewal)>,
    store: AcmeStore,
    certificates: Arc<Certificates>,
    issuer: I,
    clock: C,
    /// Held from the first order on, so that one process orders at a time.
    lock: Option<File>,
}

impl<I: Issuer, C: AcmeClock> Orders<I, C> {
    pub(super) fn new(
        domains: Vec<AcmeDomain>,
        store: AcmeStore,
        certificates: Arc<Certificates>,
        issuer: I,
        clock: C,
    ) -> Self {
        let domains = domains.into_iter().map(|domain| (domain, Renewal::default())).collect();
        Self { domains, store, certificates, issuer, clock, lock: None }
    }

    /// Orders what is due, again and again, until it is told to stop.
    pub(super) async fn run(mut self, signals: &RenewalSignals) {
        let work = async {
            loop {
                let wait = self.order_due().await;
                tokio::select! {
                    () = self.clock.wait(wait) => {}
                    () = signals.retry.notified() => self.domains.iter_mut().for_each(|(_, orders)| orders.retry_now()),
                }
            }
        };
        tokio::select! {
            // First, so that nothing more is ordered once it is told to stop.
            biased;
            () = signals.stop.notified() => {}
            never = work => never,
        }
    }

    /// Orders what is due now. Returns how long nothing else is.
    async fn order_due(&mut self) -> Duration {
        for index in 0..self.domains.len() {
            if self.due(index) > self.clock.now() {
                continue;
            }
            if !self.take_lock() {
                return LOCK_INTERVAL;
            }
            // Another process may have got it.
            let (domain, _) = &self.domains[index];
            self.certificates.reload_files(&self.store.files(domain));
            if self.due(index) <= self.clock.now() {
                self.order(index).await;
            }
        }
        let due = (0..self.domains.len()).map(|index| self.due(index)).min();
        let wait = due.map(|due| due.duration_since(self.clock.now()).unwrap_or_default());
        wait.map_or(MAX_WAIT, |wait| wait.min(MAX_WAIT))
    }

    fn due(&self, index: usize) -> SystemTime {
        let (domain, orders) = &self.domains[index];
        orders.due(self.certificates.validity(&self.store.files(domain), domain.as_str()))
    }

    /// Whether this process is the one that orders.
    fn take_lock(&mut self) -> bool {
        if self.lock.is_none() {
            match self.store.lock() {
                Ok(lock) => self.lock = lock,
                // The order fails for the same reason, and says so.
                Err(_) => return true,
            }
        }
        self.lock.is_some()
    }

    async fn order(&mut self, index: usize) {
        let (domain, orders) = &mut self.domains[index];
        let files = self.store.files(domain);
        let issued = self.issuer.issue(domain, orders.failures()).await;
        let (now, retry_after) = (self.clock.now(), self.issuer.take_retry_after());
        match issued {
            Ok(()) => {
                orders.succeeded(now);
                self.certificates.reload_files(&files);
                if let Some(validity) = self.certificates.validity(&files, domain.as_str()) {
                    let renewed = httpdate::fmt_http_date(renewal::renewal(validity));
                    tracing::info!(target: "server", %domain, renewed, "a certificate was issued");
                }
            }
            Err(error) => {
                let wait = orders.failed(now, retry_after);
                let (at, wait) = (httpdate::fmt_http_date(now + wait), humantime::format_duration(wait));
                match self.certificates.validity(&files, domain.as_str()) {
                    Some(validity) => tracing::warn!(
                        target: "server",
                        "the certificate for {domain} could not be renewed, and the one before it serves until {}: {error}; \
                         the next attempt is in {wait}, at {at}",
                        validity.ends()
                    ),
                    None => tracing::error!(
                        target: "server",
                        "there is no certificate for {domain} yet: {error}; the next attempt is in {wait}, at {at}"
                    ),
                }
            }
        }
    }
}
