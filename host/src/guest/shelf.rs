//! Instances that wait for a request: those that a route allows to be used again, and one that was made ahead.
//!
//! Owns how many wait and how much memory they have. An instance that was never used is as fresh as one that is made
//! when its request comes; it only has started before. It must not know what an instance does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Invocation;
use super::instance::Instance;

/// The most instances that wait, or will again, for all handlers together.
pub(super) const MAX_WAITING: usize = 256;

/// The most bytes that their memories have.
const MAX_WAITING_BYTES: usize = 256 * 1024 * 1024;

/// The most instances of one handler that wait for one thread.
const MAX_OF_A_THREAD: usize = 16;

/// The terms on which a route's instances are made and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// The bytes that the memories of an instance may have.
    pub(super) memory: usize,
    /// How many invocations an instance serves.
    pub(super) reuse: u32,
}

impl Terms {
    pub(super) fn of(invocation: &Invocation) -> Self {
        let settings = &invocation.options.settings;
        Self { memory: settings.memory, reuse: settings.reuse }
    }
}

/// The waiting instances of one handler: a shelf for each thread, so that none waits for another's.
pub(super) struct Shelves {
    shelves: Box<[Shelf]>,
    waiting: Arc<Waiting>,
    /// Its instances cannot be made ahead: they want their request from the start, or take too long.
    late: AtomicBool,
}

/// A shelf, in a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Shelf(Mutex<Vec<Instance>>);

impl Shelves {
    /// Empty shelves for as many threads as there are cores.
    pub(super) fn new(waiting: Arc<Waiting>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { shelves: (0..threads).map(|_| Shelf::default()).collect(), waiting, late: AtomicBool::new(false) }
    }

    /// An instance that can serve one more invocation on these terms.
    pub(super) fn take(&self, terms: Terms) -> Option<Instance> {
        let mut shelf = self.lock();
        loop {
            let instance = shelf.pop()?;
            if instance.served() < terms.reuse && instance.memory() <= terms.memory {
                return Some(instance);
            }
        }
    }

    /// Keeps an instance that can serve more, where there is room; gives it back where not.
    pub(super) fn put(&self, mut instance: Instance, terms: Terms) -> Result<(), Instance> {
        if instance.served() >= terms.reuse {
            return Err(instance);
        }
        let bytes = instance.memory();
        if instance.place.as_ref().is_none_or(|place| place.bytes != bytes) {
            instance.place = self.waiting.place(bytes);
        }
        let mut shelf = self.lock();
        if instance.place.is_none() || shelf.len() == MAX_OF_A_THREAD {
            return Err(instance);
        }
        shelf.push(instance);
        Ok(())
    }

    /// Whether nothing waits for this thread.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Says that instances cannot be made ahead.
    pub(super) fn set_late(&self) {
        self.late.store(true, Ordering::Relaxed);
    }

    /// Whether instances cannot be made ahead.
    pub(super) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Instance>> {
        thread_local! {
            static NUMBER: usize = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                NEXT.fetch_add(1, Ordering::Relaxed)
            };
        }
        let number = NUMBER.with(|number| number % self.shelves.len());
        self.shelves[number].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits in a whole engine.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    instances: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    /// Room for one more instance with so many bytes.
    fn place(self: &Arc<Self>, bytes: usize) -> Option<Place> {
        let instances = self.instances.fetch_add(1, Ordering::Relaxed);
        let all = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let place = Place { waiting: self.clone(), bytes };
        (instances < MAX_WAITING && all <= MAX_WAITING_BYTES).then_some(place)
    }
}

/// The room of one instance that waits, or will again: it keeps it while it serves, so that cores that share nothing
/// else need not count together for every request. Given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.instances.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
