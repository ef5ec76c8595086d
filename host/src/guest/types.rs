//! The types of `wit/world.wit` as they cross between guest and host.

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, Lower};

use super::{Outcome, Step};
use crate::exchange::{BodyError, ContextError};
use crate::http::fields::FieldError;
use crate::http::version::Version;
use crate::options::Value;
use crate::push::PushError;
use crate::response::ResponseError;

/// `outcome`
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Returned {
    #[component(name = "body")]
    Body(Bytes),
    #[component(name = "close")]
    Close,
    #[component(name = "manual")]
    Manual,
}

impl From<Returned> for Outcome {
    fn from(returned: Returned) -> Self {
        match returned {
            Returned::Body(bytes) => Self::Body(bytes),
            Returned::Close => Self::Close,
            Returned::Manual => Self::Manual,
        }
    }
}

/// `step`
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum GuestStep {
    #[component(name = "next")]
    Next,
    #[component(name = "body")]
    Body(Bytes),
    #[component(name = "close")]
    Close,
    #[component(name = "manual")]
    Manual,
}

impl From<GuestStep> for Step {
    fn from(step: GuestStep) -> Self {
        match step {
            GuestStep::Next => Self::Next,
            GuestStep::Body(bytes) => Self::End(Outcome::Body(bytes)),
            GuestStep::Close => Self::End(Outcome::Close),
            GuestStep::Manual => Self::End(Outcome::Manual),
        }
    }
}

/// `error`
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum GuestError {
    #[component(name = "closed")]
    Closed,
    #[component(name = "head-already-sent")]
    HeadAlreadySent,
    #[component(name = "invalid")]
    Invalid,
    #[component(name = "forbidden")]
    Forbidden,
    #[component(name = "too-large")]
    TooLarge,
}

impl From<ResponseError> for GuestError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Closed => Self::Closed,
            ResponseError::HeadSent => Self::HeadAlreadySent,
            ResponseError::Invalid | ResponseError::Field(FieldError::Invalid) => Self::Invalid,
            ResponseError::Field(FieldError::Forbidden) => Self::Forbidden,
            ResponseError::Field(FieldError::TooLarge) => Self::TooLarge,
        }
    }
}

impl From<PushError> for GuestError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Topic | PushError::Empty | PushError::Event | PushError::SecondHistory => Self::Invalid,
            PushError::LargeChunk
            | PushError::TooManyTopics
            | PushError::TopicQuota
            | PushError::SubscriberQuota
            | PushError::PublishRate => Self::TooLarge,
            PushError::Closed | PushError::Unavailable => Self::Closed,
            PushError::NoHistory | PushError::WebSocket => Self::Forbidden,
        }
    }
}

/// `history-error` of `push`
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum GuestHistoryError {
    #[component(name = "closed")]
    Closed,
    #[component(name = "invalid")]
    Invalid,
    #[component(name = "forbidden")]
    Forbidden,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "unavailable")]
    Unavailable,
}

impl From<PushError> for GuestHistoryError {
    fn from(error: PushError) -> Self {
        match GuestError::from(error) {
            GuestError::Closed if error == PushError::Unavailable => Self::Unavailable,
            GuestError::Closed => Self::Closed,
            GuestError::Invalid | GuestError::HeadAlreadySent => Self::Invalid,
            GuestError::Forbidden => Self::Forbidden,
            GuestError::TooLarge => Self::TooLarge,
        }
    }
}

impl From<ContextError> for GuestError {
    fn from(error: ContextError) -> Self {
        match error {
            ContextError::Forbidden => Self::Forbidden,
            ContextError::TooLarge => Self::TooLarge,
        }
    }
}

/// `body-error`
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum GuestBodyError {
    #[component(name = "incomplete")]
    Incomplete,
    #[component(name = "malformed")]
    Malformed,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "timed-out")]
    TimedOut,
}

impl From<BodyError> for GuestBodyError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete => Self::Incomplete,
            BodyError::Malformed => Self::Malformed,
            BodyError::TooLarge => Self::TooLarge,
            BodyError::TimedOut => Self::TimedOut,
        }
    }
}

/// `http-version`
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum HttpVersion {
    #[component(name = "http10")]
    Http10,
    #[component(name = "http11")]
    Http11,
}

impl From<Version> for HttpVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::Http10 => Self::Http10,
            Version::Http11 | Version::Http2 => Self::Http11,
        }
    }
}

/// `value`
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(super) enum GuestValue {
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "float")]
    Float(f64),
    #[component(name = "text")]
    Text(String),
    #[component(name = "booleans")]
    Booleans(Vec<bool>),
    #[component(name = "integers")]
    Integers(Vec<i64>),
    #[component(name = "floats")]
    Floats(Vec<f64>),
    #[component(name = "texts")]
    Texts(Vec<String>),
}

impl From<&Value> for GuestValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(value) => Self::Text(value.clone()),
            Value::Booleans(values) => Self::Booleans(values.clone()),
            Value::Integers(values) => Self::Integers(values.clone()),
            Value::Floats(values) => Self::Floats(values.clone()),
            Value::Texts(values) => Self::Texts(values.clone()),
        }
    }
}

impl From<GuestValue> for Value {
    fn from(value: GuestValue) -> Self {
        match value {
            GuestValue::Boolean(value) => Self::Boolean(value),
            GuestValue::Integer(value) => Self::Integer(value),
            GuestValue::Float(value) => Self::Float(value),
            GuestValue::Text(value) => Self::Text(value),
            GuestValue::Booleans(values) => Self::Booleans(values),
            GuestValue::Integers(values) => Self::Integers(values),
            GuestValue::Floats(values) => Self::Floats(values),
            GuestValue::Texts(values) => Self::Texts(values),
        }
    }
}

/// `declaration`
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct GuestDeclaration {
    pub(super) paths: Vec<String>,
    pub(super) methods: Vec<String>,
    pub(super) options: Vec<(String, GuestValue)>,
}
