//! One route: where it is mounted, what answers it, under which options, and what its requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::component::ComponentKey;
use super::holders::Authority;
use super::middleware::ChainLink;
use super::target::RouteTarget;
use super::timer::RouteTimer;
use crate::exchange::Exchange;
use crate::grants::Grants;
use crate::guest::{Invocation, RequestFields};
use crate::oci::FetchedComponent;
use crate::options::Options;
use crate::push::TopicUser;
use crate::rate::{RateLimit, RouteRates};

#[cfg(test)]
mod tests;

/// What answers at some path patterns, and all that its requests share.
#[derive(Debug)]
pub struct Route {
    /// Where it is mounted.
    pub mount: Mount,
    /// Its options, resolved.
    pub options: Arc<Options>,
    /// What answers its requests.
    pub target: Arc<RouteTarget>,
    /// What its target may reach. `None`: nothing beyond its request.
    pub grants: Option<Arc<Grants>>,
    /// The fields that the host sets in its requests, if there are any.
    pub request_fields: Option<Arc<RequestFields>>,
    /// When the host runs it without a client, if it does.
    pub timer: Option<RouteTimer>,
    /// The middleware around its target, the outermost first.
    pub chain: Vec<ChainLink>,
    /// Its `rate` and `upload_rate`.
    pub rates: RouteRates,
    /// Its account at the topics: whose topics it shares, and how much of them it may take.
    pub topic_user: Arc<TopicUser>,
    /// The running invocations of all its versions. Counted only if it has a `concurrency`.
    running: Arc<AtomicU32>,
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
    /// The component that has it.
    pub key: ComponentKey,
    /// Which component of a registry it is. `None` if it is a file.
    pub fetched: Option<FetchedComponent>,
    /// The names of the middleware that it asks for beside that of its directories, checked.
    pub middleware: Vec<String>,
    /// The scope of topics in its site that the operator has named instead.
    pub topics: Option<String>,
}

/// The right to run one invocation of a route, until it is dropped.
#[derive(Debug)]
pub struct RoutePermit<'r>(Option<&'r AtomicU32>);

impl Route {
    /// A route without middleware and without requests.
    pub fn new(mount: Mount, options: Options, target: Arc<RouteTarget>) -> Self {
        let settings = &options.settings;
        let topics = mount.topics.as_deref().map(|name| mount.key.site().scoped(name));
        let topic_user = TopicUser::new(mount.key.directory(), topics.as_deref(), settings.push_quotas)
            .ending_on_gap(settings.ends_on_gap);
        Self {
            rates: RouteRates::new(
                settings.rate.map(|rate| RateLimit { rate, burst: settings.burst }),
                settings.upload_rate.map(|rate| RateLimit { rate, burst: settings.upload_burst }),
                settings.rate_scope,
            ),
            running: Arc::default(),
            topic_user: Arc::new(topic_user.keeping(settings.history).owned(options.memory_owner())),
            mount,
            options: Arc::new(options),
            target,
            grants: None,
            request_fields: None,
            timer: None,
            chain: Vec::new(),
        }
    }

    /// The same route, whose target may reach this.
    #[must_use]
    pub fn granted(self, grants: Option<Arc<Grants>>) -> Self {
        Self { grants, ..self }
    }

    /// The same route, in whose requests the host sets these fields.
    #[must_use]
    pub fn setting(self, request_fields: Option<Arc<RequestFields>>) -> Self {
        Self { request_fields, ..self }
    }

    /// The same route, which the host runs by this timer.
    #[must_use]
    pub fn timed(self, timer: Option<RouteTimer>) -> Self {
        Self { timer, ..self }
    }

    /// An invocation of its target for the request with number `id`.
    #[must_use]
    pub fn invocation(&self, exchange: Arc<Exchange>, id: u64) -> Invocation {
        Invocation {
            exchange,
            options: self.options.clone(),
            grants: self.grants.clone(),
            request_fields: self.request_fields.clone(),
            route: self.mount.name.clone(),
            handler: self.target.id(),
            id,
        }
    }

    /// The same route behind middleware. Both share the running invocations, budgets and usage.
    #[must_use]
    pub fn behind(&self, chain: Vec<ChainLink>) -> Self {
        Self {
            mount: self.mount.clone(),
            options: self.options.clone(),
            target: self.target.clone(),
            grants: self.grants.clone(),
            request_fields: self.request_fields.clone(),
            timer: self.timer.clone(),
            chain,
            rates: self.rates.clone(),
            topic_user: self.topic_user.clone(),
            running: self.running.clone(),
        }
    }

    /// Whether some middleware covers a path of this route. The path is as the client sent it.
    pub fn is_guarded_at(&self, path: &str) -> bool {
        self.chain.iter().any(|link| link.is_for(path))
    }

    /// The same route as the next version of `before`. It takes over the running invocations, the open responses, what it
    /// has logged, and the rate budgets of clients if the rate is the same.
    #[must_use]
    pub fn succeeding(mut self, before: &Self) -> Self {
        if let Some(change) = self.options.quarantine.replace(&before.options.quarantine) {
            change.log("handler", &self.mount.name);
        }
        Arc::make_mut(&mut self.options).usage = before.options.usage.clone();
        Arc::make_mut(&mut self.options).denials = before.options.denials.clone();
        if self.options.log.has_same_rate(&before.options.log) {
            Arc::make_mut(&mut self.options).log = before.options.log.clone();
        }
        Self {
            rates: self.rates.succeeding(&before.rates),
            topic_user: Arc::new(self.topic_user.succeeding(&before.topic_user)),
            running: before.running.clone(),
            ..self
        }
    }

    /// Admits one more invocation, or none if as many as its `concurrency` are running. Without a `concurrency` nothing is
    /// counted, so that cores do not share a counter that nobody reads.
    pub fn admit(&self) -> Option<RoutePermit<'_>> {
        let Some(concurrency) = self.options.settings.concurrency else { return Some(RoutePermit(None)) };
        let one_more = |running: u32| (running < concurrency.get()).then(|| running + 1);
        self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(RoutePermit(Some(&self.running)))
    }

    /// Releases a permit that was kept.
    pub(crate) fn release(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RoutePermit<'_> {
    /// Keeps the permit, and returns whether it is counted. Then the caller has to [release](Route::release) it.
    pub(crate) fn keep(self) -> bool {
        let is_counted = self.0.is_some();
        std::mem::forget(self);
        is_counted
    }
}

impl Drop for RoutePermit<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.0 {
            running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
