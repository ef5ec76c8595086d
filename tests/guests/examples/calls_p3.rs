//! Calls other servers, as the steps of its query say, but is a component of wasi:http 0.3. It answers with a line for each:
//! `get=URL` and `post=BYTES:URL` report the status and the body, or the error; `trailer=NAMES` announces trailers of the calls
//! that follow, which then send `x-t: 1`; `first-byte=MS` changes the calls that follow; `sent=URL` also reports whether a
//! request with a body of 3 bytes was transmitted. A URL without a path leaves the path out.

use wasip3::exports::http::handler::Guest;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let (mut report, mut options) = (String::new(), Options::default());
        for piece in query.split('&') {
            let (step, argument) = piece.split_once('=').unwrap_or((piece, ""));
            let called = match step {
                "sent" => {
                    let (request, sent) = request_of(Method::Post, argument, Some(3), &options);
                    let status = client::send(request).await.map(|response| response.get_status_code().to_string());
                    let status = status.unwrap_or_else(|code| name(&code));
                    Ok(format!("{status} {}", sent.await.map_or_else(|code| name(&code), |()| "sent".to_owned())))
                }
                "first-byte" => {
                    options.first_byte = argument.parse::<u64>().ok().map(|milliseconds| milliseconds * 1_000_000);
                    continue;
                }
                "trailer" => {
                    options.trailer = Some(argument.to_owned());
                    continue;
                }
                "post" => {
                    let (bytes, url) = argument.split_once(':').unwrap_or_default();
                    call(Method::Post, url, bytes.parse().ok(), &options).await
                }
                _ => call(Method::Get, argument, None, &options).await,
            };
            report += &format!("{step}: {}\n", called.unwrap_or_else(|code| name(&code)));
        }
        let (mut writer, reader) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        drop(trailers);
        spawn_local(async move {
            let rest = writer.write_all(report.into_bytes()).await;
            assert!(rest.is_empty(), "the host reads");
        });
        Ok(Response::new(Fields::new(), Some(reader), no_trailers).0)
    }
}

/// What changes the calls that follow.
#[derive(Default)]
struct Options {
    first_byte: Option<u64>,
    /// The names of trailers.
    trailer: Option<String>,
}

/// A request, and whether it was transmitted.
fn request_of(
    method: Method,
    url: &str,
    bytes: Option<usize>,
    with: &Options,
) -> (Request, impl IntoFuture<Output = Result<(), ErrorCode>> + use<>) {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
    let options = RequestOptions::new();
    options.set_first_byte_timeout(with.first_byte).expect("it is an option");
    let fields = Fields::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    match &with.trailer {
        None => drop(end),
        Some(names) => {
            fields.append("trailer", names.as_bytes()).expect("a request may announce trailers");
            let sent = Fields::from_list(&[("x-t".to_owned(), b"1".to_vec())]).expect("they are fields");
            spawn_local(async move { drop(end.write(Ok(Some(sent))).await) });
        }
    }
    let body = bytes.map(|bytes| {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move { drop(writer.write_all(vec![b'x'; bytes]).await) });
        reader
    });
    let (request, sent) = Request::new(fields, body, trailers, Some(options));
    request.set_method(&method).expect("it is a method");
    request.set_scheme(Some(&Scheme::Http)).expect("it is a scheme");
    request.set_authority(Some(authority)).expect("it is an authority");
    request.set_path_with_query(path).expect("it is a path");
    (request, sent)
}

async fn call(method: Method, url: &str, bytes: Option<usize>, with: &Options) -> Result<String, ErrorCode> {
    let (request, _sent) = request_of(method, url, bytes, with);
    let response = client::send(request).await?;
    let status = response.get_status_code();
    let (handled, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, result);
    drop(handled);
    let body = body.collect().await;
    trailers.await?;
    Ok(format!("{status} {}", String::from_utf8_lossy(&body)))
}

/// The name of a code, without what it holds.
fn name(code: &ErrorCode) -> String {
    let text = format!("{code:?}").replace("ErrorCode::", "");
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
