//! The sections of the table, one module each.

mod fair;
mod hello;
mod http2;
mod key_value;
mod memory;
mod observe;
mod outbound;
mod parked;
mod reuse;
mod scale;
mod start;
mod stream;
mod tls;
mod wasi;

use clap::ValueEnum;

use crate::report::Report;
use crate::setup::Setup;

/// A section of the table.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Section {
    /// Hello, with a fresh instance for each request
    Hello,
    /// Hello, with reused instances
    Reuse,
    /// Long responses
    Stream,
    /// The same over TLS
    Tls,
    /// HTTP/2
    Http2,
    /// The components of `wasmtime serve` in both servers
    Wasi,
    /// Requests to an upstream
    Outbound,
    /// Key-value stores
    KeyValue,
    /// Routes, connections and options in large numbers, and a handler that spins
    Scale,
    /// Metrics and traces
    Observe,
    /// Latency of a client while others overload the server
    Fair,
    /// Memory
    Memory,
    /// Parked responses, and publishing to them
    Parked,
    /// Loading of routes
    Start,
}

impl Section {
    /// All sections, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::Hello,
        Self::Reuse,
        Self::Stream,
        Self::Tls,
        Self::Http2,
        Self::Wasi,
        Self::Outbound,
        Self::KeyValue,
        Self::Scale,
        Self::Observe,
        Self::Fair,
        Self::Memory,
        Self::Parked,
        Self::Start,
    ];

    /// Measures the section and adds its rows to the report.
    pub fn measure(self, setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Hello => hello::measure(setup, report),
            Self::Reuse => reuse::measure(setup, report),
            Self::Stream => stream::measure(setup, report),
            Self::Tls => tls::measure(setup, report),
            Self::Http2 => http2::measure(setup, report),
            Self::Wasi => wasi::measure(setup, report),
            Self::Outbound => outbound::measure(setup, report),
            Self::KeyValue => key_value::measure(setup, report),
            Self::Scale => scale::measure(setup, report),
            Self::Observe => observe::measure(setup, report),
            Self::Fair => fair::measure(setup, report),
            Self::Memory => memory::measure(setup, report),
            Self::Parked => parked::measure(setup, report),
            Self::Start => start::measure(setup, report),
        }
    }
}
