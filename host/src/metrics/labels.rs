//! The labels that come from requests: methods and statuses, each one of a bounded number.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::routes::TIMER_METHOD;

/// The most statuses of a route that have a label of their own.
const MAX_CODES: usize = 16;

/// The method of a request, as a label: one of those that are registered for HTTP, or one of three words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodLabel {
    /// The head could not be parsed.
    Unknown,
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// PATCH.
    Patch,
    /// OPTIONS.
    Options,
    /// CONNECT.
    Connect,
    /// TRACE.
    Trace,
    /// A run of the route's timer.
    Timer,
    /// Any other method.
    Other,
}

/// The status of a response, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusLabel {
    /// No head was sent.
    None,
    /// This status, one of the first 16 of its route.
    Code(u16),
    /// Another status of this class, from 1 to 9.
    Class(u16),
}

/// A closed list of words that are labels.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one, in the order of their numbers.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// The text of the label.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// Why an invocation has made no response, or not all of it.
    FailureKind {
        /// It trapped.
        Trap = "trap",
        /// It trapped after it was refused memory beyond its route's `memory`.
        MemoryLimit = "memory-limit",
        /// It passed its route's `timeout`.
        Timeout = "timeout",
        /// It used up its route's `cpu`.
        Cpu = "cpu",
        /// It called `fail`.
        Failed = "failed",
        /// A handler of wasi:http made no whole response.
        NoResponse = "no-response",
        /// It returned another length than it had declared.
        WrongLength = "wrong-length",
        /// The engine had no free instance.
        NoInstance = "no-instance",
        /// There was no memory for it.
        NoMemory = "no-memory",
        /// Its route is in quarantine.
        Quarantine = "quarantine",
    }
}

words! {
    /// How a handshake of TLS has ended.
    HandshakeOutcome {
        /// A new session of TLS 1.2.
        Full12 = "full-1.2",
        /// A session of TLS 1.2 was resumed.
        Resumed12 = "resumed-1.2",
        /// A new session of TLS 1.3.
        Full13 = "full-1.3",
        /// A session of TLS 1.3 was resumed.
        Resumed13 = "resumed-1.3",
        /// It failed, or was not complete in time.
        Failed = "failed",
        /// The connection was closed before it was complete.
        GivenUp = "given-up",
    }
}

impl HandshakeOutcome {
    /// That of a complete handshake.
    pub(crate) fn of(is_1_3: bool, is_resumed: bool) -> Self {
        match (is_1_3, is_resumed) {
            (false, false) => Self::Full12,
            (false, true) => Self::Resumed12,
            (true, false) => Self::Full13,
            (true, true) => Self::Resumed13,
        }
    }

    /// The labels `outcome`, `version` and `resumed`.
    pub(super) fn labels(self) -> [&'static str; 3] {
        match self {
            Self::Full12 => ["complete", "1.2", "false"],
            Self::Resumed12 => ["complete", "1.2", "true"],
            Self::Full13 => ["complete", "1.3", "false"],
            Self::Resumed13 => ["complete", "1.3", "true"],
            Self::Failed => ["failed", "-", "-"],
            Self::GivenUp => ["given-up", "-", "-"],
        }
    }
}

words! {
    /// How a request to another server has ended.
    OutboundOutcome {
        /// A response of the class 1xx or 2xx.
        Success = "2xx",
        /// A response of the class 3xx.
        Redirect = "3xx",
        /// A response of the class 4xx.
        ClientError = "4xx",
        /// A response of the class 5xx or another one.
        ServerError = "5xx",
        /// The host name has no address, or none that may be reached.
        Lookup = "lookup",
        /// There was no connection.
        Connect = "connect",
        /// TLS has failed.
        Tls = "tls",
        /// A time-out has passed.
        Timeout = "timeout",
        /// The connection was closed before the response.
        Closed = "closed",
        /// What the server has sent is not HTTP, or too large.
        Protocol = "protocol",
        /// The request was invalid.
        Invalid = "invalid",
        /// The component has too many requests at once.
        TooMany = "too-many",
        /// The invocation has ended before.
        GivenUp = "given-up",
    }
}

impl OutboundOutcome {
    /// That of a response.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            100..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

words! {
    /// How an operation of a key-value store has ended.
    StoreOutcome {
        /// It was done.
        Ok = "ok",
        /// The store may only be read.
        ReadOnly = "read-only",
        /// A key, a value or a batch is too large.
        TooLarge = "too-large",
        /// The store is full.
        Full = "full",
        /// What is stored is no number, or the number is too large; or a cursor is invalid.
        Invalid = "invalid",
        /// The disk has failed.
        Storage = "storage",
    }
}

/// The first statuses of a route, in the order in which they came. All workers read them, and a worker writes once for each.
#[derive(Debug, Default)]
pub(super) struct StatusCodes([AtomicU16; MAX_CODES]);

impl MethodLabel {
    /// Every label.
    pub const ALL: [Self; 12] = [
        Self::Unknown,
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Patch,
        Self::Options,
        Self::Connect,
        Self::Trace,
        Self::Timer,
        Self::Other,
    ];

    /// That of a method, which is `None` if the head could not be parsed.
    #[must_use]
    pub fn of(method: Option<&str>) -> Self {
        match method {
            None => Self::Unknown,
            Some("GET") => Self::Get,
            Some("HEAD") => Self::Head,
            Some("POST") => Self::Post,
            Some("PUT") => Self::Put,
            Some("DELETE") => Self::Delete,
            Some("PATCH") => Self::Patch,
            Some("OPTIONS") => Self::Options,
            Some("CONNECT") => Self::Connect,
            Some("TRACE") => Self::Trace,
            Some(TIMER_METHOD) => Self::Timer,
            Some(_) => Self::Other,
        }
    }

    /// The text of the label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "-",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Timer => TIMER_METHOD,
            Self::Other => "other",
        }
    }
}

impl StatusLabel {
    /// The text of the label: `200`, `5xx`, or `-`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::None => "-".to_owned(),
            Self::Code(code) => code.to_string(),
            Self::Class(class) => format!("{class}xx"),
        }
    }

    /// Whether it is a failure of the server: 500 and above.
    #[must_use]
    pub fn is_server_error(self) -> bool {
        match self {
            Self::None => false,
            Self::Code(code) => code >= 500,
            Self::Class(class) => class >= 5,
        }
    }
}

impl StatusCodes {
    /// How many labels there are: no status, the first ones, and the classes.
    pub(super) const LABELS: usize = 1 + MAX_CODES + 9;

    /// The index of a status among the labels of its route.
    pub(super) fn index(&self, status: Option<u16>) -> usize {
        let Some(status) = status else { return 0 };
        for (index, code) in self.0.iter().enumerate() {
            let known = match code.load(Ordering::Relaxed) {
                0 => match code.compare_exchange(0, status, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => status,
                    Err(other) => other,
                },
                known => known,
            };
            if known == status {
                return 1 + index;
            }
        }
        1 + MAX_CODES + usize::from((status / 100).clamp(1, 9)) - 1
    }

    /// The label with this index.
    pub(super) fn label(&self, index: usize) -> StatusLabel {
        match index {
            0 => StatusLabel::None,
            1..=MAX_CODES => StatusLabel::Code(self.0[index - 1].load(Ordering::Relaxed)),
            _ => StatusLabel::Class(u16::try_from(index - MAX_CODES).unwrap_or(9)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_its_own_label_or_that_of_all_others() {
        for label in MethodLabel::ALL {
            let method = if label == MethodLabel::Unknown { None } else { Some(label.name()) };
            assert_eq!(MethodLabel::of(method), label);
            assert_eq!(MethodLabel::ALL[label as usize], label);
        }
        for method in ["", "get", "GETS", "BREW", "-", "QUERY"] {
            assert_eq!(MethodLabel::of(Some(method)), MethodLabel::Other);
        }
    }

    #[test]
    fn only_the_first_statuses_have_labels_of_their_own() {
        let codes = StatusCodes::default();
        let label = |status| codes.label(codes.index(status));
        for _ in 0..2 {
            assert_eq!(label(None), StatusLabel::None);
            for status in 200..216 {
                assert_eq!(label(Some(status)), StatusLabel::Code(status));
            }
        }
        for status in [100, 216, 299, 404, 599, 999] {
            assert_eq!(label(Some(status)), StatusLabel::Class(status / 100));
            assert!(codes.index(Some(status)) < StatusCodes::LABELS);
        }
        assert_eq!(label(Some(215)).name(), "215");
        assert_eq!(label(Some(503)).name(), "5xx");
        assert_eq!(label(None).name(), "-");
    }
}
