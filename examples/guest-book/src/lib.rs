//! A guest book: a form, a cookie that remembers the visitor's name, entries in a key-value store, and a call to a webhook
//! if the operator has set one.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use guest_sdk::cookie::Cookie;
use guest_sdk::{IntoOutcome, Outcome, Redirect, Request, Response, config, handler, http, kv};

/// The longest form, in bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// How long a visitor's name is remembered.
const YEAR: Duration = Duration::from_secs(31_536_000);

/// How many entries the page shows.
const SHOWN: usize = 50;

#[handler(path = "/guest-book", method = ["GET", "POST"], max_body = 16_384)]
fn guest_book(request: Request, response: Response) -> Result<Outcome, Box<dyn Error>> {
    match request.method().as_str() {
        "POST" => sign(request, response),
        _ => Ok(Outcome::Body(page(&request.cookie("name").unwrap_or_default())?.into_bytes())),
    }
}

/// Adds an entry, and leads back to the page.
fn sign(request: Request, response: Response) -> Result<Outcome, Box<dyn Error>> {
    let form = request.form(MAX_FORM_BYTES)?;
    let field = |name| form.get(name).map(str::trim).filter(|text| !text.is_empty());
    let (Some(name), Some(text)) = (field("name"), field("text")) else {
        response.set_status(400)?;
        return Ok(Outcome::Body(b"<p>Both a name and a text, please.".to_vec()));
    };
    // The numbers have as many digits, so the keys are in the order of the entries, the last one first.
    let number = kv::increment("entries", 1)?;
    // A line break ends the name in an entry.
    kv::set(&format!("entry-{:019}", i64::MAX - number), format!("{}\n{text}", name.replace('\n', " ")))?;
    tell(name, text);
    response.set_cookie(&Cookie::new("name", name).max_age(YEAR))?;
    Ok(Redirect::to("/guest-book").into_outcome(response))
}

/// Tells the webhook of an entry. It is in the book already, so a failure is only logged.
fn tell(name: &str, text: &str) {
    let Some(webhook) = config::get("webhook") else { return };
    let request = http::Request::new("POST", &webhook).field("content-type", "text/plain; charset=utf-8");
    match request.and_then(|request| request.body(format!("{name}: {text}\n"))) {
        Ok(answer) if answer.status() < 400 => {}
        Ok(answer) => eprintln!("the webhook answers {}", answer.status()),
        Err(error) => eprintln!("the webhook cannot be told: {error}"),
    }
}

/// The page for a visitor, whose name may be known.
fn page(name: &str) -> Result<String, Box<dyn Error>> {
    let title = escaped(&config::get("title").unwrap_or_else(|| "Guest book".to_owned()));
    let mut page = format!("<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>");
    write!(
        page,
        "<form method=post><input name=name placeholder=Name value=\"{}\"> <input name=text placeholder=Text size=60> \
         <button>Sign</button></form>",
        escaped(name)
    )?;
    for key in kv::list("entry-").take(SHOWN) {
        let entry = kv::get(&key?)?.unwrap_or_default();
        let entry = String::from_utf8_lossy(&entry);
        let (name, text) = entry.split_once('\n').unwrap_or(("", &entry));
        write!(page, "<p><b>{}</b>: {}", escaped(name), escaped(text))?;
    }
    page.push('\n');
    Ok(page)
}

/// Text for HTML, between tags and in an attribute with quotation marks.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
