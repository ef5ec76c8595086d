//! Builds a project, and builds it again after each change of its sources, in a thread. There are never two builds at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use anyhow::Context;
use host::dev::{BuildReport, BuildStage, DevState};
use host::source_tree::{SourceTree, StopWaiting};
use host::text::printable;

use super::build::{BuildEnd, build};
use super::project::BuiltProject;
use super::staging::{BuiltComponent, Staging};

/// How many builds in a row may follow from what the one before has changed. Past it the build changes its own sources.
const MAX_CHAINED: u32 = 3;

/// The most changed files that one line of the log names.
const MAX_NAMED: usize = 3;

/// The thread. If it is dropped, it ends, and so does its build.
#[derive(Debug)]
pub(super) struct BuildLoop {
    is_stopped: Arc<AtomicBool>,
    waiting: StopWaiting,
    thread: Option<JoinHandle<()>>,
}

/// The state of the thread.
struct Builds {
    project: BuiltProject,
    tree: SourceTree,
    staging: Arc<Staging>,
    dev: Arc<DevState>,
    is_stopped: Arc<AtomicBool>,
    /// What the last good build has made.
    components: Vec<BuiltComponent>,
    has_succeeded: bool,
}

impl BuildLoop {
    /// Begins with a build.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(project: BuiltProject, staging: Arc<Staging>, dev: Arc<DevState>) -> anyhow::Result<Self> {
        let (tree, is_stopped) = (SourceTree::new(project.root()), Arc::new(AtomicBool::new(false)));
        let waiting = tree.stop_handle();
        let mut builds = Builds {
            project,
            tree,
            staging,
            dev,
            is_stopped: is_stopped.clone(),
            components: Vec::new(),
            has_succeeded: false,
        };
        // Before the first request, so that no page says that there is nothing.
        builds.report(BuildStage::Running);
        let thread = Builder::new().name("builds".to_owned()).spawn(move || builds.run());
        let thread = thread.context("no thread can be started to build the project")?;
        Ok(Self { is_stopped, waiting, thread: Some(thread) })
    }
}

impl Drop for BuildLoop {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        self.waiting.stop();
        if let Some(thread) = self.thread.take() {
            // If it has panicked, that is logged.
            let _ = thread.join();
        }
    }
}

impl Builds {
    fn run(&mut self) {
        let mut chained = 0;
        let mut is_stale = true;
        loop {
            if is_stale && !self.build() {
                return;
            }
            // What has changed during the build, but for what the build writes again and again.
            let Some(during) = self.tree.take_changes() else { return };
            let mut changed = match during.is_empty() || chained == MAX_CHAINED {
                false => {
                    chained += 1;
                    during
                }
                true => {
                    if let Some(first) = during.first() {
                        let file = printable(&first.to_string_lossy());
                        tracing::warn!(
                            target: "dev",
                            "each build changes {file}, so it is not built again for that; a line in .gitignore says that the \
                             file is made"
                        );
                    }
                    chained = 0;
                    match self.tree.wait() {
                        Some(changed) => changed,
                        None => return,
                    }
                }
            };
            let are_route_files =
                |path: &PathBuf| self.components.iter().any(|component| component.route_file == *path);
            let all = changed.len();
            changed.retain(|path| !are_route_files(path));
            is_stale = !changed.is_empty();
            if is_stale {
                tracing::info!(target: "dev", "{} changed", named(&changed));
            }
            if changed.len() < all {
                self.publish();
            }
        }
    }

    /// Builds. Returns false once the thread is to end.
    fn build(&mut self) -> bool {
        let (command, started) = (self.project.command(), Instant::now());
        tracing::info!(target: "dev", "building {} with {command}", printable(&self.project.name()));
        self.report(BuildStage::Running);
        match build(&self.project, &self.is_stopped) {
            BuildEnd::Stopped => return false,
            BuildEnd::Succeeded(components) => {
                self.components = components;
                if self.publish() {
                    let took = started.elapsed();
                    self.has_succeeded = true;
                    self.report(BuildStage::Succeeded(took));
                    tracing::info!(target: "dev", "built in {:.1} s", took.as_secs_f64());
                }
            }
            BuildEnd::Failed(output) => {
                let result = match self.has_succeeded {
                    true => "the version before it still serves",
                    false => "nothing is served until one succeeds",
                };
                // Before it is logged, so that the log never runs ahead of the pages.
                self.report(BuildStage::Failed(output.into()));
                tracing::error!(target: "dev", "the build has failed; {result}");
            }
        }
        true
    }

    /// Puts what was built into the routes directory. Returns whether that was possible.
    fn publish(&self) -> bool {
        match self.staging.publish(&self.components) {
            Ok(()) => true,
            Err(error) => {
                self.report(BuildStage::Failed(format!("{error:#}").into()));
                tracing::error!(target: "dev", "what was built cannot be served: {error:#}");
                false
            }
        }
    }

    fn report(&self, stage: BuildStage) {
        let (project, command) = (printable(&self.project.name()).into(), self.project.command().into());
        self.dev.set_build(BuildReport { project, command, stage, has_succeeded: self.has_succeeded });
    }
}

/// Some of the changed files, for the log.
fn named(changed: &[PathBuf]) -> String {
    let name = |path: &PathBuf| printable(&path.file_name().unwrap_or_default().to_string_lossy());
    let names: Vec<String> = changed.iter().take(MAX_NAMED).map(name).collect();
    match changed.len().saturating_sub(MAX_NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
