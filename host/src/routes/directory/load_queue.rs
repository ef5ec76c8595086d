//! The order in which components are loaded: those in the compile cache first, then small ones before large ones. A component
//! that takes long is stopped and waits until those that take less are done. All scripts of a language wait for one compile:
//! that of their interpreter.
//!
//! It starts no thread and reads no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::guest::LoadAttempt;
use crate::routes::component::ComponentKey;
use crate::routes::load::Candidate;
use crate::routes::script::Language;

#[cfg(test)]
mod tests;

/// How long a component may be compiled before one that waits has its turn. Each further turn is four times as long.
const COMPILE_TURN: Duration = Duration::from_secs(1);

/// The most components that start and describe themselves beside those that are compiled. That takes time, but little of a
/// processor.
const MAX_DESCRIBING: usize = 32;

/// The most scripts that start beside what is looked up. They do that in this process.
const MAX_STARTING: usize = 8;

/// The components that wait for loading, and those that are being loaded.
#[derive(Debug)]
pub(super) struct LoadQueue {
    /// The most that are compiled at once, and the most that are looked up in the cache at once, but for those that start.
    slots: usize,
    /// Components that were not looked up in the cache yet.
    unknown: VecDeque<Candidate>,
    /// Components that have to be compiled.
    uncached: Vec<ToCompile>,
    looking_up: Vec<LookUpJob>,
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
struct LookUpJob {
    key: ComponentKey,
    /// Whether it was found, and starts: a script does that in this process.
    is_found: bool,
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

    /// Adds a component that has to be compiled, and has had `turns` turns.
    pub(super) fn add_uncached(&mut self, candidate: Candidate, turns: u32) {
        self.uncached.push(ToCompile { candidate, turns });
        if let Some(language) = language(&self.uncached[self.uncached.len() - 1].candidate.key) {
            // Each turn of one of them was a turn of their interpreter.
            let others = self.uncached.iter_mut().filter(|it| is_script_of(&it.candidate.key, language));
            let others: Vec<&mut ToCompile> = others.collect();
            let most = others.iter().map(|it| it.turns).max().unwrap_or(turns);
            others.into_iter().for_each(|it| it.turns = most);
        }
    }

    /// Removes a component, and stops compiling it. The interpreter of a script goes on: other versions need it too.
    pub(super) fn forget(&mut self, key: &ComponentKey) {
        self.unknown.retain(|candidate| candidate.key != *key);
        self.uncached.retain(|uncached| uncached.candidate.key != *key);
        let compiling = self.compiling.iter_mut().filter(|it| it.key == *key && language(key).is_none());
        compiling.for_each(CompileJob::stop);
    }

    /// Stops compiling the components that are not there any more, and the interpreters that no script needs any more.
    pub(super) fn stop_unless(&mut self, is_there: impl Fn(&ComponentKey) -> bool) {
        let waiting: Vec<&ComponentKey> = self.uncached.iter().map(|it| &it.candidate.key).collect();
        let is_needed = |key: &ComponentKey| {
            let others =
                language(key).into_iter().flat_map(|it| waiting.iter().filter(move |key| is_script_of(key, it)));
            is_there(key) || others.into_iter().any(|other| is_there(other))
        };
        self.compiling.iter_mut().filter(|it| !is_needed(&it.key)).for_each(CompileJob::stop);
    }

    /// The next load, if one can be started now.
    pub(super) fn next(&mut self) -> Option<NextLoad> {
        if self.can_look_up()
            && let Some(candidate) = self.unknown.pop_front()
        {
            self.looking_up.push(LookUpJob { key: candidate.key.clone(), is_found: false });
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

    /// All code of a component that is looked up was found, and it starts.
    pub(super) fn found(&mut self, key: &ComponentKey) {
        if let Some(job) = self.looking_up.iter_mut().find(|it| it.key == *key && !it.is_found) {
            job.is_found = true;
        }
    }

    /// Looking a component up in the cache has ended.
    pub(super) fn looked_up(&mut self, key: &ComponentKey) {
        if let Some(index) = self.looking_up.iter().position(|it| it.key == *key) {
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
        let ended = self.compiling.swap_remove(index);
        if let Some(language) = language(&ended.key)
            && !ended.is_stopped
        {
            // Their interpreter is there, or it is known why it is not.
            let waiting = self.uncached.extract_if(.., |it| is_script_of(&it.candidate.key, language));
            self.unknown.extend(waiting.map(|it| it.candidate));
        }
        ended.turns.saturating_add(1)
    }

    /// Stops a component whose turn is over if another waits that has had fewer turns. Returns when the next turn ends.
    pub(super) fn end_turns(&mut self, now: Instant) -> Option<Instant> {
        let (_, waiting) = self.first_uncached()?;
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
        let looking_up = self.looking_up.iter().map(|it| &it.key);
        looking_up.chain(self.compiling.iter().map(|it| &it.key)).cloned().collect()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.unknown.len() + self.uncached.len()
    }

    /// How many are being loaded or wait.
    pub(super) fn left(&self) -> usize {
        self.looking_up.len() + self.compiling.len() + self.waiting()
    }

    fn can_look_up(&self) -> bool {
        let busy = self.looking_up.iter().filter(|it| !it.is_found).count();
        busy < self.slots && self.looking_up.len() < self.slots + MAX_STARTING
    }

    fn can_compile(&self) -> bool {
        let busy = self.compiling.iter().filter(|it| !it.is_compiled).count();
        // Looking up comes first, unless a file takes long to be read.
        let knows_most = self.unknown.is_empty() && self.can_look_up();
        knows_most && busy < self.slots && self.compiling.len() < self.slots + MAX_DESCRIBING
    }

    /// The index of the next component to compile, and how many turns it has had. A script comes after components: what
    /// is compiled for it is large. It waits while the interpreter of its language is compiled for another.
    fn first_uncached(&self) -> Option<(usize, u32)> {
        let order = |uncached: &ToCompile| {
            let candidate = &uncached.candidate;
            (uncached.turns, language(&candidate.key).is_some(), candidate.fingerprint().length())
        };
        let is_compiled_for_another = |key: &ComponentKey| {
            language(key).is_some_and(|language| self.compiling.iter().any(|it| is_script_of(&it.key, language)))
        };
        let eligible = self.uncached.iter().enumerate().filter(|(_, it)| !is_compiled_for_another(&it.candidate.key));
        let (index, first) = eligible.min_by_key(|(_, it)| order(it))?;
        Some((index, first.turns))
    }
}

/// The language of a script. `None` for a component.
fn language(key: &ComponentKey) -> Option<Language> {
    Language::of(key.path())
}

fn is_script_of(key: &ComponentKey, language: Language) -> bool {
    Language::of(key.path()) == Some(language)
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
