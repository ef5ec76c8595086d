//! The limits of the requests of one route to other servers.

use std::time::Duration;

use super::address::Network;

/// The limits of a route's requests to other servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Networks that names may lead to though they are not of the public internet.
    pub private: Vec<Network>,
    /// Requests of one invocation at once.
    pub concurrency: usize,
    /// Connections of the route, with idle ones.
    pub connections: usize,
    /// For a connection, with the look-up and the wait for a free one.
    pub connect_timeout: Duration,
    /// From the last byte of a request to the head of its response.
    pub first_byte_timeout: Duration,
    /// For the next bytes of a body.
    pub between_bytes_timeout: Duration,
    /// Bytes of the body of a response.
    pub max_response: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            private: Vec::new(),
            concurrency: 16,
            connections: 128,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(30),
            between_bytes_timeout: Duration::from_secs(10),
            max_response: 64 * 1024 * 1024,
        }
    }
}
