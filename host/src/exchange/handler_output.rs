//! The last lines that a handler has printed, which explain its failure to those who write it.

use std::collections::VecDeque;

use super::{Exchange, Measured};

/// The most lines that are kept.
const MAX_LINES: usize = 256;

/// The most bytes of a line that are kept.
const MAX_LINE_BYTES: usize = 4 * 1024;

/// The last lines that a handler has printed, oldest first.
#[derive(Debug, Default)]
pub(super) struct HandlerOutput(VecDeque<String>);

impl Exchange {
    /// Whether the last lines that the handler prints are kept.
    #[must_use]
    pub fn keeps_output(&self) -> bool {
        matches!(self.measured, Some(Measured { keeps_output: true, .. }))
    }

    /// Records a line that the handler has printed. The caller has escaped what could control a terminal.
    pub fn note_printed(&self, line: &str) {
        let mut inner = self.lock();
        let lines = &mut inner.printed.get_or_insert_default().0;
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line[..line.floor_char_boundary(MAX_LINE_BYTES)].to_owned());
    }

    /// The last lines that the handler has printed. There are none if it has printed nothing, or if they are not kept.
    #[must_use]
    pub fn printed(&self) -> Vec<String> {
        self.lock().printed.iter().flat_map(|printed| printed.0.iter().cloned()).collect()
    }
}
