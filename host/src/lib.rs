//! x
#![allow(missing_docs, reason = "wip")]
pub mod clock;
pub mod config;
pub mod connection;
pub mod diagnostic;
pub mod exchange;
pub mod guest;
pub mod http;
pub mod intake;
pub mod options;
pub mod pump;
pub mod rate;
pub mod routes;
pub mod server;
