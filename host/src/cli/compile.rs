//! `host compile`: what the host starts to compile one component. Nobody types it.

use std::process::ExitCode;

use clap::Args;

/// The arguments of `host compile`.
#[derive(Debug, Args)]
pub(super) struct CompileCommand {
    /// The process that has started this one.
    parent: u32,
}

impl CompileCommand {
    /// Compiles what comes on stdin for that process.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        host::guest::compile_for(self.parent)?;
        Ok(ExitCode::SUCCESS)
    }
}
