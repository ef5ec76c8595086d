//! The host's own options, as far as a compiler can check them: name, type and range. Must not know what they do.
//! The host checks again what it loads, since not every component comes from this macro.

use std::ops::RangeInclusive;

use proc_macro2::Span;
use syn::{Error, Result};

use crate::args::Value;

/// What an option of the host takes.
enum Expected {
    Boolean,
    Integer(RangeInclusive<i64>),
    /// Above 0 and at most this, with a fraction or without.
    Seconds(f64),
    NonEmptyText,
    OneOf(&'static [&'static str]),
}

/// Checks one option. A name that is not the host's is the handler's own, and takes any value.
pub(crate) fn check(name: &str, value: &Value, span: Span) -> Result<()> {
    let Some(expected) = expected(name) else {
        return Ok(());
    };
    if expected.accepts(value) {
        Ok(())
    } else {
        Err(Error::new(span, format!("`{name}` takes {}", expected.describe())))
    }
}

fn expected(name: &str) -> Option<Expected> {
    Some(match name {
        "chunked" | "stream" | "websocket" => Expected::Boolean,
        "rate" | "upload_rate" | "max_body" | "concurrency" => Expected::Integer(0..=i64::MAX),
        "burst" => Expected::Integer(1..=i64::MAX),
        "push_queue" => Expected::Integer(1..=67_108_864),
        "push_overflow" => Expected::OneOf(&["disconnect", "drop-oldest"]),
        "park_timeout" => Expected::Seconds(31_536_000.0),
        "cpu" => Expected::Integer(1..=86_400_000),
        "heartbeat" => Expected::Integer(1..=86_400),
        "buffer_size" => Expected::Integer(1..=1_048_576),
        "reuse" => Expected::Integer(1..=4_294_967_295),
        "status" => Expected::Integer(200..=599),
        "memory" => Expected::Integer(65_536..=4_294_967_296),
        "max_message" => Expected::Integer(1..=67_108_864),
        "timeout" => Expected::Seconds(86_400.0),
        "content_type" => Expected::NonEmptyText,
        "rate_scope" => Expected::OneOf(&["client", "connection"]),
        _ => return None,
    })
}

impl Expected {
    fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Boolean => matches!(value, Value::Boolean(_)),
            Self::Integer(range) => matches!(value, Value::Integer(value) if range.contains(value)),
            Self::Seconds(most) => match *value {
                Value::Integer(value) => value > 0 && value as f64 <= *most,
                Value::Float(value) => value > 0.0 && value <= *most,
                Value::Boolean(_)
                | Value::Text(_)
                | Value::Booleans(_)
                | Value::Integers(_)
                | Value::Floats(_)
                | Value::Texts(_) => false,
            },
            Self::NonEmptyText => matches!(value, Value::Text(value) if !value.is_empty()),
            Self::OneOf(texts) => matches!(value, Value::Text(value) if texts.contains(&value.as_str())),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Integer(range) if *range.end() == i64::MAX => format!("an integer of {} or more", range.start()),
            Self::Integer(range) => format!("an integer from {} to {}", range.start(), range.end()),
            Self::Seconds(most) => format!("a number of seconds above 0 and at most {most}"),
            Self::NonEmptyText => "a string that is not empty".to_owned(),
            Self::OneOf(texts) => format!("`\"{}\"`", texts.join("\"` or `\"")),
        }
    }
}
