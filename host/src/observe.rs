//! Events that the server reports: one for each ended request, to every observer.

mod request;

pub use request::{EndedRequest, LoggedRequestLine};

use crate::access_log::AccessLog;

/// The observers of ended requests. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    /// Writes a line for each request. `None` if requests are not logged.
    pub access_log: Option<AccessLog>,
}

impl Observers {
    /// Whether any observer wants events. If not, requests are not tracked or measured for them.
    #[must_use]
    pub fn want_requests(&self) -> bool {
        self.access_log.is_some()
    }

    /// Reports an ended request. Never blocks.
    pub fn request_ended(&self, request: EndedRequest) {
        if let Some(access_log) = &self.access_log {
            access_log.log(request);
        }
    }
}
