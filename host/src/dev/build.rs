//! What is known of a build of what is served.

use std::sync::Arc;
use std::time::Duration;

/// The last build of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    /// What is built, as the person has named it.
    pub project: Arc<str>,
    /// The command that builds it.
    pub command: Arc<str>,
    /// How far it is.
    pub stage: BuildStage,
    /// Whether any build has succeeded, so that some version is served.
    pub has_succeeded: bool,
}

/// How far a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildStage {
    /// It runs.
    Running,
    /// It has succeeded, after this time.
    Succeeded(Duration),
    /// It has failed. What it printed, or what is wrong; it is bounded by whoever builds.
    Failed(Arc<str>),
}

impl BuildReport {
    /// What went wrong, if the build has failed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.stage {
            BuildStage::Failed(output) => Some(output),
            BuildStage::Running | BuildStage::Succeeded(_) => None,
        }
    }
}
