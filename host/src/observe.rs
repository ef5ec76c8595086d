//! Events that the server reports: one for each ended request, to every observer.

mod request;

pub use request::{EndedRequest, LoggedRequestLine};

use std::sync::Arc;

use crate::access_log::AccessLog;
use crate::dev::DevState;

/// The observers of ended requests. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    /// Writes a line for each request. `None` if requests are not logged.
    pub access_log: Option<AccessLog>,
    /// Remembers the last requests, in development mode only.
    pub dev: Option<Arc<DevState>>,
}

impl Observers {
    /// Whether any observer wants events. If not, requests are not tracked or measured for them.
    #[must_use]
    pub fn want_requests(&self) -> bool {
        self.access_log.is_some() || self.dev.is_some()
    }

    /// Reports an ended request. Never blocks for long.
    pub fn request_ended(&self, request: EndedRequest) {
        if let Some(dev) = &self.dev {
            dev.note_request(&request);
        }
        if let Some(access_log) = &self.access_log {
            access_log.log(request);
        }
    }
}
