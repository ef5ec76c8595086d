//! Tests of the whole server, over sockets, in one binary so that it is linked once.

mod access_log;
mod advisories;
mod book;
mod browser;
mod chat;
mod cli;
mod cli_call;
mod cli_check;
mod cli_manual;
mod cli_new;
mod compatibility;
#[cfg(target_os = "linux")]
mod compile_cache;
mod descriptors;
mod dev;
mod disk;
mod examples;
mod fairness;
mod few_threads;
mod gone_clients;
mod guard_paths;
mod guards;
mod hostile;
mod hostile_calls;
mod hostile_clients;
mod hostile_compiling;
mod hostile_components;
#[cfg(target_os = "linux")]
mod hostile_crowds;
mod keep_alive;
mod languages;
mod large;
mod lingering;
mod log_stalled;
mod middleware;
mod middleware_files;
mod options;
mod outcomes;
mod outcomes_failed;
mod outcomes_http10;
mod outcomes_manual;
mod pages;
mod precedence;
mod push;
mod push_bounds;
mod rate;
mod reload;
mod reload_directory;
mod reuse;
mod rfc9110;
mod rfc9112;
mod rfc9112_body;
mod shares;
mod stopping;
mod support;
mod taken_paths;
#[cfg(target_os = "linux")]
mod terminal;
mod told;
mod topics;
#[cfg(target_os = "linux")]
mod watch_limits;
mod websocket;
mod websocket_client;
mod websocket_control;
mod websocket_end;
