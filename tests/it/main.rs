//! Tests of the whole server, over sockets, in one binary so that it is linked once.

mod cli;
mod disk;
mod examples;
mod hostile;
mod hostile_calls;
mod hostile_clients;
mod keep_alive;
mod options;
mod outcomes;
mod outcomes_failed;
mod outcomes_http10;
mod outcomes_manual;
mod rate;
mod support;
