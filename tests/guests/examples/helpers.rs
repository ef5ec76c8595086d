//! Says what handlers in other languages say with their packages: one answer for each path.

use std::error::Error;

use guest_sdk::cookie::Cookie;
use guest_sdk::multipart::Part;
use guest_sdk::{Close, IntoOutcome, Options, Outcome, Redirect, Request, RequestError, Response, Value, handler, kv};
use serde_json::{Value as Json, json};

/// The most bytes of a body that is read whole.
const LIMIT: usize = 1_048_576;

#[handler(path = "/own/{what}", greeting = "Hi", numbers = [1, 2])]
fn own(request: Request, response: Response, options: Options) -> Result<Outcome, Box<dyn Error>> {
    let text = match request.param("what").as_deref() {
        Some("query") => {
            let pairs = request.query_params().into_iter();
            pairs.filter(|(name, _)| name == "x").map(|(_, value)| value).collect::<Vec<_>>().join("|")
        }
        Some("cookies") => {
            response.set_cookie(&Cookie::new("seen", "a b"))?;
            ["a", "b"].map(|name| request.cookie(name).unwrap_or_default()).join(" ")
        }
        Some("form") => json!(request.form(LIMIT)?.iter().collect::<Vec<_>>()).to_string(),
        Some("parts") => {
            let row = |part: &mut Part<'_>| -> Result<Json, RequestError> {
                let text = part.text(LIMIT)?;
                Ok(json!([part.name(), part.filename(), part.content_type(), text]))
            };
            json!(parts(request, LIMIT, row)?).to_string()
        }
        Some("first") => {
            let mut form = request.multipart(100_000_000)?;
            let part = form.next_part()?.ok_or("there is no part")?;
            let name = part.name().to_owned();
            format!("{name} {}", part.count() > 1)
        }
        Some("small") => json!(parts(request, 200, |part| Ok(part.read_all(10)?.len()))?).to_string(),
        Some("json") => {
            let body = request.body().read_all(LIMIT)?;
            let json = serde_json::from_slice::<Json>(&body);
            json.map_err(|error| RequestError::new(400, format!("the body is no JSON: {error}")))?.to_string()
        }
        Some("text") => request.text(LIMIT)?,
        Some("length") => {
            request.body().map(|piece| Ok(piece?.len())).sum::<Result<usize, RequestError>>()?.to_string()
        }
        Some("prefers") => request.prefers(&["text/html", "application/json"]).unwrap_or("neither").to_owned(),
        Some("redirect") => return Ok(Redirect::to("/elsewhere").into_outcome(response)),
        Some("status") => {
            response.set_status(201)?.append_field("x-a", "1")?.append_field("x-a", "2")?;
            response.set_field("content-type", "application/json")?;
            json!({ "made": true }).to_string()
        }
        Some("object") => json!({ "a": [1, null], "b": "\u{fc}" }).to_string(),
        Some("bytes") => return Ok(b"hi".into_outcome(response)),
        Some("chunks") => return Ok(["a", "", "b"].into_outcome(response)),
        Some("close") => return Ok(Close.into_outcome(response)),
        Some("option") => {
            let Some(Value::Integers(numbers)) = options.get("numbers") else {
                return Err("there are no numbers".into());
            };
            let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
            let absent = options.text("absent").unwrap_or_else(|| "none".to_owned());
            format!("{} {} {absent}", options.text("greeting").unwrap_or_default(), numbers.join(","))
        }
        Some("denied") => format!("{:?}", kv::get("a")?),
        Some("bad") => return Err(RequestError::new(404, "no <such> thing").into()),
        _ => return Err("there is nothing of that name".into()),
    };
    Ok(Outcome::Body(text.into_bytes()))
}

/// What each part is.
fn parts<T>(
    request: Request,
    limit: usize,
    row: impl Fn(&mut Part<'_>) -> Result<T, RequestError>,
) -> Result<Vec<T>, RequestError> {
    let (mut form, mut rows) = (request.multipart(limit)?, Vec::new());
    while let Some(mut part) = form.next_part()? {
        rows.push(row(&mut part)?);
    }
    Ok(rows)
}
