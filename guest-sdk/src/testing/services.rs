//! What an operator grants, for the invocation of a test: settings, stores, and other servers.

/// The settings.
pub(crate) mod config {
    use crate::testing::mock::with;

    pub(crate) fn get(name: &str) -> Option<String> {
        with(|invocation| invocation.request.config.get(name).cloned())
    }

    pub(crate) fn all() -> Vec<(String, String)> {
        with(|invocation| invocation.request.config.clone().into_iter().collect())
    }
}

/// The key-value stores.
pub(crate) mod key_value {
    use std::collections::BTreeMap;

    use crate::testing::mock::with;

    pub(crate) use crate::bindings::vibrato::handler::key_value::{Error, Page};

    type Values = BTreeMap<String, Vec<u8>>;

    /// The most bytes of a key, and of a value.
    const MAX_KEY: usize = 1024;
    const MAX_VALUE: usize = 1024 * 1024;
    const MAX_PAGE: usize = 1000;

    fn within<R>(store: &str, work: impl FnOnce(&mut Values) -> Result<R, Error>) -> Result<R, Error> {
        let store = if store == "default" { "" } else { store };
        with(|invocation| {
            let stores = &mut invocation.response.stores;
            if stores.is_empty() {
                return Err(Error::Denied);
            }
            stores.get_mut(store).ok_or(Error::NoSuchStore).and_then(work)
        })
    }

    fn check(key: &str, value: &[u8]) -> Result<(), Error> {
        let fits = (1..=MAX_KEY).contains(&key.len()) && value.len() <= MAX_VALUE;
        if fits { Ok(()) } else { Err(Error::TooLarge) }
    }

    pub(crate) fn get(store: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        within(store, |values| {
            check(key, b"")?;
            Ok(values.get(key).cloned())
        })
    }

    pub(crate) fn set(store: &str, key: &str, value: &[u8], _: Option<u64>) -> Result<(), Error> {
        within(store, |values| {
            check(key, value)?;
            values.insert(key.to_owned(), value.to_vec());
            Ok(())
        })
    }

    pub(crate) fn delete(store: &str, key: &str) -> Result<(), Error> {
        within(store, |values| {
            check(key, b"")?;
            values.remove(key);
            Ok(())
        })
    }

    pub(crate) fn list(store: &str, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page, Error> {
        within(store, |values| {
            let mut keys: Vec<String> = values.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
            keys.retain(|key| cursor.is_none_or(|cursor| key.as_str() > cursor));
            let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_PAGE);
            let is_over = keys.len() <= limit;
            keys.truncate(limit);
            let cursor = if is_over { None } else { keys.last().cloned() };
            Ok(Page { keys, cursor })
        })
    }

    pub(crate) fn increment(store: &str, key: &str, delta: i64) -> Result<i64, Error> {
        within(store, |values| {
            check(key, b"")?;
            let old = values.get(key).map_or(Some(0), |value| str::from_utf8(value).ok()?.parse().ok());
            let old: i64 = old.ok_or_else(|| Error::Other("the value is no integer".to_owned()))?;
            let sum = old.checked_add(delta).ok_or_else(|| Error::Other("the sum is beyond 64 bits".to_owned()))?;
            values.insert(key.to_owned(), sum.to_string().into_bytes());
            Ok(sum)
        })
    }

    pub(crate) fn compare_and_swap(
        store: &str,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<bool, Error> {
        within(store, |values| {
            check(key, new.unwrap_or_default())?;
            if values.get(key).map(Vec::as_slice) != expected {
                return Ok(false);
            }
            match new {
                Some(value) => values.insert(key.to_owned(), value.to_vec()),
                None => values.remove(key),
            };
            Ok(true)
        })
    }
}

/// Other servers.
pub(crate) mod http_client {
    use std::cell::RefCell;

    use crate::testing::mock::with;
    use crate::testing::{UpstreamCall, is_upstream};

    pub(crate) use crate::bindings::vibrato::handler::http_client::HttpError;

    /// A request that is made.
    #[derive(Debug)]
    pub(crate) struct OutgoingRequest(RefCell<UpstreamCall>);

    /// A response, and how much of its body is not read yet.
    #[derive(Debug)]
    pub(crate) struct IncomingResponse {
        status: u16,
        body: RefCell<Vec<u8>>,
    }

    impl OutgoingRequest {
        pub(crate) fn new(method: &str, url: &str) -> Self {
            let (method, url) = (method.to_owned(), url.to_owned());
            Self(RefCell::new(UpstreamCall { method, url, fields: Vec::new(), body: Vec::new() }))
        }

        pub(crate) fn set_field(&self, name: &str, value: &[u8]) -> Result<(), HttpError> {
            self.0.borrow_mut().fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            self.append_field(name, value)
        }

        #[expect(clippy::unnecessary_wraps, reason = "as the bindings have it")]
        pub(crate) fn append_field(&self, name: &str, value: &[u8]) -> Result<(), HttpError> {
            self.0.borrow_mut().fields.push((name.to_ascii_lowercase(), value.to_vec()));
            Ok(())
        }

        pub(crate) fn set_connect_timeout(&self, _: u64) {}

        pub(crate) fn set_first_byte_timeout(&self, _: u64) {}

        pub(crate) fn set_between_bytes_timeout(&self, _: u64) {}

        #[expect(clippy::unnecessary_wraps, reason = "as the bindings have it")]
        pub(crate) fn write(&self, chunk: &[u8]) -> Result<(), HttpError> {
            self.0.borrow_mut().body.extend_from_slice(chunk);
            Ok(())
        }

        pub(crate) fn send(&self) -> Result<IncomingResponse, HttpError> {
            let call = self.0.borrow().clone();
            with(|invocation| {
                let answers = invocation.request.upstreams.iter().rev();
                let answer = answers.into_iter().find(|(url, ..)| is_upstream(url, &call.url)).cloned();
                invocation.response.calls.push(call);
                let (_, status, body) = answer.ok_or(HttpError::Denied)?;
                Ok(IncomingResponse { status, body: RefCell::new(body) })
            })
        }
    }

    impl IncomingResponse {
        pub(crate) fn status(&self) -> u16 {
            self.status
        }

        pub(crate) fn fields(&self) -> Vec<(String, Vec<u8>)> {
            vec![("content-length".to_owned(), self.body.borrow().len().to_string().into_bytes())]
        }

        pub(crate) fn field(&self, name: &str) -> Option<Vec<u8>> {
            self.fields().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        }

        #[expect(clippy::unnecessary_wraps, reason = "as the bindings have it")]
        pub(crate) fn read(&self, max: u32) -> Result<Option<Vec<u8>>, HttpError> {
            let mut body = self.body.borrow_mut();
            let length = body.len().min(usize::try_from(max).unwrap_or(usize::MAX));
            let piece: Vec<u8> = body.drain(..length).collect();
            Ok(Some(piece).filter(|piece| !piece.is_empty()))
        }

        #[expect(clippy::unused_self, reason = "as the bindings have it")]
        pub(crate) fn trailers(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
    }
}
