use guest_sdk::handler;

struct Page;

impl Page {
    #[handler]
    fn page(&self) {}
}

fn main() {}
