//! What is measured, a module for each part of the table.

mod fair;
mod hello;
mod memory;
mod parked;
mod reuse;
mod scale;
mod start;
mod stream;

use clap::ValueEnum;

use crate::report::Report;
use crate::setup::Setup;

/// A part of the table.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Section {
    /// Hello, each from an instance of its own
    Hello,
    /// Hello, where instances may be used again
    Reuse,
    /// Long responses
    Stream,
    /// What routes, connections and options cost, and a handler that spins
    Scale,
    /// What a client waits while others do their worst
    Fair,
    /// What rests in memory
    Memory,
    /// Responses that stay open, and what reaches them
    Parked,
    /// How soon routes are loaded
    Start,
}

impl Section {
    /// Every one, in the order of the table.
    pub const ALL: &[Self] =
        &[Self::Hello, Self::Reuse, Self::Stream, Self::Scale, Self::Fair, Self::Memory, Self::Parked, Self::Start];

    /// Measures it, and adds its rows to the report.
    pub fn measure(self, setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Hello => hello::measure(setup, report),
            Self::Reuse => reuse::measure(setup, report),
            Self::Stream => stream::measure(setup, report),
            Self::Scale => scale::measure(setup, report),
            Self::Fair => fair::measure(setup, report),
            Self::Memory => memory::measure(setup, report),
            Self::Parked => parked::measure(setup, report),
            Self::Start => start::measure(setup, report),
        }
    }
}
