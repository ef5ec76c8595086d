//! Authenticates requests by a bearer token (RFC 6750) and puts the user's name into the context. Others get 401.
//!
//! The option `tokens` lists the users as `NAME:TOKEN`. Without it, every request gets 401.

use guest_sdk::{Error, Options, Outcome, Request, Response, Value, context, on_request};

#[on_request]
fn auth(request: Request, response: Response, options: Options) -> Result<Option<Outcome>, Error> {
    if let Some(name) = user(request, options) {
        context::set("user", name)?;
        // After this, the handler cannot change the user of the request.
        context::seal("user")?;
        return Ok(None);
    }
    response.set_status(401)?.set_field("www-authenticate", "Bearer realm=\"vibrato\"")?;
    Ok(Some(Outcome::Body(b"who are you?\n".to_vec())))
}

/// The user that a request's token belongs to.
fn user(request: Request, options: Options) -> Option<String> {
    let field = request.field("authorization")?;
    let (scheme, token) = field.split_at_checked("Bearer ".len())?;
    let Some(Value::Texts(known)) = options.get("tokens").filter(|_| scheme.eq_ignore_ascii_case(b"Bearer ")) else {
        return None;
    };
    let pairs = known.iter().filter_map(|pair| pair.split_once(':'));
    pairs.filter(|(_, known)| same(known.as_bytes(), token)).map(|(name, _)| name.to_owned()).next()
}

/// Compares in constant time, so that the time does not reveal where two tokens differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}
