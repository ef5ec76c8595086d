//! The resource `fields`: of a request, or made by the guest.
//!
//! Owns which fields of a request a guest sees, and the bounds of those that it makes.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::super::state::GuestState;
use super::bindings::wasi::http::types::{self, HeaderError};
use super::{MAX_FIELD_BYTES, RequestScope};
use crate::exchange::Request;
use crate::http::fields::{CONNECTION_FIELDS, FieldError, Fields};

/// Fields of a request that describe its connection and that no guest sees, beside those that `connection` names (RFC 9110
/// section 7.6.1). `te` is seen if it is `trailers`. `host` is what `authority` says.
const HIDDEN: [&str; 2] = ["host", "http2-settings"];

/// `fields`
#[derive(Debug)]
pub enum GuestFields {
    /// Those of the request's head, read from there.
    Request(Arc<RequestScope>),
    /// Those that the guest has made, or was given.
    Own {
        /// The lines.
        fields: Fields,
        /// Whether the guest can change them.
        is_mutable: bool,
        /// Whether they count among [`MAX_FIELD_BYTES`].
        is_counted: bool,
    },
}

impl GuestFields {
    /// Fields that the guest cannot change.
    pub(super) fn fixed(fields: Fields) -> Self {
        Self::Own { fields, is_mutable: false, is_counted: false }
    }

    fn made(fields: Fields) -> Self {
        Self::Own { fields, is_mutable: true, is_counted: true }
    }

    /// Calls `each` with each line, until it returns false.
    fn for_each(&self, mut each: impl FnMut(&str, &[u8])) {
        match self {
            Self::Own { fields, .. } => fields.all().for_each(|(name, value)| each(name, value)),
            Self::Request(scope) => {
                let Some(exchange) = scope.exchange() else { return };
                let Some(request) = exchange.request() else { return };
                for (name, value) in request.head.fields() {
                    if is_visible(request, name, value) {
                        each(&name.to_ascii_lowercase(), value);
                    }
                }
            }
        }
    }

    fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        self.for_each(|known, value| {
            if known.eq_ignore_ascii_case(name) {
                values.push(value.to_owned());
            }
        });
        values
    }

    fn counted_bytes(&self) -> usize {
        match self {
            Self::Own { fields, is_counted: true, .. } => fields.bytes(),
            Self::Own { is_counted: false, .. } | Self::Request(_) => 0,
        }
    }
}

/// Whether a guest sees a field of the request.
fn is_visible(request: &Request, name: &str, value: &[u8]) -> bool {
    if name.eq_ignore_ascii_case("te") {
        return value.eq_ignore_ascii_case(b"trailers");
    }
    let is = |hidden: &&str| name.eq_ignore_ascii_case(hidden);
    if CONNECTION_FIELDS.iter().any(is) || HIDDEN.iter().any(is) {
        return false;
    }
    let mut options = request.head.values("connection").flat_map(|value| value.split(|&byte| byte == b','));
    !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

impl From<FieldError> for HeaderError {
    /// The world has no word for too many fields: they are forbidden.
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Invalid => Self::InvalidSyntax,
            FieldError::Forbidden | FieldError::TooLarge => Self::Forbidden,
        }
    }
}

impl GuestState {
    /// Adds fields that the guest has made.
    fn push_fields(&mut self, fields: Fields) -> wasmtime::Result<Result<Resource<GuestFields>, HeaderError>> {
        let bytes = fields.bytes();
        if self.http_mut().field_bytes + bytes > MAX_FIELD_BYTES {
            return Ok(Err(HeaderError::Forbidden));
        }
        let pushed = self.table_mut().push(GuestFields::made(fields))?;
        self.http_mut().field_bytes += bytes;
        Ok(Ok(pushed))
    }

    /// Removes fields, which count no longer.
    pub(super) fn take_fields(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<GuestFields> {
        let taken = self.table_mut().delete(fields)?;
        let http = self.http_mut();
        http.field_bytes = http.field_bytes.saturating_sub(taken.counted_bytes());
        Ok(taken)
    }

    /// The lines of fields that are given away.
    pub(super) fn take_lines(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<Fields> {
        Ok(match self.take_fields(fields)? {
            GuestFields::Own { fields, .. } => fields,
            request @ GuestFields::Request(_) => copy(&request),
        })
    }

    /// Changes fields that the guest has made, all or nothing.
    fn change_fields(
        &mut self,
        fields: &Resource<GuestFields>,
        change: impl FnOnce(&mut Fields) -> Result<(), FieldError>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        let others = self.http_mut().field_bytes;
        let GuestFields::Own { fields, is_mutable: true, .. } = self.table_mut().get_mut(fields)? else {
            return Ok(Err(HeaderError::Immutable));
        };
        let before = fields.clone();
        let changed = change(fields);
        let total = others - before.bytes() + fields.bytes();
        let changed = if total > MAX_FIELD_BYTES { changed.and(Err(FieldError::TooLarge)) } else { changed };
        if changed.is_err() {
            *fields = before;
        } else {
            self.http_mut().field_bytes = total;
        }
        Ok(changed.map_err(HeaderError::from))
    }
}

/// A copy of fields that the guest may change. Lines that cannot be set are left out.
fn copy(fields: &GuestFields) -> Fields {
    let mut copy = Fields::default();
    fields.for_each(|name, value| {
        let _ = copy.append(name, value);
    });
    copy
}

impl types::HostFields for GuestState {
    fn new(&mut self) -> wasmtime::Result<Resource<GuestFields>> {
        Ok(self.table_mut().push(GuestFields::made(Fields::default()))?)
    }

    fn from_list(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<Resource<GuestFields>, HeaderError>> {
        let mut fields = Fields::default();
        for (name, value) in &entries {
            if let Err(error) = fields.append(name, value) {
                return Ok(Err(error.into()));
            }
        }
        self.push_fields(fields)
    }

    fn get(&mut self, fields: Resource<GuestFields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        Ok(self.table_mut().get(&fields)?.values(&name))
    }

    fn has(&mut self, fields: Resource<GuestFields>, name: String) -> wasmtime::Result<bool> {
        Ok(!self.table_mut().get(&fields)?.values(&name).is_empty())
    }

    fn set(
        &mut self,
        fields: Resource<GuestFields>,
        name: String,
        values: Vec<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        self.change_fields(&fields, |fields| {
            crate::http::fields::check_name(&name)?;
            fields.remove(&name);
            values.iter().try_for_each(|value| fields.append(&name, value))
        })
    }

    fn delete(&mut self, fields: Resource<GuestFields>, name: String) -> wasmtime::Result<Result<(), HeaderError>> {
        self.change_fields(&fields, |fields| {
            crate::http::fields::check_name(&name)?;
            fields.remove(&name);
            Ok(())
        })
    }

    fn append(
        &mut self,
        fields: Resource<GuestFields>,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        self.change_fields(&fields, |fields| fields.append(&name, &value))
    }

    fn entries(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        let mut entries = Vec::new();
        self.table_mut().get(&fields)?.for_each(|name, value| entries.push((name.to_owned(), value.to_owned())));
        Ok(entries)
    }

    fn clone(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<Resource<GuestFields>> {
        let copy = copy(self.table_mut().get(&fields)?);
        let cloned = self.push_fields(copy)?;
        cloned.map_err(|_| wasmtime::Error::msg(format!("its fields take more than {MAX_FIELD_BYTES} bytes together")))
    }

    fn drop(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<()> {
        self.take_fields(fields).map(drop)
    }
}
