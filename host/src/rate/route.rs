//! The rates of one route, and which budget a request uses.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Budget, Clients, Pacer};
use crate::net::ClientKey;

/// Which connections share a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// All connections of one client.
    Client,
    /// Each connection has the rate for itself.
    Connection,
}

/// A rate with its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Bytes a second.
    pub rate: NonZeroU64,
    /// The bytes that may pass at once.
    pub burst: u64,
}

/// The direction of the bytes that a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the host to the client.
    Download,
    /// From the client to the host.
    Upload,
}

/// The rates of one route. A clone shares what clients have used.
#[derive(Debug, Clone, Default)]
pub struct RouteRates {
    download: Option<DirectionRate>,
    upload: Option<DirectionRate>,
}

#[derive(Debug, Clone)]
struct DirectionRate {
    limit: RateLimit,
    /// The clients that share it. None if each connection has a budget of its own.
    clients: Option<Arc<Clients>>,
}

/// The budgets of one connection, for routes whose rate belongs to each connection: at most two for each route that the
/// connection has used.
///
/// Nothing is allocated for a connection that uses no such route.
#[derive(Debug, Default)]
pub struct ConnectionBudgets(Option<Arc<Mutex<Vec<ConnectionBudget>>>>);

#[derive(Debug)]
struct ConnectionBudget {
    route: Arc<str>,
    direction: Direction,
    limit: RateLimit,
    budget: Budget,
}

/// The pacers of one request. None if the route has no rate in that direction.
#[derive(Debug)]
pub struct Pacers {
    /// For the response.
    pub download: Option<Pacer>,
    /// For the request's body.
    pub upload: Option<Pacer>,
}

impl RateLimit {
    /// How many bytes to reserve at a time, at least 1. It is half the burst, so that one piece can wait while another
    /// is sent. It is at most the bytes of 10 ms, if those are more than one TCP segment.
    #[must_use]
    pub fn piece(self) -> usize {
        /// What fits into one TCP segment on Ethernet.
        const SEGMENT_BYTES: u64 = 1460;
        let piece = (self.burst / 2).min((self.rate.get() / 100).max(SEGMENT_BYTES)).max(1);
        usize::try_from(piece).unwrap_or(usize::MAX)
    }
}

impl RouteRates {
    /// The rates of a route that nobody has used yet.
    #[must_use]
    pub fn new(download: Option<RateLimit>, upload: Option<RateLimit>, scope: RateScope) -> Self {
        let rate = |limit: RateLimit| {
            let clients = match scope {
                RateScope::Client => Some(Arc::new(Clients::new(limit))),
                RateScope::Connection => None,
            };
            DirectionRate { limit, clients }
        };
        Self { download: download.map(rate), upload: upload.map(rate) }
    }

    /// The same rates, as those of another version of a route: clients keep what they have used of a rate that has not
    /// changed.
    #[must_use]
    pub fn succeeding(self, before: &Self) -> Self {
        let succeeding = |rate: Option<DirectionRate>, before: &Option<DirectionRate>| {
            let rate = rate?;
            let clients = match before {
                Some(before) if before.limit == rate.limit && rate.clients.is_some() => {
                    before.clients.clone().or(rate.clients)
                }
                Some(_) | None => rate.clients,
            };
            Some(DirectionRate { clients, ..rate })
        };
        Self { download: succeeding(self.download, &before.download), upload: succeeding(self.upload, &before.upload) }
    }

    /// The pacers of a request to the route called `route`. `client` sends the request, and `budgets` are those of its
    /// connection. If `client` is `None`, each connection counts as another client.
    #[must_use]
    pub fn pacers(&self, route: &Arc<str>, client: Option<ClientKey>, budgets: &mut ConnectionBudgets) -> Pacers {
        let mut pacer = |rate: &DirectionRate, direction| {
            let now = Instant::now();
            let budget = match (&rate.clients, client) {
                (Some(clients), Some(client)) => clients.budget(client, now),
                (Some(_), None) | (None, _) => budgets.get(route, direction, rate.limit, now),
            };
            Pacer::new(budget, rate.limit.piece())
        };
        Pacers {
            download: self.download.as_ref().map(|rate| pacer(rate, Direction::Download)),
            upload: self.upload.as_ref().map(|rate| pacer(rate, Direction::Upload)),
        }
    }
}

impl ConnectionBudgets {
    /// The same budgets, for another stream of the connection.
    #[must_use]
    pub fn share(&mut self) -> Self {
        Self(Some(self.0.get_or_insert_default().clone()))
    }

    /// The budget of a route in one direction. It is new if this is the route's first request on the connection, or the
    /// first since the route was loaded with another limit.
    fn get(&mut self, route: &Arc<str>, direction: Direction, limit: RateLimit, now: Instant) -> Budget {
        let mut entries = self.0.get_or_insert_default().lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().position(|entry| entry.direction == direction && entry.route == *route);
        if let Some(entry) = found.map(|index| &entries[index])
            && entry.limit == limit
        {
            return entry.budget.clone();
        }
        let budget = Budget::new(limit.rate, limit.burst, now);
        let entry = ConnectionBudget { route: route.clone(), direction, limit, budget: budget.clone() };
        match found {
            Some(index) => entries[index] = entry,
            None => entries.push(entry),
        }
        budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(rate: u64) -> RateLimit {
        RateLimit { rate: NonZeroU64::new(rate).expect("these rates are above 0"), burst: 100 }
    }

    fn client() -> Option<ClientKey> {
        Some(ClientKey::V6Prefix(1))
    }

    /// Whether a new download gets a full burst, which means that its budget is unused.
    fn has_burst(rates: &RouteRates, budgets: &mut ConnectionBudgets) -> bool {
        has_burst_of(client(), rates, budgets)
    }

    fn has_burst_of(client: Option<ClientKey>, rates: &RouteRates, budgets: &mut ConnectionBudgets) -> bool {
        let mut pacer = rates.pacers(&"route".into(), client, budgets).download.expect("there is a rate");
        // A pacer that is dropped refunds what is reserved and not spent.
        let allowed = pacer.poll(50, Instant::now());
        let is_allowed = allowed.is_ready();
        pacer.spend(if is_allowed { 50 } else { 0 });
        is_allowed
    }

    /// Uses the whole burst.
    fn use_up(rates: &RouteRates, budgets: &mut ConnectionBudgets) {
        while has_burst(rates, budgets) {}
    }

    #[test]
    fn connections_of_a_client_share_its_rate_unless_the_scope_is_the_connection() {
        for (scope, shares) in [(RateScope::Client, true), (RateScope::Connection, false)] {
            let rates = RouteRates::new(Some(limit(1)), None, scope);
            use_up(&rates, &mut ConnectionBudgets::default());
            assert_eq!(has_burst(&rates, &mut ConnectionBudgets::default()), !shares, "{scope:?}");
        }
    }

    #[test]
    fn a_client_that_is_not_known_has_a_rate_for_each_of_its_connections() {
        let rates = RouteRates::new(Some(limit(1)), None, RateScope::Client);
        let (mut budgets, mut others) = (ConnectionBudgets::default(), ConnectionBudgets::default());
        while has_burst_of(None, &rates, &mut budgets) {}
        assert!(has_burst_of(None, &rates, &mut others) && has_burst_of(client(), &rates, &mut budgets));
        assert!(!has_burst_of(None, &rates, &mut budgets), "it keeps its budget");
    }

    #[test]
    fn a_connection_keeps_its_budget_until_the_limit_changes() {
        let mut budgets = ConnectionBudgets::default();
        let rates = RouteRates::new(Some(limit(1)), None, RateScope::Connection);
        use_up(&rates, &mut budgets);
        assert!(!has_burst(&rates, &mut budgets));
        let other = RouteRates::new(Some(limit(2)), None, RateScope::Connection).succeeding(&rates);
        assert!(has_burst(&other, &mut budgets));
        let entries = budgets.0.expect("the connection has used a route");
        assert_eq!(entries.lock().expect("nothing has panicked").len(), 1);
    }

    #[test]
    fn the_streams_of_a_connection_share_its_rate() {
        let rates = RouteRates::new(Some(limit(1)), None, RateScope::Connection);
        let mut budgets = ConnectionBudgets::default();
        let (mut one, mut other) = (budgets.share(), budgets.share());
        use_up(&rates, &mut one);
        assert!(!has_burst(&rates, &mut other) && !has_burst(&rates, &mut budgets));
    }

    #[test]
    fn a_version_of_a_route_takes_over_what_clients_have_used_of_the_same_limit() {
        let before = RouteRates::new(Some(limit(1)), Some(limit(1)), RateScope::Client);
        use_up(&before, &mut ConnectionBudgets::default());
        let again = RouteRates::new(Some(limit(1)), None, RateScope::Client).succeeding(&before);
        assert!(!has_burst(&again, &mut ConnectionBudgets::default()));
        let faster = RouteRates::new(Some(limit(2)), None, RateScope::Client).succeeding(&before);
        assert!(has_burst(&faster, &mut ConnectionBudgets::default()));
    }

    #[test]
    fn a_direction_without_a_rate_has_no_pacer() {
        for (download, upload) in [(None, None), (Some(limit(1)), None), (None, Some(limit(1)))] {
            let rates = RouteRates::new(download, upload, RateScope::Client);
            let pacers = rates.pacers(&"route".into(), client(), &mut ConnectionBudgets::default());
            assert_eq!((pacers.download.is_some(), pacers.upload.is_some()), (download.is_some(), upload.is_some()));
        }
    }
}
