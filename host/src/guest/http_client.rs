//! The interface `http-client`: requests to other servers in calls that wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::state::GuestState;
use super::upstream_call::{UpstreamCall, header_map};
use crate::exchange::Exchange;
use crate::http::fields::{FieldError, Fields};
use crate::outbound::{
    BodyWriter, CallTimeouts, MAX_WAITING, TargetUrl, UpstreamBody, UpstreamFailure, UpstreamRequest,
};

/// How many requests that are not sent yet an instance may have at once.
const MAX_UNSENT: usize = 64;

/// `http-error`
#[derive(ComponentType, Lower)]
#[component(variant)]
enum GuestHttpError {
    #[component(name = "denied")]
    Denied,
    #[component(name = "address-prohibited")]
    AddressProhibited,
    #[component(name = "dns")]
    Dns(String),
    #[component(name = "refused")]
    Refused,
    #[component(name = "tls")]
    Tls(String),
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "protocol")]
    Protocol(String),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "closed")]
    Closed,
    #[component(name = "other")]
    Other(String),
}

impl From<UpstreamFailure> for GuestHttpError {
    fn from(failure: UpstreamFailure) -> Self {
        match failure {
            UpstreamFailure::Denied => Self::Denied,
            UpstreamFailure::AddressProhibited(_) => Self::AddressProhibited,
            UpstreamFailure::Lookup(reason) => Self::Dns(reason),
            UpstreamFailure::Refused => Self::Refused,
            UpstreamFailure::Certificate(_) | UpstreamFailure::TlsAlert { .. } | UpstreamFailure::Tls(_) => {
                Self::Tls(failure.to_string())
            }
            UpstreamFailure::ConnectTimeout(_)
            | UpstreamFailure::FirstByteTimeout(_)
            | UpstreamFailure::ReadTimeout(_)
            | UpstreamFailure::WriteTimeout(_) => Self::Timeout,
            UpstreamFailure::HeadTooLarge | UpstreamFailure::BodyTooLarge(_) | UpstreamFailure::TooManyCalls(_) => {
                Self::TooLarge
            }
            UpstreamFailure::Incomplete | UpstreamFailure::Protocol(_) => Self::Protocol(failure.to_string()),
            UpstreamFailure::Invalid(_) | UpstreamFailure::RequestLength => Self::Invalid(failure.to_string()),
            UpstreamFailure::Closed | UpstreamFailure::Ended => Self::Closed,
            UpstreamFailure::Unreachable(_) | UpstreamFailure::Internal(_) => Self::Other(failure.to_string()),
        }
    }
}

impl From<FieldError> for GuestHttpError {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Invalid | FieldError::Forbidden => Self::Invalid(error.to_string()),
            FieldError::TooLarge => Self::TooLarge,
        }
    }
}

type HttpResult<T> = std::result::Result<T, GuestHttpError>;
type Store<'s> = StoreContextMut<'s, GuestState>;

/// `outgoing-request`
struct ClientRequest {
    /// The method and the URL, or what is wrong with them.
    head: std::result::Result<(Method, TargetUrl), UpstreamFailure>,
    fields: Fields,
    timeouts: CallTimeouts,
    body: ClientBody,
    /// Counts the requests of an instance.
    _unsent: Arc<()>,
}

/// How far a body was written.
enum ClientBody {
    /// It may be whole when the request is sent.
    Kept(Vec<u8>),
    /// It is sent as it is written.
    Streamed { writer: Arc<BodyWriter>, call: Arc<UpstreamCall> },
    /// The request is sent.
    Sent,
}

/// `incoming-response`
struct ClientResponse(Arc<UpstreamCall>);

/// Links the interface.
pub(super) fn add(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.resource("outgoing-request", ResourceType::host::<ClientRequest>(), |mut store, rep| {
        store.data_mut().table_mut().delete(Resource::<ClientRequest>::new_own(rep))?;
        Ok(())
    })?;
    linker.resource("incoming-response", ResourceType::host::<ClientResponse>(), |mut store, rep| {
        store.data_mut().table_mut().delete(Resource::<ClientResponse>::new_own(rep))?;
        Ok(())
    })?;
    linker.func_wrap("[constructor]outgoing-request", |mut store: Store<'_>, (method, url): (WasmStr, WasmStr)| {
        let head = head(&method.to_str(&store)?, &url.to_str(&store)?);
        Ok((store.data_mut().new_client_request(head)?,))
    })?;
    set_field(linker, "[method]outgoing-request.set-field", Fields::set)?;
    set_field(linker, "[method]outgoing-request.append-field", Fields::append)?;
    set_timeout(linker, "connect", |timeouts, time| timeouts.connect = Some(time))?;
    set_timeout(linker, "first-byte", |timeouts, time| timeouts.first_byte = Some(time))?;
    set_timeout(linker, "between-bytes", |timeouts, time| timeouts.between_bytes = Some(time))?;
    linker.func_wrap_async(
        "[method]outgoing-request.write",
        |mut store: Store<'_>, (request, chunk): (Resource<ClientRequest>, WasmList<u8>)| {
            Box::new(async move { Ok((write(&mut store, &request, &chunk).await?.map_err(GuestHttpError::from),)) })
        },
    )?;
    linker.func_wrap_async(
        "[method]outgoing-request.send",
        |mut store: Store<'_>, (request,): (Resource<ClientRequest>,)| {
            Box::new(async move { Ok((send(&mut store, &request).await?.map_err(GuestHttpError::from),)) })
        },
    )?;
    add_response(linker)
}

fn add_response(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap(
        "[method]incoming-response.status",
        |mut store: Store<'_>, (response,): (Resource<ClientResponse>,)| {
            let call = store.data_mut().call_of(&response)?;
            // A response of an invocation that has ended has none.
            let status = call.response(|response| response.status()).and_then(std::result::Result::ok);
            Ok((status.unwrap_or_default(),))
        },
    )?;
    linker.func_wrap(
        "[method]incoming-response.fields",
        |mut store: Store<'_>, (response,): (Resource<ClientResponse>,)| {
            let call = store.data_mut().call_of(&response)?;
            let fields = call.response(|response| lines(response.fields())).and_then(std::result::Result::ok);
            Ok((fields.unwrap_or_default(),))
        },
    )?;
    linker.func_wrap(
        "[method]incoming-response.field",
        |mut store: Store<'_>, (response, name): (Resource<ClientResponse>, WasmStr)| {
            let call = store.data_mut().call_of(&response)?;
            let name = name.to_str(&store)?;
            let value = call.response(|response| {
                response.fields().get(&*name).map(|value| Bytes::copy_from_slice(value.as_bytes()))
            });
            Ok((value.and_then(std::result::Result::ok).flatten(),))
        },
    )?;
    linker.func_wrap(
        "[method]incoming-response.trailers",
        |mut store: Store<'_>, (response,): (Resource<ClientResponse>,)| {
            let call = store.data_mut().call_of(&response)?;
            let trailers = call.response(|response| response.take_trailers()).and_then(std::result::Result::ok);
            Ok((trailers.flatten().map(|trailers| lines(&trailers)).unwrap_or_default(),))
        },
    )?;
    linker.func_wrap_async(
        "[method]incoming-response.read",
        |mut store: Store<'_>, (response, max): (Resource<ClientResponse>, u32)| {
            Box::new(async move {
                let call = store.data_mut().call_of(&response)?;
                let Some(exchange) = store.data().exchange().cloned() else {
                    return Ok((Err(GuestHttpError::Closed),));
                };
                call.readable(&exchange).await;
                let piece = call.try_read(max.max(1) as usize).unwrap_or(Err(UpstreamFailure::Ended));
                Ok((piece.map_err(GuestHttpError::from),))
            })
        },
    )
}

fn lines(fields: &HeaderMap) -> Vec<(String, Bytes)> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))
    };
    fields.iter().map(line).collect()
}

/// The method and the URL of a request.
fn head(method: &str, url: &str) -> std::result::Result<(Method, TargetUrl), UpstreamFailure> {
    let method = Method::from_bytes(method.as_bytes()).ok().filter(|method| *method != Method::CONNECT);
    let method = method.ok_or_else(|| UpstreamFailure::Invalid("its method is not one".to_owned()))?;
    let url = url.parse().map_err(|error| UpstreamFailure::Invalid(format!("its URL {error}")))?;
    Ok((method, url))
}

impl GuestState {
    fn new_client_request(
        &mut self,
        head: std::result::Result<(Method, TargetUrl), UpstreamFailure>,
    ) -> Result<Resource<ClientRequest>> {
        let unsent = self.upstream_calls().unsent.clone();
        let is_one_too_many = Arc::strong_count(&unsent) > MAX_UNSENT + 1;
        let head = if is_one_too_many { Err(UpstreamFailure::TooManyCalls(MAX_UNSENT)) } else { head };
        let request = ClientRequest {
            head,
            fields: Fields::default(),
            timeouts: CallTimeouts::default(),
            body: ClientBody::Kept(Vec::new()),
            _unsent: unsent,
        };
        Ok(self.table_mut().push(request)?)
    }

    fn call_of(&mut self, response: &Resource<ClientResponse>) -> Result<Arc<UpstreamCall>> {
        Ok(self.table_mut().get(response)?.0.clone())
    }

    /// Sends a request as far as it is made. From then on its body is `Sent`.
    fn start_client_request(
        &mut self,
        request: &Resource<ClientRequest>,
        body: UpstreamBody,
    ) -> Result<std::result::Result<Arc<UpstreamCall>, UpstreamFailure>> {
        let request = self.table_mut().get_mut(request)?;
        request.body = ClientBody::Sent;
        let (method, target) = match &request.head {
            Ok((method, target)) => (method.clone(), target.clone()),
            Err(failure) => return Ok(Err(failure.clone())),
        };
        let fields = header_map(&std::mem::take(&mut request.fields));
        let timeouts = request.timeouts;
        Ok(self.start_upstream(UpstreamRequest { method, target, fields, body, timeouts }))
    }
}

/// Links a function that takes a field's name and value.
fn set_field(
    linker: &mut LinkerInstance<'_, GuestState>,
    name: &str,
    set: fn(&mut Fields, &str, &[u8]) -> std::result::Result<(), FieldError>,
) -> Result<()> {
    linker.func_wrap(
        name,
        move |mut store: Store<'_>, (request, name, value): (Resource<ClientRequest>, WasmStr, WasmList<u8>)| {
            let name = name.to_str(&store)?.into_owned();
            if name.eq_ignore_ascii_case("host") {
                return Ok((Err(FieldError::Forbidden.into()),));
            }
            let value = value
                .as_le_slice(&store)
                .get(..crate::http::fields::MAX_FIELD_BYTES + 1)
                .map_or_else(|| Bytes::copy_from_slice(value.as_le_slice(&store)), Bytes::copy_from_slice);
            let request = store.data_mut().table_mut().get_mut(&request)?;
            let set: HttpResult<()> = match request.body {
                ClientBody::Kept(_) => set(&mut request.fields, &name, &value).map_err(GuestHttpError::from),
                ClientBody::Streamed { .. } | ClientBody::Sent => Err(GuestHttpError::Closed),
            };
            Ok((set,))
        },
    )
}

/// Links a function that sets a time.
fn set_timeout(
    linker: &mut LinkerInstance<'_, GuestState>,
    which: &str,
    set: fn(&mut CallTimeouts, Duration),
) -> Result<()> {
    let name = format!("[method]outgoing-request.set-{which}-timeout");
    linker.func_wrap(&name, move |mut store: Store<'_>, (request, milliseconds): (Resource<ClientRequest>, u64)| {
        let request = store.data_mut().table_mut().get_mut(&request)?;
        set(&mut request.timeouts, Duration::from_millis(milliseconds));
        Ok(())
    })
}

async fn write(
    store: &mut Store<'_>,
    request: &Resource<ClientRequest>,
    chunk: &WasmList<u8>,
) -> Result<std::result::Result<(), UpstreamFailure>> {
    let length = chunk.as_le_slice(&*store).len();
    let made = store.data_mut().table_mut().get_mut(request)?;
    if let Err(failure) = &made.head {
        return Ok(Err(failure.clone()));
    }
    match &mut made.body {
        ClientBody::Sent => return Ok(Err(UpstreamFailure::Closed)),
        ClientBody::Kept(kept) if kept.len() + length < MAX_WAITING => {
            // The guest's memory cannot be read while the request is borrowed.
            let mut kept = std::mem::take(kept);
            kept.extend_from_slice(chunk.as_le_slice(&*store));
            store.data_mut().table_mut().get_mut(request)?.body = ClientBody::Kept(kept);
            return Ok(Ok(()));
        }
        ClientBody::Kept(kept) => {
            let kept = std::mem::take(kept);
            let (writer, body) = UpstreamBody::written(made.fields.content_length());
            if let Err(failure) = writer.write(&kept) {
                return Ok(Err(failure));
            }
            let call = match store.data_mut().start_client_request(request, body)? {
                Ok(call) => call,
                Err(failure) => return Ok(Err(failure)),
            };
            let writer = Arc::new(writer);
            store.data_mut().table_mut().get_mut(request)?.body = ClientBody::Streamed { writer, call };
        }
        ClientBody::Streamed { .. } => {}
    }
    let (writer, call) = match &store.data_mut().table_mut().get(request)?.body {
        ClientBody::Streamed { writer, call } => (writer.clone(), call.clone()),
        ClientBody::Kept(_) | ClientBody::Sent => return Ok(Err(UpstreamFailure::Closed)),
    };
    let Some(exchange) = store.data().exchange().cloned() else { return Ok(Err(UpstreamFailure::Ended)) };
    let mut written = 0;
    while written < length {
        match writer.write(&chunk.as_le_slice(&*store)[written..]) {
            Ok(0) => exchange.wait_for_upstream(writer.writable()).await,
            Ok(taken) => written += taken,
            Err(UpstreamFailure::Closed) => return Ok(Err(why_closed(&call, &exchange).await)),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(()))
}

/// Why a body is not sent any further: the failure of its request, or a response before its end.
async fn why_closed(call: &UpstreamCall, exchange: &Exchange) -> UpstreamFailure {
    call.responded(exchange).await;
    call.response(|_| ()).and_then(std::result::Result::err).unwrap_or(UpstreamFailure::Closed)
}

async fn send(
    store: &mut Store<'_>,
    request: &Resource<ClientRequest>,
) -> Result<std::result::Result<Resource<ClientResponse>, UpstreamFailure>> {
    let made = store.data_mut().table_mut().get_mut(request)?;
    let call = match std::mem::replace(&mut made.body, ClientBody::Sent) {
        ClientBody::Sent => return Ok(Err(UpstreamFailure::Closed)),
        ClientBody::Kept(kept) => {
            if made.fields.content_length().is_some_and(|length| length != kept.len() as u64) {
                return Ok(Err(UpstreamFailure::RequestLength));
            }
            let body = if kept.is_empty() { UpstreamBody::Empty } else { UpstreamBody::Whole(kept.into()) };
            store.data_mut().start_client_request(request, body)?
        }
        ClientBody::Streamed { writer, call } => {
            // Only a write that was dropped with its guest has another.
            let finished = Arc::into_inner(writer).map_or(Ok(()), |writer| writer.finish(None));
            finished.map(|()| call)
        }
    };
    let call = match call {
        Ok(call) => call,
        Err(failure) => return Ok(Err(failure)),
    };
    let Some(exchange) = store.data().exchange().cloned() else { return Ok(Err(UpstreamFailure::Ended)) };
    call.responded(&exchange).await;
    match call.response(|_| ()) {
        Some(Ok(())) => Ok(Ok(store.data_mut().table_mut().push(ClientResponse(call))?)),
        Some(Err(failure)) => Ok(Err(failure)),
        None => Ok(Err(UpstreamFailure::Ended)),
    }
}
