//! The flags of traces.

use clap::{Args, ValueEnum};
use host::outbound::TargetUrl;
use host::trace::{TraceParents, TraceSettings};

/// Which requests are traced, and where their spans are sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
pub(super) struct TraceFlags {
    /// URL of a collector of OpenTelemetry that takes OTLP over HTTP, as in http://127.0.0.1:4318; without a path it is /v1/traces.
    /// Requests are traced if it is given.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    otlp: Option<TargetUrl>,

    /// Part of the traces that begin here to sample, from 0 to 1 [default: 1].
    #[arg(long, value_name = "RATIO", requires = "otlp", value_parser = ratio)]
    trace_ratio: Option<f64>,

    /// Whose traceparent to follow: that of each --trusted-proxy, of any client, who then decides how much is sampled, or
    /// of nobody (ignore) [default: trusted].
    #[arg(long, value_name = "WHOSE", requires = "otlp", hide_possible_values = true)]
    trace_parent: Option<TraceParentFlag>,

    /// Name of the service in traces [default: vibrato].
    #[arg(long, value_name = "NAME", requires = "otlp", value_parser = service)]
    trace_service: Option<String>,
}

/// The values of `--trace-parent`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TraceParentFlag {
    Trusted,
    Any,
    Ignore,
}

impl TraceFlags {
    /// The settings, if requests are traced.
    pub(super) fn settings(&self) -> Option<TraceSettings> {
        let mut settings = TraceSettings::new(self.otlp.clone()?);
        settings.ratio = self.trace_ratio.unwrap_or(settings.ratio);
        if let Some(service) = &self.trace_service {
            settings.service.clone_from(service);
        }
        settings.parents = match self.trace_parent {
            None => settings.parents,
            Some(TraceParentFlag::Trusted) => TraceParents::Trusted,
            Some(TraceParentFlag::Any) => TraceParents::Any,
            Some(TraceParentFlag::Ignore) => TraceParents::Ignored,
        };
        Some(settings)
    }
}

fn endpoint(url: &str) -> Result<TargetUrl, String> {
    url.parse().map_err(|error| format!("the URL {error}"))
}

fn ratio(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or("expected a number from 0 to 1")
}

fn service(text: &str) -> Result<String, &'static str> {
    let is_name = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
    is_name.then(|| text.to_owned()).ok_or("expected 1 to 128 bytes without control characters")
}
