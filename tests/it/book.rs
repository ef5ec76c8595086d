//! The book in `docs/`, and the README: every command in them is run, every handler compiled and served, every table
//! and message compared with the source. What cannot be run says why.

mod compare;
mod components;
mod contract;
mod generated;
mod links;
mod messages;
mod page;
mod proxies;
mod shell;
mod units;

use std::collections::BTreeSet;
use std::io::Write;

use page::{Act, Page};
use serde_json::Value;
use shell::Reader;

use crate::support::script::can_run;

/// The page whose handlers need interpreters.
const SCRIPTS: &str = "docs/src/scripts.md";

/// A test for each page that is named.
macro_rules! pages {
    ($($test:ident: $place:literal,)*) => {
        const PAGES: &[&str] = &[$($place),*];

        $(#[test]
        fn $test() {
            if $place != SCRIPTS || can_run() {
                Reader::new(&Page::read($place)).follow();
            }
        })*
    };
}

pages! {
    the_readme_does_what_it_shows: "README.md",
    the_introduction_does_what_it_shows: "docs/src/introduction.md",
    the_first_handler_does_what_it_shows: "docs/src/first-handler.md",
    the_request_does_what_it_shows: "docs/src/request.md",
    the_options_do_what_they_show: "docs/src/options.md",
    the_outcomes_do_what_they_show: "docs/src/outcomes.md",
    streaming_does_what_it_shows: "docs/src/streaming.md",
    long_lived_responses_do_what_they_show: "docs/src/long-lived.md",
    events_do_what_they_show: "docs/src/events.md",
    websocket_does_what_it_shows: "docs/src/websocket.md",
    middleware_does_what_it_shows: "docs/src/middleware.md",
    scripts_do_what_they_show: "docs/src/scripts.md",
    testing_does_what_it_shows: "docs/src/testing.md",
    the_languages_do_what_they_show: "docs/src/languages.md",
    components_of_wasi_http_do_what_they_show: "docs/src/wasi-http.md",
    grants_do_what_they_show: "docs/src/grants.md",
    operating_does_what_it_shows: "docs/src/operating.md",
    what_is_observed_is_what_it_shows: "docs/src/observe.md",
    the_dashboard_is_what_it_shows: "docs/src/dashboard.md",
    the_internet_is_faced_as_shown: "docs/src/internet.md",
    sites_do_what_they_show: "docs/src/sites.md",
    several_hosts_do_what_they_show: "docs/src/several-hosts.md",
    registries_do_what_they_show: "docs/src/registries.md",
    what_a_component_can_do_is_what_it_shows: "docs/src/security.md",
    diagnostics_are_what_they_show: "docs/src/diagnostics.md",
    traces_do_what_they_show: "docs/src/traces.md",
    the_errors_do_what_they_show: "docs/src/errors.md",
    the_differences_do_what_they_show: "docs/src/tremolo.md",
    the_contract_does_what_it_shows: "docs/src/contract.md",
}

#[test]
fn every_chapter_is_followed_and_none_is_outside_the_book() {
    let chapters: BTreeSet<String> = Page::chapters().into_iter().map(|page| page.place).collect();
    let followed = PAGES.iter().filter(|place| place.starts_with("docs/")).map(|&place| place.to_owned());
    assert_eq!(chapters, followed.collect());
    let folder = std::fs::read_dir(Page::read("docs/src/SUMMARY.md").file().with_file_name("")).expect("it is there");
    let files = folder.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
    let files =
        files.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").map(|name| format!("docs/src/{name}"));
    assert_eq!(chapters, files.collect());
}

#[test]
fn what_is_made_from_the_tree_is_not_stale() {
    PAGES.iter().for_each(|place| generated::renew(&Page::read(place)));
    generated::renew_options_of_the_macro();
}

#[test]
fn each_part_of_the_contract_that_is_shown_is_in_it() {
    let contract = Page::read("wit/world.wit").text;
    let contract: BTreeSet<&str> = contract.lines().map(str::trim).collect();
    for page in PAGES.iter().map(|place| Page::read(place)) {
        for step in page.steps() {
            let Act::Wit(text) = step.act else { continue };
            let strange = text.lines().map(str::trim).find(|line| !contract.contains(line));
            assert_eq!(strange, None, "{}:{}", page.place, step.line);
        }
    }
}

#[test]
fn the_tools_of_other_languages_have_the_versions_that_build_the_examples() {
    let text = Page::read("docs/src/languages.md").text;
    for language in ["c", "python"] {
        let pin = Page::read(&format!("examples/{language}/requirements.txt")).text;
        let pin = pin.lines().next().expect("it has a line");
        assert!(
            text.contains(&format!("pip install {pin}\n")) || text.contains(&format!("pip install {pin} ")),
            "{pin}"
        );
    }
    let package: Value =
        serde_json::from_str(&Page::read("examples/javascript/package.json").text).expect("it is JSON");
    let version = package["dependencies"]["componentize-qjs"].as_str().expect("it has a version");
    assert!(text.contains(&format!("npm install componentize-qjs@{version}\n")), "{version}");
}

#[test]
fn what_cannot_be_run_is_counted_and_says_why() {
    let steps: Vec<Act> = PAGES.iter().flat_map(|place| Page::read(place).steps()).map(|step| step.act).collect();
    let reasons: Vec<&String> =
        steps.iter().filter_map(|act| if let Act::NotRun(why) = act { Some(why) } else { None }).collect();
    assert!(reasons.iter().all(|why| why.split(' ').count() > 2), "a reason is a clause: {reasons:?}");
    let (all, not_run) = (steps.len(), reasons.len());
    // Not `eprintln!`, which a test that passes keeps to itself.
    writeln!(std::io::stderr(), "the book: {all} blocks, {not_run} not run: {reasons:#?}")
        .expect("stderr can be written");
}
