//! What a guest does with the body of its response, in any order, against an exchange without a socket.

use std::sync::Arc;

use bytes::BytesMut;
use proptest::prelude::*;

use super::response::{SetResponse, outcome};
use super::response_body::ResponseBody;
use super::{NoResponse, RequestScope};
use crate::exchange::tests::{exchange, options};
use crate::exchange::{Exchange, NeverReady};
use crate::guest::Outcome;
use crate::guest::request_fields::VisibleFields;
use crate::http1::decode::{BodyDecoder, Decoded};
use crate::http1::framing::BodyFraming;
use crate::response::ResponseOptions;

/// A step of a guest, or of its client.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Writes this many bytes, as far as there is room.
    Write(usize),
    /// Sets the response.
    Set,
    /// Finishes the body.
    Finish,
    /// Drops the body.
    Drop,
    /// The client takes all that was sent.
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..100_000_usize).prop_map(Step::Write),
        1 => Just(Step::Set),
        1 => Just(Step::Finish),
        1 => Just(Step::Drop),
        2 => Just(Step::Take),
    ];
    prop::collection::vec(step, 0..12)
}

/// A response in the making, and what was taken of it.
struct Made {
    exchange: Arc<Exchange>,
    scope: Arc<RequestScope>,
    body: Arc<ResponseBody>,
    is_set: bool,
    is_finished: bool,
    written: Vec<u8>,
    taken: Vec<u8>,
}

impl Made {
    fn new() -> Self {
        let exchange = exchange(ResponseOptions { buffer_size: 16 * 1024, ..options() });
        let scope = RequestScope::new(exchange.clone(), VisibleFields::default());
        let body = ResponseBody::new(Some(scope.clone()));
        let (written, taken) = (Vec::new(), Vec::new());
        Self { exchange, scope, body, is_set: false, is_finished: false, written, taken }
    }

    fn take(&mut self) {
        let taken = &mut self.taken;
        self.exchange.response(|response| {
            taken.extend_from_slice(response.output());
            let length = response.output().len();
            response.advance(length);
        });
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Write(length) => {
                let chunk: Vec<u8> = (0..length).map(|at| (self.written.len() + at) as u8).collect();
                let mut written = 0;
                let _ = self.body.write(&chunk, &mut written);
                self.written.extend_from_slice(&chunk[..written]);
            }
            Step::Set if !self.is_set => {
                self.is_set = true;
                self.body.send(&self.exchange);
            }
            Step::Finish if !self.is_finished => {
                // What does not fit is finished after the client has taken some.
                while let Ok(false) = self.body.finish(&mut None) {
                    self.take();
                }
                self.is_finished = true;
            }
            Step::Drop if !self.is_finished => {
                self.body.drop_unfinished();
                self.is_finished = true;
            }
            Step::Set | Step::Finish | Step::Drop => {}
            Step::Take => self.take(),
        }
    }

    /// The handler returns, and its connection ends the response.
    fn end(&mut self) -> Result<(), NoResponse> {
        let set = self.is_set.then(|| SetResponse::Response(Some(self.body.clone())));
        let ended = outcome(set).map(|outcome| {
            let Outcome::Body(rest) = outcome else { panic!("a handler of wasi:http has no other outcome") };
            let mut written = 0;
            while let Ok(false) = self.exchange.write(&rest, &mut written) {
                self.take();
            }
            let _ = self.exchange.write(b"", &mut 0);
        });
        self.take();
        ended
    }

    /// The body as its client decodes it, and whether it is whole.
    fn decoded(&self) -> (Vec<u8>, bool) {
        let head = self.taken.windows(4).position(|window| window == b"\r\n\r\n");
        let mut input = BytesMut::from(head.map_or(&[][..], |head| &self.taken[head + 4..]));
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked, u64::MAX);
        let mut body = Vec::new();
        loop {
            match decoder.decode(&mut input, usize::MAX) {
                Ok(Decoded::Piece(piece)) => body.extend_from_slice(&piece),
                Ok(Decoded::End) => return (body, true),
                Ok(Decoded::NeedMore) => return (body, false),
                Err(error) => panic!("the body is malformed: {error}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn a_body_is_whole_if_and_only_if_its_guest_has_finished_it(steps in steps()) {
        let mut made = Made::new();
        for step in steps {
            made.run(step);
            let waiting = made.exchange.response(|response| response.output().len());
            prop_assert!(waiting <= 64 * 1024 + 16 * 1024 + 256, "{waiting} bytes wait to be sent");
        }
        let ended = made.end();
        let (decoded, is_whole) = made.decoded();
        prop_assert_eq!(is_whole, ended.is_ok());
        if ended.is_ok() {
            prop_assert_eq!(decoded, made.written);
        } else {
            prop_assert!(made.written.starts_with(&decoded));
        }
    }
}

#[test]
fn resources_of_a_request_that_has_ended_are_closed() {
    let mut made = Made::new();
    made.run(Step::Set);
    made.scope.close();
    assert!(made.body.room().is_err() && made.body.write(b"a", &mut 0).is_err());
    assert!(made.scope.exchange().is_none());
}

#[tokio::test]
async fn a_wait_that_only_the_guest_itself_can_end_ends_at_once() {
    let mut made = Made::new();
    made.run(Step::Write(100_000));
    assert!(made.body.writable().await.is_err());
    let never = made.exchange.wait_for_any(1, made.exchange.wait_for_itself()).await;
    assert_eq!(never, Err(NeverReady));
}
