use std::time::Duration;

use super::*;
use crate::exchange::ClientLoss;
use crate::exchange::tests::{exchange, options};
use crate::guest::NoResponse;

fn deadline() -> CallError {
    CallError::Deadline { backtrace: String::new() }
}

#[test]
fn what_the_code_of_a_component_does_counts_and_what_the_host_lacks_does_not() {
    let trap = CallError::Trap { limit: String::new(), report: "wasm trap: unreachable".to_owned() };
    let cpu = CallError::ProcessorTime { limit: Duration::from_secs(1), backtrace: String::new() };
    let code = NoResponse::ErrorCode { status: 502, code: "DNS error".to_owned() };
    for (error, counts) in [
        (trap, Some(false)),
        (cpu, Some(false)),
        (deadline(), Some(false)),
        (NoResponse::NeverSet.into(), Some(false)),
        (NoResponse::Unfinished("it was dropped").into(), Some(false)),
        // It works, and says what is wrong.
        (code.into(), Some(true)),
        (CallError::Failed("there is no such user".to_owned()), Some(true)),
        (NoResponse::NotCalled("its target is too long").into(), None),
        (CallError::Busy("the pool is empty".to_owned()), None),
        (CallError::Quarantined, None),
    ] {
        assert_eq!(verdict(&exchange(options()), &error), counts, "{error}");
    }
}

#[test]
fn a_handler_that_is_ended_because_of_its_client_has_not_failed() {
    for loss in [ClientLoss::Gone, ClientLoss::StoppedReading, ClientLoss::HalfClosed] {
        let exchange = exchange(options());
        exchange.shorten_deadline(Instant::now(), loss);
        assert_eq!(verdict(&exchange, &deadline()), None, "{loss:?}");
    }
}
