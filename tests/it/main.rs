//! Tests of the whole server, over sockets, in one binary so that it is linked once.

mod access_log;
mod book;
mod cli;
mod cli_call;
mod cli_check;
mod cli_manual;
mod cli_new;
mod compatibility;
mod descriptors;
mod dev;
mod disk;
mod examples;
mod gone_clients;
mod hostile;
mod hostile_calls;
mod hostile_clients;
#[cfg(target_os = "linux")]
mod hostile_crowds;
mod keep_alive;
mod languages;
mod middleware;
mod middleware_files;
mod options;
mod outcomes;
mod outcomes_failed;
mod outcomes_http10;
mod outcomes_manual;
mod pages;
mod push;
mod push_bounds;
mod rate;
mod reload;
mod reload_directory;
mod reuse;
mod rfc9110;
mod rfc9112;
mod rfc9112_body;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
mod told;
mod websocket;
mod websocket_client;
mod websocket_end;
