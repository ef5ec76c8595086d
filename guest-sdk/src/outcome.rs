//! [`IntoOutcome`]: what a handler's return type means.

use std::borrow::Cow;
use std::fmt;

use crate::failure::{fail, refused};
use crate::{Error, Outcome, Response};

/// What a handler can return.
///
/// | it returns | the client gets |
/// |---|---|
/// | an iterator, an array or a `Vec` of chunks (`&str`, `String`, `Vec<u8>`, ...) | each chunk in one write, as it is made; then the end of the response. Empty chunks are skipped |
/// | the same of `Result`s | the same; an error ends it as below |
/// | `&str`, `String`, `Vec<u8>`, `&[u8]`, `Cow<str>`, ... | the body, after what was written before |
/// | `()`, [`Close`] | a closed connection; with nothing written, not one byte of an answer |
/// | [`Manual`] | what was written; the response and the connection stay open |
/// | [`Outcome`] | what it says |
/// | `Option<T>` | `T`, or for `None` what `()` means |
/// | `Result<T, E>` | `T`, or for an error what is below |
///
/// An **error** is handled as [`Response::fail`] handles its text: a line in the host's log and a 500, or a truncated
/// body if the head was sent before. Two errors are not the handler's fault: after [`Error::Closed`] the response stays
/// as it is, and a [`BodyError`](crate::BodyError) answers with its own status. Both are also recognised inside a
/// [`std::io::Error`] or a `Box<dyn Error>`.
///
/// Most handlers return a `Result` of a body or of an iterator, so that `?` works as expected:
///
/// ```standalone_crate
/// use std::error::Error;
///
/// use guest_sdk::{Request, handler};
///
/// #[handler(path = "/countdown/{from}")]
/// fn countdown(request: Request) -> Result<impl Iterator<Item = String>, Box<dyn Error>> {
///     let from: u8 = request.param("from").unwrap_or_default().parse()?; // The log says why; the client is told 500.
///     Ok((0..=from).rev().map(|number| format!("{number}\n")))
/// }
/// # fn main() {}
/// ```
///
/// `Marker` distinguishes the implementations and is always inferred.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not a response",
    note = "it returns a body (`&str`, `String`, `Vec<u8>`, ...), an iterator of chunks, `()`, `Close`, `Manual` or \
            `Outcome`, or an `Option` or a `Result` of one of these"
)]
pub trait IntoOutcome<Marker> {
    /// Writes what must be written, and returns how the invocation ends.
    fn into_outcome(self, response: Response) -> Outcome;
}

/// Closes the connection: see [`Outcome::Close`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close;

/// Parks the response: it and its connection stay open. See [`Outcome::Manual`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manual;

/// The outcome of a handler's return value.
#[doc(hidden)]
pub fn outcome<Marker, T: IntoOutcome<Marker>>(returned: T) -> Outcome {
    returned.into_outcome(Response::of_invocation())
}

/// Markers, one for each implementation that would overlap with another.
#[doc(hidden)]
pub mod marker {
    use std::marker::PhantomData;

    /// A value that is an outcome.
    pub struct Whole;
    /// Bytes that are a body.
    pub struct Bytes;
    /// An iterator of chunks.
    pub struct Chunks;
    /// An iterator of chunks that can fail.
    pub struct FallibleChunks;
    /// A collection of chunks.
    pub struct Collection;
    /// A value that may be absent.
    pub struct Optional<Marker>(PhantomData<Marker>);
    /// A value or an error.
    pub struct Fallible<Marker>(PhantomData<Marker>);
}

impl IntoOutcome<marker::Whole> for Outcome {
    fn into_outcome(self, _: Response) -> Outcome {
        self
    }
}

impl IntoOutcome<marker::Whole> for () {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Close
    }
}

impl IntoOutcome<marker::Whole> for Close {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Close
    }
}

impl IntoOutcome<marker::Whole> for Manual {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Manual
    }
}

impl IntoOutcome<marker::Bytes> for Cow<'_, str> {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Body(self.into_owned().into_bytes())
    }
}

macro_rules! into_body {
    ($($bytes:ty),*) => {$(
        impl IntoOutcome<marker::Bytes> for $bytes {
            fn into_outcome(self, _: Response) -> Outcome {
                Outcome::Body(self.into())
            }
        }
    )*};
}

into_body!(Vec<u8>, String, Box<[u8]>, Cow<'_, [u8]>);

impl IntoOutcome<marker::Bytes> for &str {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Body(copied(self.as_bytes()))
    }
}

impl IntoOutcome<marker::Bytes> for &[u8] {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Body(copied(self))
    }
}

impl<const N: usize> IntoOutcome<marker::Bytes> for &[u8; N] {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Body(copied(self))
    }
}

impl<const N: usize> IntoOutcome<marker::Bytes> for [u8; N] {
    fn into_outcome(self, _: Response) -> Outcome {
        Outcome::Body(copied(&self))
    }
}

impl<I> IntoOutcome<marker::Chunks> for I
where
    I: Iterator<Item: AsRef<[u8]>>,
{
    fn into_outcome(self, response: Response) -> Outcome {
        for chunk in self {
            if let Err(error) = write(response, chunk.as_ref()) {
                return refused(error);
            }
        }
        Outcome::Body(Vec::new())
    }
}

impl<I, C, E> IntoOutcome<marker::FallibleChunks> for I
where
    I: Iterator<Item = Result<C, E>>,
    C: AsRef<[u8]>,
    E: fmt::Display + 'static,
{
    fn into_outcome(self, response: Response) -> Outcome {
        for chunk in self {
            match chunk {
                Ok(chunk) => {
                    if let Err(error) = write(response, chunk.as_ref()) {
                        return refused(error);
                    }
                }
                Err(error) => return fail(&error, response),
            }
        }
        Outcome::Body(Vec::new())
    }
}

impl<C: AsRef<[u8]>, const N: usize> IntoOutcome<marker::Collection> for [C; N] {
    fn into_outcome(self, response: Response) -> Outcome {
        self.into_iter().into_outcome(response)
    }
}

impl<C: AsRef<[u8]>> IntoOutcome<marker::Collection> for Vec<C> {
    fn into_outcome(self, response: Response) -> Outcome {
        self.into_iter().into_outcome(response)
    }
}

impl<T, Marker> IntoOutcome<marker::Optional<Marker>> for Option<T>
where
    T: IntoOutcome<Marker>,
{
    fn into_outcome(self, response: Response) -> Outcome {
        match self {
            Some(value) => value.into_outcome(response),
            None => Outcome::Close,
        }
    }
}

impl<T, E, Marker> IntoOutcome<marker::Fallible<Marker>> for Result<T, E>
where
    T: IntoOutcome<Marker>,
    E: fmt::Display + 'static,
{
    fn into_outcome(self, response: Response) -> Outcome {
        match self {
            Ok(value) => value.into_outcome(response),
            Err(error) => fail(&error, response),
        }
    }
}

/// Copies a body. If there is no memory, the guest traps without a message: printing one would add more imports than
/// the remainder of a small handler has.
fn copied(bytes: &[u8]) -> Vec<u8> {
    let mut copy = Vec::new();
    if copy.try_reserve_exact(bytes.len()).is_err() {
        trap();
    }
    copy.spare_capacity_mut()[..bytes.len()].write_copy_of_slice(bytes);
    #[expect(unsafe_code, reason = "an `extend` could grow, and so could fail, for all the compiler knows")]
    // SAFETY: this many bytes were reserved, and the line above has written them.
    unsafe {
        copy.set_len(bytes.len());
    }
    copy
}

/// Ends the invocation at once.
fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

/// Writes one chunk of an iterator. Skips an empty one, which would complete the response.
fn write(response: Response, chunk: &[u8]) -> Result<(), Error> {
    if !chunk.is_empty() {
        response.write(chunk)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
