//! How many connections are left open, of as many as may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::share::{Resource, RouteUsage, Share};

/// The connections of all workers that handlers have left open.
#[derive(Debug)]
pub(crate) struct ParkingLot {
    parked: AtomicUsize,
    most: usize,
}

/// The place of one of them, given back when dropped.
#[derive(Debug)]
pub(crate) struct ParkedPermit {
    parking: Arc<ParkingLot>,
    /// Of its route.
    usage: Arc<RouteUsage>,
}

/// Why there is no place for another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParkingRefused {
    /// As many as may be are left open.
    Full,
    /// The route has as many as it may.
    Share,
}

impl ParkingLot {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Self {
        Self { parked: AtomicUsize::new(0), most }
    }

    /// How many there are now.
    pub(crate) fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }
}

impl ParkedPermit {
    /// Another place for a route that has taken `usage` so far, and may take a `share`.
    pub(super) fn take(
        parking: &Arc<ParkingLot>,
        usage: &Arc<RouteUsage>,
        share: Share,
    ) -> Result<Self, ParkingRefused> {
        let most = parking.most;
        let one_more = |parked: usize| (parked < most).then_some(parked + 1);
        let before = parking.parked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        let taken = before.map_err(|_| ParkingRefused::Full)? + 1;
        usage.add(Resource::Parked, 1);
        let place = Self { parking: parking.clone(), usage: usage.clone() };
        let own = || usage.sum(Resource::Parked);
        // Whatever others take, a route that has left nothing open may do so once.
        if share.allows(own, taken, most - taken) || own() <= 1 { Ok(place) } else { Err(ParkingRefused::Share) }
    }
}

impl Drop for ParkedPermit {
    fn drop(&mut self) {
        self.parking.parked.fetch_sub(1, Ordering::Relaxed);
        self.usage.subtract(Resource::Parked, 1);
    }
}
