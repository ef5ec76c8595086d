//! Gives the listening sockets of a process to the one that takes its place, over a socket that is the new one's stdin.
//!
//! Both listen on the same sockets for a while, so no connection is refused, and what waits in a queue is served by either. The
//! files of Unix sockets belong to the process that goes on: the old one until the new one is ready, and then the new one.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde_json::{Value, json};
use socket2::{Domain, SockRef, Socket, Type};

use super::inherited::{InheritedSocket, InheritedSockets, SocketUse};
use super::listener::{Listener, ListenerSocket};
use super::socket_file::SocketFile;

/// The most bytes of a message.
const MAX_MESSAGE: usize = 4096;

/// What the new process sends once it serves.
const READY: &[u8] = b"ready";

/// What follows the last socket.
const END: &[u8] = b"end";

/// Whether another process goes on with a socket, so that this one neither removes its file nor serves its queue at the end.
#[derive(Debug, Clone, Default)]
pub struct HandedOver(Arc<AtomicBool>);

/// A listening socket of this process, to be given to the one that takes its place.
#[derive(Debug)]
pub struct ListenerHandle {
    pub(super) socket: OwnedFd,
    pub(super) used_for: SocketUse,
    /// The path and the number of its file, if it has one that is removed.
    pub(super) file: Option<(PathBuf, (u64, u64))>,
    pub(super) handed_over: HandedOver,
}

/// The side of the process that is replaced.
#[derive(Debug)]
pub struct Successor(UnixStream);

/// The side of the process that takes the place of another.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

impl HandedOver {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, is_set: bool) {
        self.0.store(is_set, Ordering::Release);
    }
}

impl ListenerHandle {
    /// Another process goes on with it, or this one does.
    pub fn set_handed_over(&self, is_handed_over: bool) {
        self.handed_over.set(is_handed_over);
    }

    /// What the new process has to know of it.
    fn describe(&self) -> Value {
        let (index, spec) = match &self.used_for {
            SocketUse::Listen { index, spec } => (Some(index), Some(spec)),
            SocketUse::Control | SocketUse::Passed(_) => (None, None),
        };
        let file = self.file.as_ref();
        let path = file.and_then(|(path, _)| path.to_str());
        let (device, number) = file.map_or((0, 0), |(_, id)| *id);
        json!({ "index": index, "spec": spec, "path": path, "device": device, "number": number })
    }
}

impl Successor {
    /// Sends the sockets to a process that does not run yet. What is returned is to be its stdin.
    ///
    /// # Errors
    /// The error of the system.
    pub fn new<'l>(listeners: impl Iterator<Item = &'l ListenerHandle>) -> io::Result<(Self, OwnedFd)> {
        let (own, other) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        for listener in listeners {
            let text = listener.describe().to_string();
            let sockets = [listener.socket.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&sockets));
            // With more listeners than the system holds for a reader this fails, and does not wait.
            sendmsg(&own, &[IoSlice::new(text.as_bytes())], &mut ancillary, SendFlags::DONTWAIT)?;
        }
        sendmsg(&own, &[IoSlice::new(END)], &mut SendAncillaryBuffer::default(), SendFlags::DONTWAIT)?;
        Ok((Self(OwnedFd::from(own).into()), other.into()))
    }

    /// Waits until the new process serves.
    ///
    /// # Errors
    /// `UnexpectedEof` if it has ended before.
    pub async fn ready(&self) -> io::Result<()> {
        let socket = self.0.try_clone()?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixStream::from_std(socket)?;
        let mut message = [0; READY.len()];
        loop {
            socket.readable().await?;
            match socket.try_read(&mut message) {
                Ok(length) if &message[..length] == READY => return Ok(()),
                Ok(_) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Predecessor {
    /// The process that has started this one, which gives its sockets over stdin.
    ///
    /// # Errors
    /// stdin is no such socket.
    pub fn from_stdin() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let of = SockRef::from(&socket).domain().and_then(|domain| Ok((domain, SockRef::from(&socket).r#type()?)));
        if !of.is_ok_and(|of| of == (Domain::UNIX, Type::SEQPACKET)) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "stdin is not a socket of another host"));
        }
        Ok(Self(socket.into()))
    }

    /// Receives its sockets.
    ///
    /// # Errors
    /// The error of the system, or what was received is not what a host sends.
    pub fn receive(&self) -> io::Result<InheritedSockets> {
        let mut sockets = Vec::new();
        loop {
            let mut message = [0; MAX_MESSAGE];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let buffers = &mut [IoSliceMut::new(&mut message)];
            let length = recvmsg(&self.0, buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes;
            if &message[..length] == END {
                return Ok(InheritedSockets::new(sockets));
            }
            let rights = ancillary.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(rights) => Some(rights),
                _ => None,
            });
            let socket = rights.flatten().next();
            let received = socket.zip(serde_json::from_slice(&message[..length]).ok());
            let (socket, description) = received.ok_or_else(|| io::Error::from(ErrorKind::InvalidData))?;
            sockets.push(inherited(socket, &description)?);
        }
    }

    /// Tells it that this process serves, so that it ends.
    ///
    /// # Errors
    /// It is gone.
    pub fn ready(self) -> io::Result<()> {
        sendmsg(&self.0, &[IoSlice::new(READY)], &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// A socket that was received. Its file is the other process's for now.
fn inherited(socket: OwnedFd, description: &Value) -> io::Result<InheritedSocket> {
    let used_for = match (description["index"].as_u64(), description["spec"].as_str()) {
        (Some(index), Some(spec)) => {
            SocketUse::Listen { index: usize::try_from(index).unwrap_or(usize::MAX), spec: spec.to_owned() }
        }
        _ => SocketUse::Control,
    };
    let handed_over = HandedOver::default();
    handed_over.set(true);
    let id = description["device"].as_u64().zip(description["number"].as_u64());
    let file = description["path"].as_str().zip(id);
    let file = file.map(|(path, id)| SocketFile::of_other(path.into(), id, handed_over.clone()));
    let socket = match SockRef::from(&socket).domain()? {
        Domain::UNIX => ListenerSocket::Unix(UnixListener::from(socket), file),
        _ => ListenerSocket::Tcp(TcpListener::from(socket)),
    };
    Ok(InheritedSocket { used_for, listener: Ok(Listener::inherited(socket, handed_over)) })
}
