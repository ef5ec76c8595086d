//! What is remembered of single requests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::exchange::ExchangeEnd;
use crate::meter::Cost;
use crate::observe::EndedRequest;
use crate::text::excerpt;

/// The most bytes of a method and of a target that are remembered.
const MAX_METHOD_BYTES: usize = 32;
const MAX_TARGET_BYTES: usize = 256;

/// A request that has ended.
#[derive(Debug, Clone)]
pub struct RecentRequest {
    /// When it ended.
    pub time: SystemTime,
    /// Its method and target, truncated. `None` if the head could not be parsed.
    pub asked: Option<(Box<str>, Box<str>)>,
    /// The status. `None` if no head was made.
    pub status: Option<u16>,
    /// The route that answered. `None` if the host did.
    pub route: Option<Arc<str>>,
    /// How the response ended.
    pub end: ExchangeEnd,
    /// From the complete head to the end.
    pub took: Duration,
    /// What it has cost.
    pub cost: Cost,
}

impl RecentRequest {
    pub(super) fn of(request: &EndedRequest) -> Self {
        let asked = request.asked.as_ref().map(|asked| {
            let part = |text: &str, most| Box::from(&*excerpt(text, most));
            (part(&asked.method, MAX_METHOD_BYTES), part(&asked.target, MAX_TARGET_BYTES))
        });
        Self {
            time: request.time,
            asked,
            status: request.status,
            route: request.route.clone(),
            end: request.end,
            took: request.took,
            cost: request.cost,
        }
    }
}

/// Why a handler has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentFailure {
    /// When.
    pub time: SystemTime,
    /// The name of its route.
    pub route: Box<str>,
    /// The number of the request.
    pub request: u64,
    /// What the error page says, truncated.
    pub reason: Box<str>,
}
