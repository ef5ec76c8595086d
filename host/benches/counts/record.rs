//! `counts.md`: the counts that were recorded, as a table for people that this reads again.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::{fs, io};

use crate::callgrind::Instances;

/// How many percent a count may differ from the recorded one.
pub const ALLOWED_PERCENT: f64 = 3.0;

const POOLED: &str = "Instances come from the pool.";
const ON_DEMAND: &str =
    "Instances are made on demand, because valgrind has too few addresses for the pool of the host.";

/// The counts of one run.
pub struct Record {
    /// Where the instances came from: counts can only be compared where that is the same.
    pub instances: Instances,
    /// The counts.
    pub rows: Vec<Row>,
}

/// The count of one request.
pub struct Row {
    /// What was asked for, and what is counted by that.
    request: String,
    /// For one request.
    instructions: u64,
}

impl Row {
    /// The count of a request for `target`.
    pub fn new(target: &str, what: &str, instructions: u64) -> Self {
        Self { request: format!("`{target}`: {what}"), instructions }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:52} {:>8}", self.request, self.instructions)
    }
}

impl Record {
    /// Reads a file that [`Record::write`] wrote; what is no row of its table is passed over.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let rows = text.lines().filter_map(|line| {
            let (request, count) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
            Some(Row { request: request.to_owned(), instructions: count.parse().ok()? })
        });
        let instances = if text.contains(POOLED) { Instances::Pooled } else { Instances::OnDemand };
        Ok(Self { instances, rows: rows.collect() })
    }

    /// Writes the file.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let instances = match self.instances {
            Instances::Pooled => POOLED,
            Instances::OnDemand => ON_DEMAND,
        };
        let mut text = format!(
            "# Instructions of one request\n\n\
            RenderedPage by `make counts RECORD=1`; `make counts` compares with it (see CONTRIBUTING.md). User \
            instructions of the\nthread that serves: what the kernel does is not in them, and waiting is not either.\n\
            {instances}\n\n\
            | request | instructions |\n|---|---:|\n"
        );
        for Row { request, instructions } in &self.rows {
            writeln!(text, "| {request} | {instructions} |").map_err(io::Error::other)?;
        }
        fs::write(file, text)
    }

    /// How many percent the count of `row` is above that of the same request in `other`; none where that has none that
    /// it can be compared with.
    pub fn percent_more(&self, row: &Row, other: &Self) -> Option<f64> {
        let before = other.rows.iter().find(|recorded| recorded.request == row.request)?;
        (self.instances == other.instances)
            .then(|| (row.instructions as f64 / before.instructions as f64 - 1.0) * 100.0)
    }
}
