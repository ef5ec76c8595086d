//! What is too long to be told each second: how routes are set up, and the last failures. A viewer asks for it when a number in
//! `/stats.json` has changed.

use serde_json::{Map, Value, json};

use crate::metrics::{FailureRecord, since_epoch};
use crate::redaction::shown;
use crate::routes::{ChainLink, MountedRoute, RouteTable};

/// The routes with their options, grants and middleware. Of what is granted it has the names and no values.
pub(super) fn routes(table: &RouteTable) -> String {
    let routes: Vec<Value> = table.routes().iter().map(route).collect();
    json!({ "routes": routes }).to_string()
}

fn route(mounted: &MountedRoute) -> Value {
    let MountedRoute { route, patterns } = mounted;
    let options = route.options.all().iter().map(|option| {
        let told = json!({ "value": Value::from(&*shown(option)), "source": option.source.to_string() });
        (option.name.clone(), told)
    });
    let mut grants: Map<String, Value> = Map::new();
    for (kind, name, grant) in route.grants.iter().flat_map(|grants| grants.iter()) {
        let names = grants.entry(kind.key()).or_insert_with(|| json!([]));
        if let Value::Array(names) = names {
            // What has no name is the pattern of a server.
            names.push(name.map_or(grant.as_str(), |name| name).into());
        }
    }
    json!({
        "name": &*route.mount.name,
        "site": route.mount.key.site().name(),
        "patterns": patterns,
        "methods": route.mount.methods,
        "file": route.mount.key.location(),
        "component": route.mount.fetched.as_ref().map(|fetched| json!({
            "reference": fetched.reference.to_string(),
            "digest": fetched.digest.to_string(),
        })),
        "world": route.target.world().name(),
        "timer": route.timer.as_ref().map(|timer| json!({ "every": timer.every.as_secs_f64(), "target": timer.target })),
        "middleware": route.chain.iter().map(link).collect::<Vec<_>>(),
        "quarantine": route.options.quarantine.status().map(|status| status.summary()),
        "grants": grants,
        "options": options.collect::<Map<_, _>>(),
    })
}

fn link(link: &ChainLink) -> Value {
    json!({
        "name": &*link.middleware.name,
        "partial": link.is_partial(),
        "quarantine": link.middleware.options.quarantine.status().map(|status| status.summary()),
    })
}

/// The failures, the last first.
pub(super) fn failures(failures: &[FailureRecord]) -> String {
    let failure = |failure: &FailureRecord| {
        let FailureRecord { number, time, route, middleware, request, text } = failure;
        json!({
            "number": number,
            "time": since_epoch(*time),
            "route": route,
            "middleware": middleware,
            "request": request,
            "text": text,
        })
    };
    json!({ "failures": failures.iter().map(failure).collect::<Vec<_>>() }).to_string()
}
