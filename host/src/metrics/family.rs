//! The metrics that there are: their names, and what they mean.

/// A metric with all its series. The book has a table of them, which is made from this.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name. That of a counter is without `_total`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// Its labels, beside `le` of a histogram.
    pub labels: &'static [&'static str],
    /// What it is, with its unit: one sentence.
    pub help: &'static str,
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It never falls while the process runs.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl MetricKind {
    /// Its name in the text formats.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Family {
    /// The name of its samples, as queries have it. Those of a histogram have `_bucket`, `_sum` or `_count` behind it.
    #[must_use]
    pub fn sample_name(&self) -> String {
        match self.kind {
            MetricKind::Counter => format!("{}_total", self.name),
            MetricKind::Gauge | MetricKind::Histogram => self.name.to_owned(),
        }
    }
}

macro_rules! families {
    ($($ident:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $ident: Family =
            Family { name: $name, kind: MetricKind::$kind, labels: &[$($label),*], help: $help };)*

        /// Every metric, in the order in which they are written.
        pub const FAMILIES: &[Family] = &[$($ident),*];
    };
}

families! {
    BUILD = Gauge "vibrato_build_info" ["version"]
        "Always 1; the label is the version of the host.";
    READY = Gauge "vibrato_ready" []
        "Whether /readyz says 200: all routes were loaded once, and the host does not stop.";
    WORKERS = Gauge "vibrato_workers" []
        "Worker threads.";
    ROUTES = Gauge "vibrato_routes" []
        "Mounted routes.";
    COMPONENTS_LOADING = Gauge "vibrato_components_loading" []
        "Components that are being loaded.";
    COMPONENT_LOADS = Counter "vibrato_component_loads" ["outcome"]
        "Components that were loaded, at the start and after each change of a file, and those that could not be.";
    ROUTE_CHANGES = Counter "vibrato_route_changes" []
        "How often the routes have changed, or what is known of them.";
    COMPILE_LOOKUPS = Counter "vibrato_compile_lookups" ["outcome"]
        "Components that were found in the compile cache, and those that had to be compiled.";
    COMPILE_SECONDS = Counter "vibrato_compile_seconds" []
        "Seconds for which components were compiled, started and asked for their description.";
    ROUTE_PROBLEMS = Gauge "vibrato_route_problems" ["severity"]
        "What is wrong with files of the routes directory, as the log and `host check` say.";
    REQUESTS = Counter "vibrato_requests" ["route", "method", "code"]
        "Requests that have ended, one for each line of the access log.";
    REQUEST_SECONDS = Histogram "vibrato_request_seconds" ["route"]
        "How long requests took in seconds, from the complete head to the last byte.";
    REQUEST_ENDS = Counter "vibrato_request_ends" ["route", "end"]
        "Requests by how they ended, as `end=` of the access log.";
    FAILURES = Counter "vibrato_failures" ["route", "kind"]
        "Invocations of handlers and middleware that have failed, and not because of their client.";
    QUARANTINED = Gauge "vibrato_quarantined" ["route"]
        "Whether a route or a middleware is in quarantine, because it has failed again and again.";
    MESSAGES = Counter "vibrato_websocket_messages" ["route"]
        "Messages of WebSockets that handlers were given.";
    RECEIVED_BYTES = Counter "vibrato_received_bytes" ["route"]
        "Bytes of request bodies that handlers were given.";
    SENT_BYTES = Counter "vibrato_sent_bytes" ["route"]
        "Bytes of responses, with their heads and framing, as `wire=` of the access log.";
    STAGE_SECONDS = Counter "vibrato_stage_seconds" ["route", "stage"]
        "Seconds of requests by stage, as in the access log; estimated from a few requests if there are many.";
    RATE_WAITS = Counter "vibrato_rate_waits" ["route", "direction"]
        "Pieces that the rate of a route has held back.";
    RATE_WAIT_SECONDS = Counter "vibrato_rate_wait_seconds" ["route", "direction"]
        "Seconds for which pieces were held back by the rate of a route.";
    OUTBOUND = Counter "vibrato_outbound_requests" ["route", "grant", "outcome"]
        "Requests of components to other servers, by what the operator has granted.";
    STORE_OPERATIONS = Counter "vibrato_store_operations" ["route", "store", "outcome"]
        "Operations of key-value stores, by the name of the store in the route file.";
    INSTANCE_MEMORY = Gauge "vibrato_instance_memory_bytes" ["route"]
        "Bytes of the memories of an instance, measured at the end of a request.";
    INVOCATIONS = Gauge "vibrato_invocations" ["route"]
        "Invocations in flight.";
    PARKED = Gauge "vibrato_parked" ["route"]
        "Parked responses and WebSockets.";
    ROUTE_MEMORY = Gauge "vibrato_route_memory_bytes" ["route"]
        "Bytes of --max-memory that a route uses.";
    MEMORY = Gauge "vibrato_memory_bytes" []
        "Bytes of --max-memory in use.";
    MEMORY_LIMIT = Gauge "vibrato_memory_limit_bytes" []
        "Bytes of --max-memory.";
    CONNECTIONS = Gauge "vibrato_connections" ["protocol"]
        "Open connections; those of HTTP/2 with all of their streams.";
    CONNECTIONS_CLOSED = Counter "vibrato_connections_closed" ["reason"]
        "Connections that were closed, by the reason.";
    TLS_HANDSHAKES = Counter "vibrato_tls_handshakes" ["outcome", "version", "resumed"]
        "Handshakes of TLS that have ended.";
    CERTIFICATE_EXPIRY = Gauge "vibrato_certificate_expiry_seconds" ["name"]
        "When a certificate ends to be valid, in seconds since 1970, by the first name that it has.";
    PUSHED_CHUNKS = Counter "vibrato_pushed_chunks" ["outcome"]
        "Published chunks, one for each subscriber: queued for it, or dropped because it reads too slowly.";
    TRACE_SPANS = Counter "vibrato_trace_spans" ["outcome"]
        "Spans of traces: sent to the collector, dropped because the queue was full, or failed because the collector did not take them.";
    ENGINE_UP = Gauge "vibrato_engine_up" []
        "Whether the host hears itself through its engine; absent without --engine, like all that is of it.";
    ENGINE_SILENCE = Gauge "vibrato_engine_silence_seconds" []
        "How long ago the host has heard itself through its engine in seconds; it publishes to itself each second.";
    ENGINE_MESSAGES = Counter "vibrato_engine_messages" ["outcome"]
        "Chunks and ends of topics: published to other hosts, received from them, or dropped on the way.";
    ENGINE_GAPS = Counter "vibrato_engine_gaps" []
        "How often chunks of other hosts may have been lost: the engine was away while topics were subscribed, or the host too slow.";
    ENGINE_WAITING = Gauge "vibrato_engine_waiting_bytes" []
        "Bytes of what waits to be published to other hosts.";
    CPU_SECONDS = Counter "process_cpu_seconds" []
        "Processor time of the process in seconds.";
    RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" []
        "Resident memory of the process in bytes.";
    VIRTUAL_MEMORY = Gauge "process_virtual_memory_bytes" []
        "Virtual memory of the process in bytes; most of it is reserved for instances and not used.";
    OPEN_FDS = Gauge "process_open_fds" []
        "Open file descriptors.";
    MAX_FDS = Gauge "process_max_fds" []
        "The most file descriptors that the process may open.";
    THREADS = Gauge "process_threads" []
        "Threads of the process.";
    START_TIME = Gauge "process_start_time_seconds" []
        "When the host was started, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_advises_and_no_two_are_the_same() {
        for family in FAMILIES {
            let Family { name, kind, help, .. } = family;
            assert!(name.starts_with("vibrato_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_')), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\', '|']), "{name}");
            let suffixes: &[&str] = &["_total", "_count", "_sum", "_bucket", "_counter", "_gauge", "_histogram"];
            assert!(!suffixes.iter().any(|suffix| name.ends_with(suffix)), "{name}");
            assert!(*kind != MetricKind::Histogram || name.ends_with("_seconds"), "{name}");
            assert_eq!(FAMILIES.iter().filter(|other| other.name == *name).count(), 1, "{name}");
        }
    }
}
