//! How a route is set up, what it costs, and its last failures: lines for people.

use std::time::{Duration, UNIX_EPOCH};

use host::text::{printable, time_of_day};
use serde_json::Value;

use super::figures::HostFigures;
use super::format::{bytes, count, duration};
use super::stats::{Stats, entries, list, text};

/// What `/routes.json` and `/failures.json` say.
#[derive(Debug, Clone, Default)]
pub(super) struct Details {
    pub(super) routes: Value,
    pub(super) failures: Value,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DetailLine {
    Heading(String),
    Text(String),
}

/// What is known of the routes of one name. `details` is `None` until it was asked for.
pub(super) fn lines(
    name: &str,
    stats: &Stats,
    figures: Option<&HostFigures>,
    details: Option<&Details>,
) -> Vec<DetailLine> {
    let mut lines = Lines::default();
    lines.costs(name, stats, figures);
    match details {
        None => lines.section("How it is set up", ["is being asked for"]),
        Some(details) => {
            list(&details.routes["routes"]).filter(|route| route["name"] == name).for_each(|route| lines.setup(route));
            lines.failures(name, &details.failures);
        }
    }
    lines.0
}

#[derive(Debug, Default)]
struct Lines(Vec<DetailLine>);

impl Lines {
    /// A heading with lines below it, if there are any.
    fn section(&mut self, heading: &str, items: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.0.push(DetailLine::Heading(heading.to_owned()));
            self.0.extend(items.map(|item| DetailLine::Text(format!("  {}", printable(item.as_ref())))));
        }
    }

    fn costs(&mut self, name: &str, stats: &Stats, figures: Option<&HostFigures>) {
        let Some(route) = stats.routes.iter().find(|route| route.name == name) else { return };
        let recent = figures.and_then(|figures| Some((figures.seconds, &figures.routes.get(name)?.happened)));
        let (happened, since) = match recent.filter(|(_, happened)| happened.requests > 0) {
            Some((seconds, happened)) => (happened, format!("over the last {}", duration(seconds))),
            None => (&route.counters, "since the start".to_owned()),
        };
        if happened.requests > 0 {
            let of_one =
                |(stage, seconds): (&String, &f64)| format!("{stage} {}", duration(seconds / happened.requests as f64));
            let memory = format!("memory of an instance {}", bytes(route.instance_memory as f64));
            let heading = format!("Cost of a request by stage, {since}");
            self.section(&heading, happened.stages.iter().map(of_one).chain([memory]));
        }
        let requests =
            route.requests.iter().map(|(method, code, number)| format!("{method} {code}: {}", count(*number as f64)));
        self.section("Requests since the start", requests);
        let ends = route.ends.iter().filter(|(_, number)| *number > 0);
        self.section("How they ended", ends.map(|(end, number)| format!("{end}: {}", count(*number as f64))));
    }

    fn setup(&mut self, route: &Value) {
        self.section("Quarantine", route["quarantine"].as_str());
        let site = text(&route["site"]);
        let patterns = list(&route["patterns"]).map(|pattern| format!("{site}{}", text(pattern)));
        let methods: Vec<String> = list(&route["methods"]).map(text).collect();
        let methods = if methods.is_empty() { "any method".to_owned() } else { methods.join(", ") };
        let timer = route["timer"].as_object().map(|timer| {
            let part = |name: &str| timer.get(name).map(text).unwrap_or_default();
            format!("timer every {} s at {}", part("every"), part("target"))
        });
        let place = [methods, text(&route["file"]), format!("world {}", text(&route["world"]))];
        self.section("Where it is", patterns.chain(place).chain(timer));
        let chain = list(&route["middleware"]).map(|link| {
            let partial = if link["partial"] == true { " (some paths)" } else { "" };
            let quarantine = link["quarantine"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{}{partial}{quarantine}", text(&link["name"]))
        });
        self.section("Middleware, outermost first", chain);
        let grants = entries(&route["grants"])
            .map(|(kind, names)| format!("{kind}: {}", list(names).map(text).collect::<Vec<_>>().join(", ")));
        self.section("Grants", grants);
        let options = entries(&route["options"]).map(|(name, option)| {
            let value = match &option["value"] {
                Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
                value => text(value),
            };
            match text(&option["source"]).as_str() {
                "default" => format!("{name} = {value}"),
                source => format!("{name} = {value} ({source})"),
            }
        });
        self.section("Options", options);
    }

    fn failures(&mut self, name: &str, failures: &Value) {
        let own = list(&failures["failures"]).filter(|failure| failure["route"] == name);
        for failure in own {
            let time = failure["time"].as_f64().and_then(|time| Duration::try_from_secs_f64(time).ok());
            let time = time.and_then(|time| UNIX_EPOCH.checked_add(time)).map(time_of_day).unwrap_or_default();
            let middleware = failure["middleware"].as_str();
            let middleware = middleware.map(|name| format!(", in middleware {}", printable(name))).unwrap_or_default();
            let heading =
                format!("Failure at {time} UTC, request {}{middleware}", printable(&text(&failure["request"])));
            self.section(&heading, text(&failure["text"]).lines());
        }
    }
}
