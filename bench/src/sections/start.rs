//! How fast the host loads hundreds of routes on all cores: from the compile cache, and by compiling them.

use std::path::Path;
use std::time::Instant;

use crate::compare::median;
use crate::machine::Place;
use crate::report::{Demand, Report, Unit};
use crate::setup::{self, Setup};
use crate::vibrato::Routes;

const ROUTES: u32 = 200;
const ALLOWED_SECONDS: f64 = 0.3;
/// The id of a custom section, which has no effect.
const CUSTOM_SECTION: u8 = 0;

/// Adds both rows.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let compiled = setup::folder()?;
    let cold = seconds_to_load(setup, compiled.path())?;
    let warm: anyhow::Result<Vec<f64>> = (0..setup.runs).map(|_| seconds_to_load(setup, compiled.path())).collect();
    let what = "start: 200 routes from the compile cache";
    report.amount(what, Unit::Seconds, median(&mut warm?), Demand::AtMost(ALLOWED_SECONDS));
    report.amount("start: 200 routes, compiled on every core", Unit::Seconds, cold, Demand::Nothing);
    Ok(())
}

/// Seconds from the start of the process until all routes are loaded, which is after it listens.
fn seconds_to_load(setup: &Setup, compiled: &Path) -> anyhow::Result<f64> {
    let routes = Routes::new(setup)?;
    let hello = routes.component("hello")?;
    for at in 0..ROUTES {
        routes.add_component(&format!("hello-{at}"), &distinct(&hello, at), &format!("path = \"/hello-{at}\"\n"))?;
    }
    let start = Instant::now();
    let server = routes.serve_at(Place::AllCores, compiled)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(server);
    Ok(seconds)
}

/// A component that does the same, but is different to the compile cache.
fn distinct(component: &[u8], number: u32) -> Vec<u8> {
    let [a, b, c, d] = number.to_le_bytes();
    let name = b'n';
    let section = [CUSTOM_SECTION, 6, 1, name, a, b, c, d];
    [component, &section].concat()
}
