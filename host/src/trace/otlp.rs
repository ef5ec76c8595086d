//! OTLP in its JSON form: ids are hexadecimal, times are strings, and enumerations are numbers.

use serde_json::{Map, Value, json};

use super::span::{AttributeValue, SpanKind, SpanRecord};

/// The status of a span that has failed.
const STATUS_ERROR: u8 = 2;

/// The body of a request with these spans.
pub(super) fn request(service: &str, spans: &[SpanRecord]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [("service.name", service.into()), ("service.version", version.into())];
    json!({
        "resourceSpans": [{
            "resource": { "attributes": attributes(&resource) },
            "scopeSpans": [{
                "scope": { "name": "vibrato", "version": version },
                "spans": spans.iter().map(span).collect::<Vec<_>>(),
            }],
        }],
    })
    .to_string()
}

fn span(record: &SpanRecord) -> Value {
    let mut span = Map::new();
    let mut set = |name: &str, value: Value| _ = span.insert(name.to_owned(), value);
    set("traceId", record.trace.to_string().into());
    set("spanId", record.id.to_string().into());
    if let Some(parent) = record.parent {
        set("parentSpanId", parent.to_string().into());
    }
    if let Some(state) = &record.state {
        set("traceState", (&**state).into());
    }
    set("name", (&*record.name).into());
    set("kind", kind(record.kind).into());
    set("startTimeUnixNano", record.start.to_string().into());
    set("endTimeUnixNano", record.end.to_string().into());
    set("attributes", attributes(&record.attributes));
    if let Some(error) = &record.error {
        set("status", json!({ "code": STATUS_ERROR, "message": error }));
    }
    Value::Object(span)
}

fn kind(kind: SpanKind) -> u8 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    }
}

fn attributes(attributes: &[(&str, AttributeValue)]) -> Value {
    let attribute = |(name, value): &(&str, AttributeValue)| {
        let value = match value {
            AttributeValue::Text(text) => json!({ "stringValue": text }),
            AttributeValue::Integer(number) => json!({ "intValue": number.to_string() }),
        };
        json!({ "key": name, "value": value })
    };
    attributes.iter().map(attribute).collect()
}

/// How many spans a collector has refused, according to its response.
pub(super) fn rejected(response: &[u8]) -> u64 {
    let response: Value = serde_json::from_slice(response).unwrap_or_default();
    let rejected = &response["partialSuccess"]["rejectedSpans"];
    rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0)
}
