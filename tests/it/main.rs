//! Tests of the whole server, over sockets, in one binary so that it is linked once. A module for each subject.

#[macro_use]
mod support;

mod book;

/// HTTP/1.x as bytes: what is refused, how connections live and end, and what clients may cost.
mod http {
    mod client_disconnects;
    #[cfg(target_os = "linux")]
    mod connection_bounds;
    mod error_pages;
    mod hostile_clients;
    #[cfg(target_os = "linux")]
    mod hostile_crowds;
    mod keep_alive;
    mod large_bodies;
    mod lingering_close;
    mod rate_limits;
    mod rfc9110;
    mod rfc9112;
    mod rfc9112_body;
}

/// TLS: handshakes, certificates, and what of HTTP is other than without.
mod tls {
    #[cfg(feature = "acme")]
    mod acme;
    mod certificates;
    mod handshakes;
    mod responses;
    mod tickets;
}

/// HTTP/2 as frames.
mod http2 {
    mod attacks;
    mod browser;
    mod clients;
    mod conformance;
    mod flow;
    mod lifetime;
    mod outcomes;
    mod requests;
    mod splits;
    mod tls;
    mod trailers;

    use crate::support::{TestServer, wait_until};

    /// Waits until as many responses are parked.
    #[track_caller]
    fn wait_for_parked(server: &TestServer, parked: usize) {
        wait_until("a stream is parked, or no longer", || server.parked() == parked);
    }
}

mod fleet;

/// What a client gets of a handler, whatever the handler does.
mod handler {
    mod fairness;
    mod hostile_handlers;
    mod instance_reuse;
    mod middleware;
    mod outcomes;
    mod outcomes_failed;
    mod outcomes_http10;
    mod outcomes_manual;
    mod quarantine;
    mod refused_calls;
    mod route_shares;
    mod total_memory;
    mod whole_bodies;
}

/// Components of wasi:http.
mod wasi_http {
    mod clock;
    mod fields;
    mod options;
    mod outcomes;
    mod request_fields;
    mod requests;
    mod reuse;
    mod third_party;
    mod trailers;
    pub mod worlds;
}

/// Scripts, which an interpreter runs.
mod scripts {
    mod errors;
    mod examples;
    mod files;
    mod requests;
    mod results;
}

/// What the operator grants to a component.
mod grants {
    mod authorities;
    mod engine_stores;
    mod files;
    mod http;
    mod settings;
    mod store_suite;
    mod stores;
}

/// Components before they serve: what is refused, what compiling may take, and the compile cache.
mod component {
    #[cfg(target_os = "linux")]
    mod compile_cache;
    mod compile_limits;
    mod refused_components;
    mod wit_compatibility;
}

/// The routes directory: which file answers which path, its options, and what a change of it does.
mod routes {
    mod directory_contents;
    mod guarded_paths;
    mod middleware_files;
    mod missing_guards;
    mod options;
    mod path_ownership;
    mod precedence;
    mod reload;
    mod reload_directory;
    mod route_log;
    mod sites;
    #[cfg(target_os = "linux")]
    mod watch_limits;
}

/// Components in registries.
mod registry {
    mod docker;
    mod hostile;
    mod signatures;
}

/// What handlers publish, and the responses that stay open for it.
mod push {
    mod history;
    mod limits;
    mod publish;
    mod timers;
    mod topic_scopes;
}

/// WebSockets.
mod websocket {
    mod autobahn;
    mod closing;
    mod control_frames;
    mod messages;
    mod python_client;
}

/// The commands of the binary: what each prints, and its exit code.
mod cli {
    mod call;
    mod check;
    mod completions_and_man;
    mod dev;
    mod install;
    mod new;
    mod packages;
    mod publish;
    mod run;
    mod test;
}

/// A host in operation: its logs, its limits, its end.
mod operations {
    mod access_log;
    mod admin;
    mod advisories;
    #[cfg(target_os = "linux")]
    mod closed_terminal;
    mod dashboard;
    mod descriptor_limit;
    mod dev_mode;
    mod dev_pages;
    mod metrics;
    mod prometheus;
    mod service_manager;
    mod shutdown;
    mod stalled_log;
    mod terminal;
    mod thread_limit;
    mod top;
    mod traces;
    mod trusted_proxies;
    mod unix_sockets;
    mod upgrade;
}

/// Each example of this repository and what it answers, and the guests that only the bench asks.
mod examples {
    mod bench_guests;
    mod browser;
    mod chat;
    mod guest_book;
    mod other_languages;
    mod rust;
}
