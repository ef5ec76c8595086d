//! The fields that a guest makes: checked as all of this host are, and bounded together.

use std::sync::Arc;

use http::Method;
use wasmtime::component::{LinkerInstance, Resource, ResourceTable};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_http::p3::bindings::http::types::{ErrorCode, HeaderError, Request, Response};
use wasmtime_wasi_http::{
    Error, FieldMap, FieldMapError, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks,
};

use super::super::state::GuestState;
use super::super::upstream_call::CallContext;
use super::client::{ClientCalls, StartedCall};
use crate::exchange::Exchange;
use crate::http::fields::{CONNECTION_FIELDS, FieldError, Fields, MAX_FIELD_BYTES, MAX_FIELDS};

/// What the library adds to the bytes of a line when it counts them.
const LINE_COST: usize = size_of::<http::HeaderName>() + size_of::<http::HeaderValue>();

/// The bytes of one `fields`, as the library counts them.
const MAX_BYTES: usize = MAX_FIELD_BYTES + MAX_FIELDS * LINE_COST;

/// The most bytes of a piece of a response's body between a guest and the exchange. Two wait at most. Each piece costs the tasks of
/// the guest a turn.
const MAX_PIECE: usize = 64 * 1024;

/// The bytes of all `fields` that a guest has at once.
const MAX_TOTAL_BYTES: usize = 1024 * 1024;

/// What an instance has of `wasi:http` 0.3 besides its resources.
#[derive(Debug, Default)]
pub(in super::super) struct HttpHooks {
    /// Whether it has been called.
    is_used: bool,
    /// The most bytes that its fields have, until they are counted.
    field_bytes: usize,
    /// The responses that the guest has made.
    made: Vec<MadeResponse>,
    client: ClientCalls,
}

/// A response that a guest has made.
#[derive(Debug, Clone, Copy)]
pub(super) struct MadeResponse {
    /// Its index in the table of resources.
    index: u32,
    pub(super) has_body: bool,
    pub(super) has_status: bool,
}

impl HttpHooks {
    /// The guest is called.
    pub(super) fn begin(&mut self, context: CallContext, exchange: Arc<Exchange>) {
        self.is_used = true;
        self.client.begin(context, exchange);
    }

    /// Sends a request of the guest to another server.
    pub(super) fn start_call(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> std::result::Result<StartedCall, ErrorCode> {
        self.client.start(request, options)
    }

    /// The guest has made a response.
    pub(super) fn note_response(&mut self, index: u32, has_body: bool) {
        // The index may be that of a response which was dropped.
        self.made.retain(|known| known.index != index);
        self.made.push(MadeResponse { index, has_body, has_status: false });
    }

    /// The guest has set the status of a response.
    pub(super) fn note_status(&mut self, index: u32) {
        if let Some(made) = self.made.iter_mut().find(|made| made.index == index) {
            made.has_status = true;
        }
    }

    /// What is known of a response that the guest has made. `None` if another server has.
    pub(super) fn made(&self, index: u32) -> Option<MadeResponse> {
        self.made.iter().find(|made| made.index == index).copied()
    }

    /// Whether the guest was called.
    pub(in super::super) fn is_used(&self) -> bool {
        self.is_used
    }
}

/// The settings of the library.
pub(in super::super) fn context() -> WasiHttpCtx {
    let mut context = WasiHttpCtx::new();
    context.set_field_size_limit(MAX_BYTES);
    context
}

impl WasiHttpHooks for HttpHooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn is_forbidden_header(&mut self, name: &http::HeaderName) -> bool {
        is_forbidden(name)
    }

    /// The function `send` is our own, so that the library sends nothing.
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = std::result::Result<Answer, Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_PIECE
    }
}

/// Whether the host alone sets a field. A guest may announce the trailers of a request to another server.
fn is_forbidden(name: &http::HeaderName) -> bool {
    CONNECTION_FIELDS.contains(&name.as_str()) && name != http::header::TRAILER
}

/// The response of another server, and the rest of its transfer.
type Answer = (http::Response<WasiBody>, Box<dyn Future<Output = std::result::Result<(), Error>> + Send>);

/// Redefines the functions by which fields are made and grow.
pub(super) fn add(types: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    types.func_wrap("[static]fields.from-list", |mut store: Store<'_>, (lines,): (Vec<(String, Vec<u8>)>,)| {
        let made = from_list(store.data_mut(), lines);
        Ok((match made {
            Ok(fields) => Ok(store.data_mut().table_mut().push(fields)?),
            Err(error) => Err(error),
        },))
    })?;
    types.func_wrap(
        "[method]fields.append",
        |mut store: Store<'_>, (fields, name, value): (Resource<FieldMap>, String, Vec<u8>)| {
            let added = may_add(store.data_mut(), cost(&name, &value));
            let (table, hooks) = store.data_mut().table_and_hooks();
            let fields = table.get_mut(&fields)?;
            Ok((added.and_then(|()| append(fields, hooks, name, value)),))
        },
    )?;
    types.func_wrap(
        "[method]fields.set",
        |mut store: Store<'_>, (fields, name, values): (Resource<FieldMap>, String, Vec<Vec<u8>>)| {
            let bytes = values.iter().map(|value| cost(&name, value)).sum();
            let added = may_add(store.data_mut(), bytes);
            let (table, hooks) = store.data_mut().table_and_hooks();
            let fields = table.get_mut(&fields)?;
            Ok((added.and_then(|()| set(fields, hooks, name, values)),))
        },
    )?;
    types.func_wrap("[method]fields.clone", |mut store: Store<'_>, (fields,): (Resource<FieldMap>,)| {
        let mut copy = store.data_mut().table_mut().get(&fields)?.clone();
        if may_add(store.data_mut(), bytes(&copy)).is_err() {
            return Err(wasmtime::Error::msg(format!("its fields take more than {MAX_TOTAL_BYTES} bytes together")));
        }
        copy.set_mutable(MAX_BYTES);
        Ok((store.data_mut().table_mut().push(copy)?,))
    })
}

type Store<'s> = StoreContextMut<'s, GuestState>;
type FieldResult<T> = std::result::Result<T, HeaderError>;

fn from_list(state: &mut GuestState, lines: Vec<(String, Vec<u8>)>) -> FieldResult<FieldMap> {
    may_add(state, lines.iter().map(|(name, value)| cost(name, value)).sum())?;
    let (_, hooks) = state.table_and_hooks();
    let mut fields = FieldMap::new_mutable(MAX_BYTES);
    for (name, value) in lines {
        append(&mut fields, hooks, name, value)?;
    }
    Ok(fields)
}

fn append(fields: &mut FieldMap, hooks: &mut HttpHooks, name: String, value: Vec<u8>) -> FieldResult<()> {
    check(&name, &value, fields.contains_key(&name))?;
    check_size(fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).chain([(name.as_str(), &*value)]))?;
    fields.append(hooks, name, value).map(drop).map_err(of_map)
}

fn set(fields: &mut FieldMap, hooks: &mut HttpHooks, name: String, values: Vec<Vec<u8>>) -> FieldResult<()> {
    for (number, value) in values.iter().enumerate() {
        check(&name, value, number > 0)?;
    }
    let others = fields.iter().filter(|(other, _)| !other.as_str().eq_ignore_ascii_case(&name));
    let others = others.map(|(name, value)| (name.as_str(), value.as_bytes()));
    check_size(others.chain(values.iter().map(|value| (name.as_str(), &**value))))?;
    fields.set(hooks, name, values).map_err(of_map)
}

/// Checks a line as that of any handler here is checked. `is_second` is whether there is one of its name.
fn check(name: &str, value: &[u8], is_second: bool) -> FieldResult<()> {
    let mut line = Fields::default();
    let mut added = line.append_or_announce(name, value);
    if is_second {
        added = added.and_then(|()| line.append_or_announce(name, value));
    }
    added.map_err(|error| match error {
        FieldError::Invalid => HeaderError::InvalidSyntax,
        FieldError::Forbidden => HeaderError::Forbidden,
        FieldError::TooLarge => HeaderError::SizeExceeded,
    })
}

/// Checks the bounds of all lines together.
fn check_size<'l>(lines: impl Iterator<Item = (&'l str, &'l [u8])>) -> FieldResult<()> {
    let (mut count, mut bytes) = (0, 0);
    for (name, value) in lines {
        count += 1;
        bytes += name.len() + value.len();
    }
    if count > MAX_FIELDS || bytes > MAX_FIELD_BYTES { Err(HeaderError::SizeExceeded) } else { Ok(()) }
}

fn of_map(error: FieldMapError) -> HeaderError {
    match error {
        FieldMapError::Immutable => HeaderError::Immutable,
        FieldMapError::InvalidHeaderName | FieldMapError::InvalidHeaderValue => HeaderError::InvalidSyntax,
        FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig => HeaderError::SizeExceeded,
        FieldMapError::Forbidden => HeaderError::Forbidden,
    }
}

fn cost(name: &str, value: &[u8]) -> usize {
    name.len() + value.len() + LINE_COST
}

fn bytes(fields: &FieldMap) -> usize {
    fields.iter().map(|(name, value)| cost(name.as_str(), value.as_bytes())).sum()
}

/// Counts bytes of fields that a guest adds. What it drops is found when the bound seems to be passed.
fn may_add(state: &mut GuestState, added: usize) -> FieldResult<()> {
    let (table, hooks) = state.table_and_hooks();
    if hooks.field_bytes.saturating_add(added) > MAX_TOTAL_BYTES {
        hooks.field_bytes =
            table.iter_mut().map(|resource| fields_of(resource).map_or(0, |fields| bytes(fields))).sum();
    }
    let total = hooks.field_bytes.saturating_add(added);
    if total > MAX_TOTAL_BYTES {
        return Err(HeaderError::SizeExceeded);
    }
    hooks.field_bytes = total;
    Ok(())
}

/// The fields that a resource is or has.
fn fields_of(resource: &mut (dyn std::any::Any + Send)) -> Option<&mut FieldMap> {
    if resource.is::<FieldMap>() {
        return resource.downcast_mut();
    }
    if resource.is::<Request>() {
        return resource.downcast_mut::<Request>().map(|request| &mut request.headers);
    }
    resource.downcast_mut::<Response>().map(|response| &mut response.headers)
}

/// Empties what a guest keeps after its invocation, so that nothing of one request reaches another.
pub(in super::super) fn close_resources(table: &mut ResourceTable, hooks: &mut HttpHooks) {
    for resource in table.iter_mut() {
        if let Some(fields) = fields_of(resource) {
            *fields = FieldMap::default();
        }
        if let Some(request) = resource.downcast_mut::<Request>() {
            request.method = Method::GET;
            (request.scheme, request.authority, request.path_with_query) = (None, None, None);
        }
    }
    hooks.field_bytes = 0;
    hooks.made.clear();
    hooks.client.end();
}
