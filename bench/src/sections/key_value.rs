//! Key-value stores: reads within one invocation, and increments that are on the disk when they are answered.

use anyhow::{Context as _, ensure};

use super::wasi::requests;
use crate::client::{self, Reads};
use crate::compare::{Contender, alternate};
use crate::report::{Demand, Report, Unit};
use crate::setup::{self, Setup};
use crate::vibrato::Routes;

/// Reads in one invocation.
const READS: u32 = 200_000;
const OPTIONS: &str = "timeout = 300\ncpu = 300_000\n[grant]\nkv = { \"\" = \"bench\" }\n";

/// Adds the rows.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let state = setup::folder()?;
    let state = state.path().to_str().context("the directory of temporary files is not text")?;
    let flags = ["--state", state];
    let serve = || {
        let routes = Routes::new(setup)?.flags(&flags);
        routes.add("kv", "examples/stores", OPTIONS)?;
        routes.serve()
    };
    let target = format!("/kv?fill=:key:100&read=:key:{READS}");
    let contender = Contender::unasked("Vibrato", serve(), &target);
    let series = alternate(vec![contender], setup.runs, |server, contender| {
        let expected = format!("fill: ok\nread: {READS}\n");
        ensure!(client::fetch(server.address, &contender.target)? == expected.as_bytes(), "it reads something else");
        let took = client::stream(server.address, &contender.target, 1, Reads::ToBuffer)?;
        Ok(f64::from(READS) / took.as_secs_f64())
    });
    for one in &series {
        let what = "key-value: reads of 100 bytes in one invocation";
        report.amount(what, Unit::CallsASecond, one.value()?, Demand::AtLeast(100_000.0));
    }
    let contender = Contender::unasked("Vibrato", serve(), "/kv?increment=:n:1");
    for one in requests(setup, vec![contender]) {
        let what = "key-value: increments that are on the disk, 64 connections";
        report.amount(what, Unit::RequestsASecond, one.value()?, Demand::AtLeast(5_000.0));
    }
    Ok(())
}
