//! Lets those pass who have a bearer token (RFC 6750), and leaves their name in the context; answers 401 to others.
//!
//! Its option `tokens` lists them as `NAME:TOKEN`. Without it nobody passes.

use guest_sdk::{Error, Options, Outcome, Request, Response, Value, context, on_request};

#[on_request]
fn auth(request: Request, response: Response, options: Options) -> Result<Option<Outcome>, Error> {
    if let Some(name) = user(request, options) {
        context::set("user", name)?;
        // The handler does not change whose request it is.
        context::seal("user")?;
        return Ok(None);
    }
    response.set_status(401)?.set_field("www-authenticate", "Bearer realm=\"vibrato\"")?;
    Ok(Some(Outcome::Body(b"who are you?\n".to_vec())))
}

/// The name that belongs to the token of a request.
fn user(request: Request, options: Options) -> Option<String> {
    let field = request.field("authorization")?;
    let (scheme, token) = field.split_at_checked("Bearer ".len())?;
    let Some(Value::Texts(known)) = options.get("tokens").filter(|_| scheme.eq_ignore_ascii_case(b"Bearer ")) else {
        return None;
    };
    let pairs = known.iter().filter_map(|pair| pair.split_once(':'));
    pairs.filter(|(_, known)| same(known.as_bytes(), token)).map(|(name, _)| name.to_owned()).next()
}

/// Compares without telling by the time it takes where two tokens differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}
