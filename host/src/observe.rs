//! What the server reports of its work: one event for each ended request, to everything that observes them.

mod request;

pub use request::{EndedRequest, LoggedRequestLine};

use crate::access_log::AccessLog;

/// Everything that is told when a request has ended. A clone reports to the same observers.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    /// Writes a line for each request. None if requests are not logged.
    pub access_log: Option<AccessLog>,
}

impl Observers {
    /// Whether any of them wants to know of requests. If not, no request is followed or measured for them.
    #[must_use]
    pub fn want_requests(&self) -> bool {
        self.access_log.is_some()
    }

    /// Reports a request that has ended. Never waits.
    pub fn request_ended(&self, request: EndedRequest) {
        if let Some(access_log) = &self.access_log {
            access_log.log(request);
        }
    }
}
