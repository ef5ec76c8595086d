//! Why a handler has failed, for those who write it: what it has printed of its error and where that is in its source
//! come first; what the runtime of its language adds comes last and is folded.

mod printed_error;
mod stack;
#[cfg(test)]
mod tests;

use maud::{Markup, html};

use printed_error::PrintedError;
use stack::{Frame, FrameOrigin};

/// The last lines of what was printed that are shown, apart from those of the error.
const MAX_PRINTED: usize = 20;

/// What a failure is reported to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandlerFailure<'f> {
    /// Who has failed: `handler NAME` or `middleware NAME of ROUTE`.
    pub(crate) who: &'f str,
    /// What the host says about it: a line, and the lines of a Wasm backtrace, if there is one.
    pub(crate) reason: &'f str,
    /// Whether what was printed may be the reason: not if the handler has named one, or if time was up.
    pub(crate) may_be_printed: bool,
}

/// A report for one error page or one entry of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FailureReport {
    /// The error in one or more lines. It is empty if only [`FailureReport::parts`] say what is known.
    lead: String,
    /// The place in the handler's source: `FILE:LINE`, or with a column. Empty if it is not known.
    source: String,
    parts: Vec<Part>,
}

/// A part of a report, under a title that may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    title: String,
    frames: Vec<Frame>,
    /// Whether the log has these lines already.
    is_logged: bool,
}

impl FailureReport {
    /// From what the host knows, and the lines that the guest has printed.
    pub(crate) fn new(failure: HandlerFailure<'_>, printed: &[String]) -> Self {
        let (reason, frames) = stack::of_wasm(failure.reason);
        let reason = format!("{} {reason}", failure.who);
        let error = if failure.may_be_printed { PrintedError::last_in(printed) } else { None };
        let Some(error) = error else {
            let output = Part::output(printed);
            if !failure.may_be_printed || output.frames.is_empty() {
                let parts = [Part { frames, ..Part::default() }, output];
                return Self { lead: reason, source: stack::place(&parts[0].frames), parts: parts.into() };
            }
            let backtrace = Part { title: reason, frames, is_logged: false };
            return Self { parts: vec![output, backtrace], ..Self::default() };
        };
        let other = [&printed[..error.lines.start], &printed[error.lines.end..]].concat();
        let stack = Part { frames: error.stack, ..Part::default() };
        let backtrace = Part { title: reason, frames, is_logged: false };
        Self { lead: error.message, source: error.source, parts: vec![stack, Part::output(&other), backtrace] }
    }

    /// As text, without a line break at its end. Frames of runtimes are counted.
    pub(crate) fn text(&self) -> String {
        self.render(|_| true)
    }

    /// As an entry of the log, after the lines that the guest has printed.
    pub(crate) fn log_entry(&self, who: &str) -> String {
        let text = self.render(|part| !part.is_logged);
        // Each entry of the log about a handler begins with its name.
        if text.starts_with(who) { text } else { format!("{who} failed: {text}") }
    }

    fn render(&self, shows: impl Fn(&Part) -> bool) -> String {
        let mut blocks = Vec::new();
        if !self.lead.is_empty() {
            let source = if self.source.is_empty() { String::new() } else { format!("\n  at {}", self.source) };
            blocks.push(format!("{}{source}", self.lead));
        }
        for part in self.parts.iter().filter(|part| !part.is_empty() && shows(part)) {
            let lines = part.runs().into_iter().map(|run| match run {
                FrameRun::Shown(frames) => {
                    frames.iter().map(|frame| frame.text.as_str()).collect::<Vec<_>>().join("\n")
                }
                FrameRun::Folded(frames) => format!("  ({})", summary(frames)),
            });
            let title = Some(part.title.clone()).filter(|title| !title.is_empty());
            blocks.push(title.into_iter().chain(lines).collect::<Vec<_>>().join("\n"));
        }
        blocks.join("\n\n")
    }

    /// As the content of a page.
    pub(crate) fn markup(&self) -> Markup {
        html! {
            @if !self.lead.is_empty() {
                pre.error { b { (self.lead) } @if !self.source.is_empty() { "\n  at " (self.source) } }
            }
            @for part in self.parts.iter().filter(|part| !part.is_empty()) {
                @if !part.title.is_empty() { p { (part.title) } }
                @for run in part.runs() {
                    @match run {
                        FrameRun::Shown(frames) => pre { (lines(frames)) },
                        FrameRun::Folded(frames) => details { summary { (summary(frames)) } pre { (lines(frames)) } },
                    }
                }
            }
        }
    }
}

/// A text as a report without anything else.
impl From<String> for FailureReport {
    fn from(lead: String) -> Self {
        Self { lead, ..Self::default() }
    }
}

/// Neighbouring frames that are shown or folded together.
enum FrameRun<'p> {
    Shown(&'p [Frame]),
    Folded(&'p [Frame]),
}

impl Part {
    /// The last of the lines that a guest has printed.
    fn output(printed: &[String]) -> Self {
        let left_out = printed.len().saturating_sub(MAX_PRINTED);
        let title = match left_out {
            0 => "It had printed:".to_owned(),
            _ => format!("It had printed, after {left_out} other lines:"),
        };
        let frames = printed[left_out..].iter().map(|line| Frame::of_handler(format!("  {line}"))).collect();
        Self { title, frames, is_logged: true }
    }

    /// Whether it says nothing.
    fn is_empty(&self) -> bool {
        self.frames.is_empty() && (self.is_logged || self.title.is_empty())
    }

    fn runs(&self) -> Vec<FrameRun<'_>> {
        let is_folded = |frame: &Frame| frame.origin != FrameOrigin::Handler;
        let runs = self.frames.chunk_by(|one, next| is_folded(one) == is_folded(next));
        runs.map(|run| if is_folded(&run[0]) { FrameRun::Folded(run) } else { FrameRun::Shown(run) }).collect()
    }
}

fn lines(frames: &[Frame]) -> String {
    frames.iter().map(|frame| frame.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// What stands for folded frames.
fn summary(frames: &[Frame]) -> String {
    let nameless = frames.iter().filter(|frame| frame.origin == FrameOrigin::Nameless).count();
    let count = |count: usize| if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") };
    match frames.len() - nameless {
        0 => format!("{} without names", count(nameless)),
        named if nameless == 0 => format!("{} of the runtime", count(named)),
        named => format!("{} of the runtime, {nameless} without names", count(named)),
    }
}
