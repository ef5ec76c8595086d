//! A client of an admin listener, and the metrics that it reads there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use host::admin::AdminServer;
use serde_json::Value;

use super::{Client, wait_until};

/// An admin listener.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    /// Its server, if that is of this process.
    _server: Option<AdminServer>,
}

/// The samples of a scrape, by their names with labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Admin {
    pub(super) fn new(address: SocketAddr, server: Option<AdminServer>) -> Self {
        Self { address, _server: server }
    }

    /// That at this address.
    pub fn to(address: SocketAddr) -> Self {
        Self::new(address, None)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// What a request with these fields gets, on a connection of its own.
    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, fields: &str) -> String {
        let request = format!("{method} {target} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n");
        self.connect().exchange(request)
    }

    /// What a GET of `path` gets.
    #[track_caller]
    pub fn get(&self, path: &str) -> String {
        self.ask("GET", path, "Host: localhost\r\n")
    }

    /// The status of a GET of `path`, and its text.
    #[track_caller]
    pub fn told(&self, path: &str) -> (u16, String) {
        let response = self.get(path);
        let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{path} answers {response:?}"));
        let (_, body) = response.split_once("\r\n\r\n").expect("it has a head");
        (status, body.trim_end().to_owned())
    }

    /// A scrape.
    #[track_caller]
    pub fn scrape(&self) -> Metrics {
        let (status, text) = self.told("/metrics");
        assert_eq!(status, 200);
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("it has a value");
            (name.to_owned(), value.parse().expect("it is a number"))
        });
        let samples: Vec<(String, f64)> = samples.collect();
        let number = samples.len();
        let metrics = Metrics(samples.into_iter().collect());
        assert_eq!(metrics.0.len(), number, "no series is there twice");
        metrics
    }

    /// Scrapes until that many requests have ended: a request ends shortly after its client has the last byte.
    #[track_caller]
    pub fn scrape_after(&self, requests: u64) -> Metrics {
        wait_until("the requests have ended", || self.scrape().sum("vibrato_requests_total") as u64 >= requests);
        let metrics = self.scrape();
        assert_eq!(metrics.sum("vibrato_requests_total") as u64, requests, "{metrics:?}");
        metrics
    }

    /// The figures as JSON.
    #[track_caller]
    pub fn stats(&self) -> Value {
        let (status, text) = self.told("/stats.json");
        assert_eq!(status, 200);
        serde_json::from_str(&text).expect("it is JSON")
    }
}

impl Metrics {
    /// The samples, by their names with labels.
    pub fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The value of a sample, which is named with its labels. 0 if there is none.
    pub fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// The sum of all samples of a name.
    pub fn sum(&self, name: &str) -> f64 {
        let is_of = |sample: &str| sample.split('{').next() == Some(name);
        self.samples().filter(|(sample, _)| is_of(sample)).map(|(_, value)| value).sum()
    }
}
