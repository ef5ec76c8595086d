//! The order in which components are loaded: those in the compile cache first, then small ones before large ones. A component
//! that takes long is stopped and waits until those that take less are done.
//!
//! It starts no thread and reads no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::guest::LoadAttempt;
use crate::routes::component::ComponentKey;
use crate::routes::load::Candidate;

#[cfg(test)]
mod tests;

/// How long a component may be compiled before one that waits has its turn. Each further turn is four times as long.
const COMPILE_TURN: Duration = Duration::from_secs(1);

/// The most components that start and describe themselves beside those that are compiled. That takes time, but little of a
/// processor.
const MAX_DESCRIBING: usize = 32;

/// The components that wait for loading, and those that are being loaded.
#[derive(Debug)]
pub(super) struct LoadQueue {
    /// The most that are compiled at once, and the most that are looked up in the cache at once.
    slots: usize,
    /// Components that were not looked up in the cache yet.
    unknown: VecDeque<Candidate>,
    /// Components that have to be compiled.
    uncached: Vec<ToCompile>,
    looking_up: Vec<ComponentKey>,
    compiling: Vec<CompileJob>,
    number: u64,
}

#[derive(Debug)]
struct ToCompile {
    candidate: Candidate,
    /// How many turns it has had.
    turns: u32,
}

#[derive(Debug)]
struct CompileJob {
    number: u64,
    key: ComponentKey,
    attempt: LoadAttempt,
    turns: u32,
    turn_ends: Instant,
    /// Whether it is compiled, and starts and describes itself.
    is_compiled: bool,
    is_stopped: bool,
}

/// The next load to start.
#[derive(Debug)]
pub(super) enum NextLoad {
    /// Look a component up in the cache.
    LookUp(Candidate),
    /// Compile a component. With a unique number and the turns that it has had.
    Compile(u64, Candidate, u32),
}

impl LoadQueue {
    pub(super) fn new(slots: usize) -> Self {
        let (unknown, uncached, looking_up, compiling) = Default::default();
        Self { slots, unknown, uncached, looking_up, compiling, number: 0 }
    }

    /// Adds a component. It replaces any other version of it.
    pub(super) fn add(&mut self, candidate: Candidate) {
        self.forget(&candidate.key);
        self.unknown.push_back(candidate);
    }

    /// Adds a component that has to be compiled.
    pub(super) fn add_uncached(&mut self, candidate: Candidate, turns: u32) {
        self.uncached.push(ToCompile { candidate, turns });
    }

    /// Removes a component, and stops compiling it.
    pub(super) fn forget(&mut self, key: &ComponentKey) {
        self.unknown.retain(|candidate| candidate.key != *key);
        self.uncached.retain(|uncached| uncached.candidate.key != *key);
        for compiling in self.compiling.iter_mut().filter(|it| it.key == *key) {
            compiling.stop();
        }
    }

    /// Stops compiling the components that are not there any more.
    pub(super) fn stop_unless(&mut self, is_there: impl Fn(&ComponentKey) -> bool) {
        self.compiling.iter_mut().filter(|it| !is_there(&it.key)).for_each(CompileJob::stop);
    }

    /// The next load, if one can be started now.
    pub(super) fn next(&mut self) -> Option<NextLoad> {
        if self.looking_up.len() < self.slots
            && let Some(candidate) = self.unknown.pop_front()
        {
            self.looking_up.push(candidate.key.clone());
            return Some(NextLoad::LookUp(candidate));
        }
        if !self.can_compile() {
            return None;
        }
        let (index, _) = self.first_uncached()?;
        let ToCompile { candidate, turns } = self.uncached.swap_remove(index);
        self.number += 1;
        Some(NextLoad::Compile(self.number, candidate, turns))
    }

    /// Compiling a component was started.
    pub(super) fn begin(&mut self, number: u64, candidate: &Candidate, turns: u32, attempt: LoadAttempt, now: Instant) {
        self.compiling.push(CompileJob {
            number,
            key: candidate.key.clone(),
            attempt,
            turns,
            turn_ends: now + COMPILE_TURN * 4_u32.saturating_pow(turns.min(8)),
            is_compiled: false,
            is_stopped: false,
        });
    }

    /// Looking a component up in the cache has ended.
    pub(super) fn looked_up(&mut self, key: &ComponentKey) {
        if let Some(index) = self.looking_up.iter().position(|it| it == key) {
            self.looking_up.swap_remove(index);
        }
    }

    /// A component is compiled, and starts.
    pub(super) fn compiled(&mut self, number: u64) {
        if let Some(compiling) = self.compiling.iter_mut().find(|it| it.number == number) {
            compiling.is_compiled = true;
        }
    }

    /// Compiling has ended. Returns how many turns the component has had, this one included.
    pub(super) fn end(&mut self, number: u64) -> u32 {
        let Some(index) = self.compiling.iter().position(|it| it.number == number) else { return 0 };
        self.compiling.swap_remove(index).turns.saturating_add(1)
    }

    /// Stops a component whose turn is over if another waits that has had fewer turns. Returns when the next turn ends.
    pub(super) fn end_turns(&mut self, now: Instant) -> Option<Instant> {
        let waiting = self.first_uncached()?.1;
        if self.can_compile() {
            return None;
        }
        let others = self.compiling.iter_mut().filter(|it| !it.is_compiled && !it.is_stopped && it.turns >= waiting);
        let first = others.min_by_key(|it| it.turn_ends)?;
        if first.turn_ends > now {
            return Some(first.turn_ends);
        }
        first.stop();
        None
    }

    /// The components that are being loaded.
    pub(super) fn loading(&self) -> Vec<ComponentKey> {
        self.looking_up.iter().chain(self.compiling.iter().map(|it| &it.key)).cloned().collect()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.unknown.len() + self.uncached.len()
    }

    /// How many are being loaded or wait.
    pub(super) fn left(&self) -> usize {
        self.looking_up.len() + self.compiling.len() + self.waiting()
    }

    fn can_compile(&self) -> bool {
        let busy = self.compiling.iter().filter(|it| !it.is_compiled).count();
        // Looking up comes first, unless a file takes long to be read.
        let knows_most = self.unknown.is_empty() && self.looking_up.len() < self.slots;
        knows_most && busy < self.slots && self.compiling.len() < self.slots + MAX_DESCRIBING
    }

    /// The index of the next component to compile, and how many turns it has had.
    fn first_uncached(&self) -> Option<(usize, u32)> {
        let order = |uncached: &ToCompile| (uncached.turns, uncached.candidate.fingerprint().length());
        let (index, first) = self.uncached.iter().enumerate().min_by_key(|(_, it)| order(it))?;
        Some((index, first.turns))
    }
}

impl CompileJob {
    fn stop(&mut self) {
        if !std::mem::replace(&mut self.is_stopped, true) {
            self.attempt.stop();
        }
    }
}

impl Drop for LoadQueue {
    fn drop(&mut self) {
        self.compiling.iter_mut().for_each(CompileJob::stop);
    }
}
