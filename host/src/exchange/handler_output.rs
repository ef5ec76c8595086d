//! What a handler has printed last, for the page of those who develop.

use std::collections::VecDeque;

use super::{Exchange, Measured, Timing};

/// The most lines.
const MAX_LINES: usize = 20;

/// The most bytes of a line.
const MAX_LINE_BYTES: usize = 1024;

/// The last lines.
#[derive(Debug, Default)]
pub(super) struct HandlerOutput(VecDeque<String>);

impl Exchange {
    /// Whether those who develop see its answer.
    #[must_use]
    pub fn is_for_developers(&self) -> bool {
        matches!(self.measured, Some(Measured { timing: Timing::Told, .. }))
    }

    /// The handler has printed a line, in which nothing drives a terminal.
    pub fn note_printed(&self, line: &str) {
        let mut inner = self.lock();
        let lines = &mut inner.printed.get_or_insert_default().0;
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line[..line.floor_char_boundary(MAX_LINE_BYTES)].to_owned());
    }

    /// What the handler has printed last, a line each; none where it has printed nothing, or nobody is to see it.
    #[must_use]
    pub fn printed(&self) -> Vec<String> {
        self.lock().printed.iter().flat_map(|printed| printed.0.iter().cloned()).collect()
    }
}
