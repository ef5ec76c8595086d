//! The resource `fields`: of a request, or made by the guest.
//!
//! Owns the bounds of those that the guest makes. Which fields of a request it sees is `request_fields`' to say.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::super::state::GuestState;
use super::RequestScope;
use super::bindings::wasi::http::types::{self, HeaderError};
use super::counted_fields::{CountedFields, MAX_FIELD_BYTES};
use crate::http::fields::{FieldError, Fields, check_name};

/// `fields`
#[derive(Debug)]
pub enum GuestFields {
    /// Those of the request's head, read from there.
    Request(Arc<RequestScope>),
    /// Those that the guest has made, or was given.
    Own {
        /// The lines.
        fields: CountedFields,
        /// Whether the guest can change them.
        is_mutable: bool,
    },
}

impl GuestFields {
    /// Fields that the guest cannot change.
    pub(super) fn fixed(fields: CountedFields) -> Self {
        Self::Own { fields, is_mutable: false }
    }

    fn made(fields: CountedFields) -> Self {
        Self::Own { fields, is_mutable: true }
    }

    /// Calls `each` with each line.
    fn for_each(&self, mut each: impl FnMut(&str, &[u8])) {
        match self {
            Self::Own { fields, .. } => fields.all().for_each(|(name, value)| each(name, value)),
            Self::Request(scope) => {
                let Some((exchange, fields)) = scope.request_fields() else { return };
                if let Some(request) = exchange.request() {
                    fields.for_each(request, each);
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
    /// The lines of fields that are given away.
    pub(super) fn take_lines(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<CountedFields> {
        match self.table_mut().delete(fields)? {
            GuestFields::Own { fields, .. } => Ok(fields),
            request @ GuestFields::Request(_) => self.http_mut().field_bytes.count(copy(&request)).map_err(too_many),
        }
    }

    /// Changes fields that the guest has made.
    fn change_fields(
        &mut self,
        fields: &Resource<GuestFields>,
        change: impl FnOnce(&mut CountedFields) -> Result<(), FieldError>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        let GuestFields::Own { fields, is_mutable: true } = self.table_mut().get_mut(fields)? else {
            return Ok(Err(HeaderError::Immutable));
        };
        Ok(change(fields).map_err(HeaderError::from))
    }
}

/// The trap of a guest that has more fields than it may, where the world has no error for it.
pub(super) fn too_many(_: FieldError) -> wasmtime::Error {
    wasmtime::Error::msg(format!("its fields take more than {MAX_FIELD_BYTES} bytes together"))
}

/// Trailers of the request, with their names in lower case as those of its head have.
pub(super) fn lower_case(trailers: &Fields) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in trailers.all() {
        // What was a field is one in lower case too.
        let _ = fields.append(&name.to_ascii_lowercase(), value);
    }
    fields
}

/// A copy of fields that the guest may change. Lines that cannot be set are left out.
fn copy(fields: &GuestFields) -> Fields {
    let mut copy = Fields::default();
    fields.for_each(|name, value| {
        let _ = copy.append_or_announce(name, value);
    });
    copy
}

impl types::HostFields for GuestState {
    fn new(&mut self) -> wasmtime::Result<Resource<GuestFields>> {
        let fields = self.http_mut().field_bytes.count(Fields::default()).map_err(too_many)?;
        Ok(self.table_mut().push(GuestFields::made(fields))?)
    }

    fn from_list(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<Resource<GuestFields>, HeaderError>> {
        let mut fields = Fields::default();
        for (name, value) in &entries {
            if let Err(error) = fields.append_or_announce(name, value) {
                return Ok(Err(error.into()));
            }
        }
        match self.http_mut().field_bytes.count(fields) {
            Ok(fields) => Ok(Ok(self.table_mut().push(GuestFields::made(fields))?)),
            Err(error) => Ok(Err(error.into())),
        }
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
            fields.change(|fields| {
                check_name(&name)?;
                fields.remove(&name);
                values.iter().try_for_each(|value| fields.append_or_announce(&name, value))
            })
        })
    }

    fn delete(&mut self, fields: Resource<GuestFields>, name: String) -> wasmtime::Result<Result<(), HeaderError>> {
        self.change_fields(&fields, |fields| {
            fields.change(|fields| {
                check_name(&name)?;
                fields.remove(&name);
                Ok(())
            })
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
        let copy = self.http_mut().field_bytes.count(copy).map_err(too_many)?;
        Ok(self.table_mut().push(GuestFields::made(copy))?)
    }

    fn drop(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<()> {
        self.table_mut().delete(fields)?;
        Ok(())
    }
}
