//! `counts.md`: the recorded counts, as a Markdown table that this module also reads.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::{fs, io};

use crate::callgrind::Instances;

/// Maximum difference from the recorded count, in percent.
pub const ALLOWED_PERCENT: f64 = 3.0;

const POOLED: &str = "Instances come from the pool.";
const ON_DEMAND: &str =
    "Instances are made on demand, because valgrind has too few addresses for the pool of the host.";

/// The counts of one run.
pub struct Record {
    /// How instances were allocated. Only counts with the same allocation can be compared.
    pub instances: Instances,
    pub rows: Vec<Row>,
}

/// The count of one kind of request.
pub struct Row {
    /// The target, and what the request measures.
    request: String,
    /// Instructions per request.
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
    /// Reads a file that [`Record::write`] wrote. Ignores everything but the rows of its table.
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
            Written by `make counts RECORD=1`; `make counts` compares with it (see CONTRIBUTING.md). User \
            instructions of the\nthread that serves: what the kernel does is not in them, and waiting is not either.\n\
            {instances}\n\n\
            | request | instructions |\n|---|---:|\n"
        );
        for Row { request, instructions } in &self.rows {
            writeln!(text, "| {request} | {instructions} |").map_err(io::Error::other)?;
        }
        fs::write(file, text)
    }

    /// By how many percent the count of `row` exceeds that of the same request in `other`. `None` if they cannot be
    /// compared.
    pub fn percent_more(&self, row: &Row, other: &Self) -> Option<f64> {
        let before = other.rows.iter().find(|recorded| recorded.request == row.request)?;
        (self.instances == other.instances)
            .then(|| (row.instructions as f64 / before.instructions as f64 - 1.0) * 100.0)
    }
}
