//! What a handler imports from a host, as functions of the bindings have it, for the invocation of a test.

/// The request.
pub(crate) mod request {
    use crate::bindings::vibrato::handler::types::{BodyError, HttpVersion};
    use crate::testing::mock::with;

    /// The most bytes of a piece of a body.
    const PIECE: usize = 16_384;

    pub(crate) fn method() -> String {
        with(|invocation| invocation.request.method.clone())
    }

    pub(crate) fn target() -> String {
        with(|invocation| invocation.request.target.clone())
    }

    pub(crate) fn path() -> String {
        with(|invocation| invocation.request.target.split('?').next().unwrap_or_default().to_owned())
    }

    pub(crate) fn query() -> Option<String> {
        with(|invocation| invocation.request.target.split_once('?').map(|(_, query)| query.to_owned()))
    }

    pub(crate) fn version() -> HttpVersion {
        HttpVersion::Http11
    }

    pub(crate) fn protocol() -> String {
        "HTTP/1.1".to_owned()
    }

    pub(crate) fn scheme() -> String {
        "http".to_owned()
    }

    pub(crate) fn fields() -> Vec<(String, Vec<u8>)> {
        with(|invocation| invocation.request.fields.clone())
    }

    pub(crate) fn field(name: &str) -> Option<Vec<u8>> {
        let separator: &[u8] = if name.eq_ignore_ascii_case("cookie") { b"; " } else { b", " };
        with(|invocation| {
            let lines = invocation.request.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            let values: Vec<&[u8]> = lines.map(|(_, value)| value.as_slice()).collect();
            (!values.is_empty()).then(|| values.join(separator))
        })
    }

    pub(crate) fn params() -> Vec<(String, String)> {
        with(|invocation| invocation.request.params.clone())
    }

    pub(crate) fn peer() -> String {
        with(|invocation| invocation.request.peer.clone())
    }

    pub(crate) fn read(max: u32) -> Result<Option<Vec<u8>>, BodyError> {
        let max = usize::try_from(max).unwrap_or(usize::MAX).clamp(1, PIECE);
        with(|invocation| {
            let rest = &invocation.request.body[invocation.read..];
            let piece = rest[..rest.len().min(max)].to_vec();
            invocation.read += piece.len();
            Ok(Some(piece).filter(|piece| !piece.is_empty()))
        })
    }
}

/// The response.
pub(crate) mod response {
    use crate::bindings::vibrato::handler::types::Error;
    use crate::testing::mock::with;

    /// Fields that the host manages.
    const OF_CONNECTION: [&str; 7] =
        ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

    /// Whether a field can be set.
    fn check(name: &str, value: &[u8]) -> Result<(), Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_value = |byte: &u8| !matches!(byte, 0..=8 | 10..=31 | 127);
        if OF_CONNECTION.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Error::Forbidden);
        }
        let is_valid = !name.is_empty() && name.bytes().all(is_name) && value.iter().all(is_value);
        if is_valid { Ok(()) } else { Err(Error::Invalid) }
    }

    pub(crate) fn set_status(code: u16) -> Result<(), Error> {
        with(|invocation| {
            let response = invocation.head()?;
            if !(200..=599).contains(&code) {
                return Err(Error::Invalid);
            }
            response.status = code;
            Ok(())
        })
    }

    pub(crate) fn set_field(name: &str, value: &[u8]) -> Result<(), Error> {
        remove_field(name)?;
        append_field(name, value)
    }

    pub(crate) fn append_field(name: &str, value: &[u8]) -> Result<(), Error> {
        with(|invocation| {
            let response = invocation.head()?;
            check(name, value)?;
            response.fields.push((name.to_owned(), value.to_vec()));
            Ok(())
        })
    }

    pub(crate) fn status() -> u16 {
        with(|invocation| invocation.response.status)
    }

    pub(crate) fn fields() -> Vec<(String, Vec<u8>)> {
        with(|invocation| invocation.response.fields.clone())
    }

    pub(crate) fn field(name: &str) -> Option<Vec<u8>> {
        fields().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn remove_field(name: &str) -> Result<(), Error> {
        with(|invocation| {
            let response = invocation.head()?;
            check(name, b"")?;
            response.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            Ok(())
        })
    }

    pub(crate) fn write(chunk: &[u8]) -> Result<(), Error> {
        with(|invocation| {
            let response = invocation.open()?;
            if chunk.is_empty() {
                response.is_finished = true;
            } else {
                response.chunks.push(chunk.to_vec());
                response.body.extend_from_slice(chunk);
            }
            invocation.head_sent = true;
            Ok(())
        })
    }

    pub(crate) fn close() -> Result<(), Error> {
        with(|invocation| {
            if let Ok(response) = invocation.open() {
                response.outcome = crate::Outcome::Close;
            }
            Ok(())
        })
    }

    pub(crate) fn fail(reason: &str) -> Result<(), Error> {
        with(|invocation| {
            invocation.response.failure.get_or_insert_with(|| reason.to_owned());
            Ok(())
        })
    }
}

/// The options.
pub(crate) mod options {
    use crate::Value;
    use crate::testing::mock::with;

    pub(crate) fn get(name: &str) -> Option<Value> {
        all().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn all() -> Vec<(String, Value)> {
        let mut options = with(|invocation| invocation.request.options.clone());
        options.sort_by(|(one, _), (other, _)| one.cmp(other));
        options
    }
}

/// The topics.
pub(crate) mod push {
    use crate::bindings::vibrato::handler::push::HistoryError;
    use crate::bindings::vibrato::handler::types::Error;
    use crate::testing::mock::with;

    fn check(topic: &str) -> Result<(), Error> {
        let is_topic = (1..=128).contains(&topic.len()) && !topic.contains(char::is_control);
        if is_topic { Ok(()) } else { Err(Error::Invalid) }
    }

    pub(crate) fn subscribe(topic: &str) -> Result<(), Error> {
        check(topic)?;
        with(|invocation| {
            let response = invocation.open()?;
            if !response.subscribed.iter().any(|known| known == topic) {
                response.subscribed.push(topic.to_owned());
            }
            Ok(())
        })
    }

    pub(crate) fn publish(topic: &str, chunk: &[u8]) -> Result<u32, Error> {
        check(topic)?;
        match chunk.len() {
            0 => return Err(Error::Invalid),
            1..=65_536 => {}
            _ => return Err(Error::TooLarge),
        }
        with(|invocation| {
            invocation.response.published.push((topic.to_owned(), chunk.to_vec()));
            Ok(invocation.request.subscribers)
        })
    }

    pub(crate) fn finish(topic: &str) -> Result<u32, Error> {
        check(topic)?;
        with(|invocation| {
            invocation.response.finished.push(topic.to_owned());
            Ok(invocation.request.subscribers)
        })
    }

    fn history_error(error: Error) -> HistoryError {
        match error {
            Error::Closed => HistoryError::Closed,
            Error::Invalid | Error::HeadAlreadySent => HistoryError::Invalid,
            Error::Forbidden => HistoryError::Forbidden,
            Error::TooLarge => HistoryError::TooLarge,
        }
    }

    /// Nothing is missing behind any id.
    pub(crate) fn subscribe_after(topic: &str, last_id: Option<&str>) -> Result<bool, HistoryError> {
        check(topic).map_err(history_error)?;
        with(|invocation| {
            let response = invocation.open().map_err(history_error)?;
            if response.resumed.is_some() {
                return Err(HistoryError::Invalid);
            }
            response.resumed = Some((topic.to_owned(), last_id.map(str::to_owned)));
            Ok(true)
        })
    }

    pub(crate) fn append(topic: &str, event: &[u8]) -> Result<String, HistoryError> {
        check(topic).map_err(history_error)?;
        match event.len() {
            0 => return Err(HistoryError::Invalid),
            1..=65_536 => {}
            _ => return Err(HistoryError::TooLarge),
        }
        with(|invocation| {
            let appended = &mut invocation.response.appended;
            appended.push((topic.to_owned(), event.to_vec()));
            Ok(format!("0000000000000000-{}", appended.len()))
        })
    }
}

/// The context.
pub(crate) mod context {
    use crate::bindings::vibrato::handler::types::Error;
    use crate::testing::mock::with;

    pub(crate) fn get(name: &str) -> Option<Vec<u8>> {
        with(|invocation| {
            let names = &invocation.request.context;
            names.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the bindings have it")]
    pub(crate) fn set(name: &str, value: &[u8]) -> Result<(), Error> {
        with(|invocation| invocation.request.context.push((name.to_owned(), value.to_vec())));
        Ok(())
    }
}
