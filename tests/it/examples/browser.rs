//! The examples of a chat in a real browser: pages that talk to each other. `make test-browser` installs the browser.

use std::env;
use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::support::{Browser, Page, RoutesDir, TestServer, guest};

const WIDTH: u32 = 440;
const HEIGHT: u32 = 480;

#[test]
fn pages_in_a_room_talk_to_each_other_by_server_sent_events() {
    let Some(browser) = Browser::start() else { return };
    let server = TestServer::start(RoutesDir::new().with(guest::CHAT).with(guest::CHAT_PAGE));
    let enter = |name: &str, room: &str| {
        let page = enter(&browser, &format!("{}/chat?room={room}", server.urls()[0]));
        page.type_into("name", name);
        page
    };
    let [ada, ben, eve] = [enter("Ada", "kitchen"), enter("Ben", "kitchen"), enter("Eve", "garden")];
    talk(&ada, &ben, &eve);
    let names = "[...document.querySelectorAll('#said b')].map((name) => name.textContent)";
    assert_eq!(ada.evaluate(names), json!(["Ada", "Ben", "Ada"]));
    assert_eq!(eve.evaluate(names), json!(["Eve"]));
    if let Ok(file) = env::var("VIBRATO_SCREENSHOT") {
        fs::write(file, picture(&browser, [(&ada, "light"), (&ben, "dark")])).expect("the picture can be written");
    }
}

#[test]
fn pages_in_a_room_talk_to_each_other_over_websocket() {
    let Some(browser) = Browser::start() else { return };
    let server = TestServer::start(RoutesDir::new().with(guest::CHAT_WS).with(guest::CHAT_WS_PAGE));
    let [ada, ben, eve] =
        ["kitchen", "kitchen", "garden"].map(|room| enter(&browser, &format!("{}/chat-ws/{room}", server.urls()[0])));
    talk(&ada, &ben, &eve);
}

/// A page that is connected to its room.
#[track_caller]
fn enter<'b>(browser: &'b Browser, url: &str) -> Page<'b> {
    let page = browser.open(url, WIDTH, HEIGHT);
    page.wait_until("document.getElementById('state').textContent === 'connected'");
    page
}

/// Two who are in one room hear each other, and who is in another hears nothing of it.
#[track_caller]
fn talk(ada: &Page, ben: &Page, eve: &Page) {
    let mut said = Vec::new();
    for (speaker, text) in
        [(ada, "Who would like tea?"), (ben, "Me, please! <b>Black</b> & hot."), (ada, "Two minutes…")]
    {
        speaker.type_into("text", text);
        speaker.press_enter();
        said.push(text);
        for listener in [ada, ben] {
            wait_until_heard(listener, &said);
        }
    }
    eve.type_into("text", "Birds!");
    eve.press_enter();
    // Had she heard what was said before, it would be above.
    wait_until_heard(eve, &["Birds!"]);
}

/// Waits until a page shows so many lines, and sees that they are these: what was said is the end of each.
#[track_caller]
fn wait_until_heard(page: &Page, texts: &[&str]) {
    page.wait_until(&format!("document.querySelectorAll('#said li').length >= {}", texts.len()));
    let heard = page.evaluate("[...document.querySelectorAll('#said li')].map((line) => line.lastChild.textContent)");
    assert_eq!(heard, json!(texts));
}

/// Pages beside each other, each in its colour scheme, as one PNG.
#[track_caller]
fn picture(browser: &Browser, pages: [(&Page, &str); 2]) -> Vec<u8> {
    let images = pages.map(|(page, scheme)| {
        page.prefer(scheme);
        format!("<img src=\"data:image/png;base64,{}\">", page.picture())
    });
    let both = browser.open("about:blank", 2 * WIDTH, HEIGHT);
    let html = format!("<body style=\"margin: 0; display: flex\">{}", images.concat());
    both.evaluate(&format!("document.write({}); document.close()", json!(html)));
    both.evaluate("Promise.all([...document.images].map((image) => image.decode())).then(() => true)");
    BASE64_STANDARD.decode(both.picture()).expect("a picture is Base64")
}
