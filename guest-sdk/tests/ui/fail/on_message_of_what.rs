use guest_sdk::{Request, on_message};

#[on_message(path = "/ws")]
fn no_message() {}

mod wrong_types {
    use super::*;

    #[on_message]
    fn answer(_request: Request) -> u8 {
        0
    }
}

fn main() {}
