//! The wait of a new invocation for memory, while there is none.

use super::CallError;
use crate::memory_budget;
use crate::options::Options;

/// Waits until there is memory for an instance that begins with `bytes`, if there is none at once: a second at most.
///
/// # Errors
/// [`CallError::NoMemory`].
pub(super) async fn wait_for(bytes: usize, options: &Options) -> Result<(), CallError> {
    let check = || memory_budget::check(bytes, options.memory_owner());
    if check().is_ok() {
        return Ok(());
    }
    // In a box: what a wait holds would else be part of every call's future.
    Ok(Box::pin(memory_budget::wait_until(check, options.settings.timeout / 2)).await?)
}
