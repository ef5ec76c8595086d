//! One route: where it is mounted, under which options, and what its requests share.
//!
//! It must not know how it is found, and of its handler only that there is one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::holders::Authority;
use super::middleware::ChainLink;
use crate::guest::Handler;
use crate::options::Options;
use crate::push::TopicUser;
use crate::rate::{RateLimit, RouteRates};
use crate::share::RouteUsage;

#[cfg(test)]
mod tests;

/// A handler, mounted. `H` is [`Handler`] but in tests of what needs none.
#[derive(Debug)]
pub struct Route<H = Handler> {
    /// Where it is mounted.
    pub mount: Mount,
    /// Its options, resolved.
    pub options: Arc<Options>,
    /// What answers its requests.
    pub handler: Arc<H>,
    /// The middleware around its handler, the outermost first.
    pub chain: Vec<ChainLink>,
    /// Its `rate` and `upload_rate`.
    pub rates: RouteRates,
    /// What it is among the topics.
    pub tenant: Arc<TopicUser>,
    /// The invocations that run, of all its versions, where it has a `concurrency`.
    running: Arc<AtomicU32>,
    /// What all its versions take of what all routes share.
    pub usage: Arc<RouteUsage>,
}

/// Where a route is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The route's name in logs and reports.
    pub name: Arc<str>,
    /// Its path patterns, checked.
    pub patterns: Vec<String>,
    /// Who says that it has these.
    pub authority: Authority,
    /// The methods that it declares, checked; empty is every standard one.
    pub methods: Vec<String>,
    /// The component's file.
    pub file: PathBuf,
    /// The names of the middleware that it asks for beside that of its directories, checked.
    pub middleware: Vec<String>,
    /// The directory of the component, as it is named from the routes directory on: its routes share topics.
    pub directory: PathBuf,
    /// The scope of topics that the operator has named instead.
    pub topics: Option<String>,
}

/// The right to run one invocation of a route, until it is dropped.
#[derive(Debug)]
pub struct RoutePermit<'r>(Option<&'r AtomicU32>);

impl<H> Route<H> {
    /// A route that nobody uses yet.
    pub fn new(mount: Mount, options: Options, handler: Arc<H>) -> Self {
        let settings = &options.settings;
        Self {
            rates: RouteRates::new(
                settings.rate.map(|rate| RateLimit { rate, burst: settings.burst }),
                settings.upload_rate.map(|rate| RateLimit { rate, burst: settings.upload_burst }),
                settings.rate_scope,
            ),
            running: Arc::default(),
            usage: Arc::default(),
            tenant: Arc::new(TopicUser::new(&mount.directory, mount.topics.as_deref(), settings.push_quotas)),
            mount,
            options: Arc::new(options),
            handler,
            chain: Vec::new(),
        }
    }

    /// The same route behind middleware. Both count the same invocations, and share what clients have used up.
    #[must_use]
    pub fn behind(&self, chain: Vec<ChainLink>) -> Self {
        Self {
            mount: self.mount.clone(),
            options: self.options.clone(),
            handler: self.handler.clone(),
            chain,
            rates: self.rates.clone(),
            tenant: self.tenant.clone(),
            running: self.running.clone(),
            usage: self.usage.clone(),
        }
    }

    /// Whether some middleware is for a path of this route, as it was sent.
    pub fn is_guarded_at(&self, path: &str) -> bool {
        self.chain.iter().any(|link| link.is_for(path))
    }

    /// The same route, as another version of `before`: what clients have used up of their rate, where that has not
    /// changed, and what runs or was left open counts on. So does what it has logged.
    #[must_use]
    pub fn succeeding(mut self, before: &Self) -> Self {
        if self.options.log.allows_like(&before.options.log) {
            Arc::make_mut(&mut self.options).log = before.options.log.clone();
        }
        Self {
            rates: self.rates.succeeding(&before.rates),
            tenant: Arc::new(self.tenant.succeeding(&before.tenant)),
            running: before.running.clone(),
            usage: before.usage.clone(),
            ..self
        }
    }

    /// Admits one more invocation; none where as many as its `concurrency` are running. Without a bound nothing is
    /// counted, so that cores do not meet at a number that nobody reads.
    pub fn admit(&self) -> Option<RoutePermit<'_>> {
        let Some(most) = self.options.settings.concurrency else { return Some(RoutePermit(None)) };
        let one_more = |running: u32| (running < most.get()).then(|| running + 1);
        self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(RoutePermit(Some(&self.running)))
    }
}

impl Drop for RoutePermit<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.0 {
            running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
