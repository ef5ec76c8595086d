//! Limits the number of parked responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::share::{Resource, RouteUsage, Share};

/// Counts the parked responses of all workers.
#[derive(Debug)]
pub(crate) struct ParkingLot {
    parked: AtomicUsize,
    max: usize,
}

/// A permit to park a response, released on drop.
#[derive(Debug)]
pub(crate) struct ParkedPermit {
    parking: Arc<ParkingLot>,
    /// The usage of its route.
    usage: Arc<RouteUsage>,
}

/// Why a response cannot be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParkingRefused {
    /// The maximum number of responses, `--max-parked`, is already parked.
    Full,
    /// The route would exceed its share.
    Share,
}

impl ParkingLot {
    /// Allows at most `max` parked responses.
    pub(crate) fn new(max: usize) -> Self {
        Self { parked: AtomicUsize::new(0), max }
    }

    /// The number of parked responses.
    pub(crate) fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }
}

impl ParkedPermit {
    /// Takes a permit for a route with this `usage` and `share`.
    pub(super) fn take(
        parking: &Arc<ParkingLot>,
        usage: &Arc<RouteUsage>,
        share: Share,
    ) -> Result<Self, ParkingRefused> {
        let max = parking.max;
        let one_more = |parked: usize| (parked < max).then_some(parked + 1);
        let before = parking.parked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        let parked = before.map_err(|_| ParkingRefused::Full)? + 1;
        usage.add(Resource::Parked, 1);
        let permit = Self { parking: parking.clone(), usage: usage.clone() };
        let of_route = || usage.sum(Resource::Parked);
        // A route without parked responses may always park one.
        if share.allows(of_route, parked, max - parked) || of_route() <= 1 {
            Ok(permit)
        } else {
            Err(ParkingRefused::Share)
        }
    }
}

impl Drop for ParkedPermit {
    fn drop(&mut self) {
        self.parking.parked.fetch_sub(1, Ordering::Relaxed);
        self.usage.subtract(Resource::Parked, 1);
    }
}
