//! How many connections are left open, of as many as may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The connections of all workers that handlers have left open.
#[derive(Debug)]
pub(crate) struct Parking {
    parked: AtomicUsize,
    most: usize,
}

/// The place of one of them, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Parking>);

impl Parking {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Self {
        Self { parked: AtomicUsize::new(0), most }
    }

    /// How many there are now.
    pub(crate) fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }
}

impl Place {
    /// Another place; none where all are taken.
    pub(super) fn take(parking: &Arc<Parking>) -> Option<Self> {
        let one_more = |parked: usize| (parked < parking.most).then_some(parked + 1);
        parking.parked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(parking.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.parked.fetch_sub(1, Ordering::Relaxed);
    }
}
