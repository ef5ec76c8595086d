//! The invocation of a test: its request, and what was done to its response.

use std::cell::RefCell;

use super::{TestRequest, TestResponse};
use crate::Outcome;
use crate::bindings::vibrato::handler::types::Error;

/// The request, how much of its body was read, and the response so far.
pub(super) struct Invocation {
    pub(super) request: TestRequest,
    pub(super) read: usize,
    pub(super) response: TestResponse,
    pub(super) head_sent: bool,
}

thread_local! {
    static INVOCATION: RefCell<Option<Invocation>> = const { RefCell::new(None) };
}

/// Ends the invocation when it is dropped, also after a panic of the handler.
pub(super) struct InvocationGuard;

impl Drop for InvocationGuard {
    fn drop(&mut self) {
        INVOCATION.with_borrow_mut(|invocation| *invocation = None);
    }
}

/// Begins the invocation of this thread.
pub(super) fn begin(request: TestRequest) -> InvocationGuard {
    let response = TestResponse {
        status: 200,
        fields: Vec::new(),
        body: Vec::new(),
        chunks: Vec::new(),
        outcome: Outcome::Manual,
        is_finished: false,
        failure: None,
        subscribed: Vec::new(),
        published: Vec::new(),
        resumed: None,
        appended: Vec::new(),
        finished: Vec::new(),
        calls: Vec::new(),
        stores: request.stores.clone(),
    };
    INVOCATION.with_borrow_mut(|invocation| {
        assert!(invocation.is_none(), "a handler that is tested calls another; call one after the other");
        *invocation = Some(Invocation { request, read: 0, response, head_sent: false });
    });
    InvocationGuard
}

/// Calls `work` with the invocation of this thread.
pub(super) fn with<R>(work: impl FnOnce(&mut Invocation) -> R) -> R {
    INVOCATION.with_borrow_mut(|invocation| match invocation {
        Some(invocation) => work(invocation),
        None => panic!("there is no request here; call the handler with `guest_sdk::testing::call`"),
    })
}

/// The response of the invocation that returned `outcome`.
pub(super) fn end(outcome: Outcome) -> TestResponse {
    with(|Invocation { response, head_sent, .. }| {
        let is_closed = response.outcome == Outcome::Close;
        if response.failure.is_some() {
            if !*head_sent {
                response.status = 500;
            }
        } else if let (Outcome::Body(body), false, false) = (&outcome, response.is_finished, is_closed) {
            response.body.extend_from_slice(body);
        }
        if !is_closed {
            response.outcome = outcome;
        }
        response.clone()
    })
}

impl Invocation {
    /// The response, as long as it can be written to.
    pub(super) fn open(&mut self) -> Result<&mut TestResponse, Error> {
        let response = &mut self.response;
        let is_over = response.is_finished || response.failure.is_some() || response.outcome == Outcome::Close;
        if is_over { Err(Error::Closed) } else { Ok(response) }
    }

    /// The response, as long as its head can change.
    pub(super) fn head(&mut self) -> Result<&mut TestResponse, Error> {
        let head_sent = self.head_sent;
        let response = self.open()?;
        if head_sent { Err(Error::HeadAlreadySent) } else { Ok(response) }
    }
}
