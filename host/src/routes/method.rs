//! The methods of routes: which may be declared, what a declaration covers, and the value of `Allow`.

use crate::http::grammar::is_token;

#[cfg(test)]
mod tests;

/// The methods that every server is expected to know: those of RFC 9110 section 9.3 that a route may have, and PATCH
/// (RFC 5789). A route that declares none answers all of these.
pub const STANDARD: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// The method of the requests that the host makes for a route with a timer. No route declares it, so no client's request
/// has it.
pub const TIMER_METHOD: &str = "TIMER";

/// The most methods that a route declares.
pub const MAX_METHODS: usize = 64;

/// The longest method, in bytes.
pub const MAX_METHOD_BYTES: usize = 32;

/// Why a method cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Not a token (RFC 9110 section 5.6.2), or a long one.
    #[error("a method is not a token of 1 to {MAX_METHOD_BYTES} bytes; expected one like `GET`")]
    Token,
    /// A standard method in another case. Methods are case-sensitive: no client would send it.
    #[error("method `{method}` is in the wrong case; expected `{standard}`")]
    Case {
        /// The method, as declared.
        method: String,
        /// The one that was meant.
        standard: &'static str,
    },
    /// CONNECT asks for a tunnel and TRACE for the request itself: no handler answers them.
    #[error("method `{method}` is never passed to a handler; expected another")]
    Refused {
        /// The method, as declared.
        method: String,
    },
    /// The method of requests that the timer of a route makes. No client can send it, because no route declares it.
    #[error("method `{TIMER_METHOD}` is that of the host's timer, and no client's; expected another")]
    Timer,
    /// More than [`MAX_METHODS`].
    #[error("there are too many methods; expected at most {MAX_METHODS}")]
    TooMany,
}

/// Checks the methods that a route declares.
///
/// # Errors
/// The first that cannot be declared.
pub fn check(methods: &[String]) -> Result<(), MethodError> {
    if methods.len() > MAX_METHODS {
        return Err(MethodError::TooMany);
    }
    methods.iter().try_for_each(|method| check_one(method))
}

fn check_one(method: &str) -> Result<(), MethodError> {
    if method.len() > MAX_METHOD_BYTES || !is_token(method.as_bytes()) {
        return Err(MethodError::Token);
    }
    if method == TIMER_METHOD {
        return Err(MethodError::Timer);
    }
    if ["CONNECT", "TRACE"].iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
        return Err(MethodError::Refused { method: method.to_owned() });
    }
    match STANDARD.iter().find(|standard| method.eq_ignore_ascii_case(standard)) {
        Some(standard) if *standard != method => Err(MethodError::Case { method: method.to_owned(), standard }),
        Some(_) | None => Ok(()),
    }
}

/// Whether a route that declares `methods` answers `method`.
pub(super) fn covers(methods: &[String], method: &str) -> bool {
    match methods.is_empty() {
        true => STANDARD.contains(&method),
        // RFC 9110 section 9.3.2: HEAD is GET without the body.
        false => methods.iter().any(|declared| declared == method || (method == "HEAD" && declared == "GET")),
    }
}

/// A method that both declarations cover, if there is one.
pub(super) fn overlap<'m>(one: &'m [String], other: &'m [String]) -> Option<&'m str> {
    let declared = one.iter().chain(other).map(String::as_str);
    STANDARD.into_iter().chain(declared).find(|method| covers(one, method) && covers(other, method))
}

/// The value of `Allow` for routes with these declarations: the standard methods first, OPTIONS always.
pub(super) fn allow<'m>(declarations: impl Iterator<Item = &'m [String]> + Clone) -> String {
    let covered = |method: &&str| *method == "OPTIONS" || declarations.clone().any(|methods| covers(methods, method));
    let mut others: Vec<&str> = extensions(declarations.clone()).collect();
    others.sort_unstable();
    others.dedup();
    let methods: Vec<&str> = STANDARD.into_iter().filter(covered).chain(others).collect();
    methods.join(", ")
}

/// The declared methods that are not standard.
pub(super) fn extensions<'m>(declarations: impl Iterator<Item = &'m [String]>) -> impl Iterator<Item = &'m str> {
    declarations.flatten().map(String::as_str).filter(|method| !STANDARD.contains(method))
}
