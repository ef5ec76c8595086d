//! `host compile`: the hidden command that the host starts to compile one component.

use std::process::ExitCode;

use clap::Args;

/// The arguments of `host compile`.
#[derive(Debug, Args)]
pub(super) struct CompileCommand {
    /// The id of the process that has started this one.
    parent: u32,
}

impl CompileCommand {
    /// Compiles the component that stdin sends.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        host::guest::compile_for(self.parent)?;
        Ok(ExitCode::SUCCESS)
    }
}
