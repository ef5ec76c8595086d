//! Reads the header of the PROXY protocol from a stream, and no byte behind it.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use thiserror::Error;

use super::proxy_header::{MAX_PROXY_HEADER, ProxyHeaderEnd, ProxyHeaderError, parse_proxy_header};
use super::{Peer, Stream};

/// Why no header was read.
#[derive(Debug, Error)]
pub enum ReadHeaderError {
    /// It is malformed.
    #[error(transparent)]
    Malformed(#[from] ProxyHeaderError),
    /// The connection has ended, or is lost.
    #[error("the connection has ended before its header of the PROXY protocol")]
    Ended,
}

/// Reads a header from the start of a stream, and returns the client that it names, if it names one.
///
/// # Errors
/// See [`ReadHeaderError`].
pub async fn read_proxy_header(stream: &Stream) -> Result<Option<Peer>, ReadHeaderError> {
    let mut header = BytesMut::new();
    loop {
        let end = std::future::poll_fn(|cx| poll_header(cx, stream, &mut header)).await?;
        if let Some(source) = end {
            return Ok(source.map(Peer::Ip));
        }
    }
}

/// Ready when more of the header was read: with its source once it is complete.
fn poll_header(
    cx: &mut Context<'_>,
    stream: &Stream,
    header: &mut BytesMut,
) -> Poll<Result<Option<Option<SocketAddr>>, ReadHeaderError>> {
    let mut buffer = [0; MAX_PROXY_HEADER];
    let known = header.len();
    let peeked = match ready!(stream.poll_peek(cx, &mut buffer)) {
        Ok(0) | Err(_) => return Poll::Ready(Err(ReadHeaderError::Ended)),
        Ok(peeked) => peeked,
    };
    header.extend_from_slice(&buffer[..peeked]);
    let end = parse_proxy_header(header)?;
    // All bytes of an incomplete header belong to it.
    let length = end.map_or(header.len(), |ProxyHeaderEnd { length, .. }| length);
    header.truncate(length);
    match take(stream, cx, length - known) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(end.map(|end| end.source))),
        // The bytes were there a moment ago.
        Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(Err(ReadHeaderError::Ended)),
    }
}

/// Drops bytes that the system has.
fn take(stream: &Stream, cx: &mut Context<'_>, mut left: usize) -> Poll<io::Result<()>> {
    let mut dropped = BytesMut::new();
    while left > 0 {
        match ready!(stream.poll_read_at_most(cx, &mut dropped, left))? {
            0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            read => left -= read,
        }
    }
    Poll::Ready(Ok(()))
}
