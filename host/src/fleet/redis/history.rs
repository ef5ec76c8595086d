//! Histories at the engine: each is a stream, whose ids are `EPOCH-OFFSET`, and two scripts append to it and read it.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use redis::{FromRedisValue, Pipeline, RedisResult};

use super::{EngineConnection, FleetError};
use crate::fleet::channel::Channel;
use crate::push::EventId;

const APPEND: &str = concat!(include_str!("current.lua"), include_str!("append.lua"));
const READ: &str = concat!(include_str!("current.lua"), include_str!("read.lua"));

/// A history at the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct HistoryKeys {
    pub(in crate::fleet) stream: Vec<u8>,
    pub(in crate::fleet) run: Vec<u8>,
}

/// The scripts, as this run of the engine knows them.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct HistoryScripts {
    append: String,
    read: String,
    /// The run of the engine. Another run may have lost the last events.
    run: String,
}

/// An event to append.
#[derive(Debug)]
pub(in crate::fleet) struct AppendCall {
    pub(in crate::fleet) keys: HistoryKeys,
    pub(in crate::fleet) channel: Channel,
    /// The message before and behind the id.
    pub(in crate::fleet) head: Vec<u8>,
    pub(in crate::fleet) tail: Vec<u8>,
    /// How many events are kept.
    pub(in crate::fleet) events: usize,
    /// The milliseconds for which the history stays.
    pub(in crate::fleet) stays: Duration,
}

/// What a history has behind some event.
#[derive(Debug)]
pub(in crate::fleet) struct HistoryPage {
    /// The last id of the history.
    pub(in crate::fleet) last: EventId,
    pub(in crate::fleet) events: Vec<StreamEvent>,
}

/// An event of a stream.
#[derive(Debug)]
pub(in crate::fleet) struct StreamEvent {
    pub(in crate::fleet) id: EventId,
    /// The message, as on the channel.
    pub(in crate::fleet) message: Vec<u8>,
    /// How long it has been kept.
    pub(in crate::fleet) age: Duration,
}

impl EngineConnection {
    /// Gives the engine the scripts. It may refuse them, for this reason.
    pub(in crate::fleet) async fn load_history_scripts(
        &mut self,
    ) -> Result<Result<HistoryScripts, String>, FleetError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCRIPT").arg("LOAD").arg(APPEND).cmd("SCRIPT").arg("LOAD").arg(READ).cmd("INFO").arg("server");
        let loaded: RedisResult<Vec<String>> = self.query(&mut pipeline).await?.into_iter().collect();
        let [append, read, server] = match loaded.map(<[String; 3]>::try_from) {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => return Ok(Err("it does not answer each command".to_owned())),
            // Its user may not, or it has no such command. Anything else may pass: it may still read its own files.
            Err(error) if matches!(error.code(), Some("NOPERM" | "ERR")) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let run = server.lines().find_map(|line| line.strip_prefix("run_id:")).map(|run| run.trim().to_owned());
        let run = run.ok_or_else(|| "it does not say which run it is".to_owned());
        Ok(run.map(|run| HistoryScripts { append, read, run }))
    }

    /// Appends events in their order. Each has its own answer.
    pub(in crate::fleet) async fn append(
        &mut self,
        scripts: &HistoryScripts,
        calls: &[AppendCall],
    ) -> Result<Vec<Result<EventId, FleetError>>, FleetError> {
        let mut pipeline = redis::pipe();
        for call in calls {
            let stays = milliseconds(call.stays);
            scripts
                .call(&mut pipeline, &scripts.append, &call.keys)
                .arg(call.events)
                .arg(stays)
                .arg(&*call.channel)
                .arg(&call.head)
                .arg(&call.tail);
        }
        let ids: Vec<RedisResult<String>> = self.query(&mut pipeline).await?;
        let id =
            |text: String| EventId::parse_decimal(&text).ok_or_else(|| FleetError::Failed("it gives no id".to_owned()));
        Ok(ids.into_iter().map(|text| id(text?)).collect())
    }

    /// Reads what a history has behind an event, at most this many events. The history stays for as long. `None` if it cannot be
    /// read.
    pub(in crate::fleet) async fn read_history(
        &mut self,
        scripts: &HistoryScripts,
        keys: &HistoryKeys,
        behind: EventId,
        stays: Duration,
        most: usize,
    ) -> Result<Option<HistoryPage>, FleetError> {
        let mut pipeline = redis::pipe();
        let behind = format!("{}-{}", behind.epoch, behind.offset);
        scripts.call(&mut pipeline, &scripts.read, keys).arg(behind).arg(milliseconds(stays)).arg(most);
        type Entry = (String, Vec<(Vec<u8>, Vec<u8>)>);
        let pages: Vec<RedisResult<(String, String, Vec<Entry>)>> = self.query(&mut pipeline).await?;
        // Whoever can write to the engine can put anything there: it concerns this history alone.
        let Some(Ok((last, now, entries))) = pages.into_iter().next() else { return Ok(None) };
        let Some(last) = EventId::parse_decimal(&last) else { return Ok(None) };
        let now: u64 = now.parse().unwrap_or(0);
        let event = |(id, fields): Entry| {
            let field = |name: &[u8]| {
                let value = fields.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..]);
                value.unwrap_or_default()
            };
            let time = str::from_utf8(field(b"t")).ok().and_then(|time| time.parse().ok()).unwrap_or(now);
            Some(StreamEvent {
                message: [field(b"b"), id.as_bytes(), field(b"e")].concat(),
                id: EventId::parse_decimal(&id)?,
                age: Duration::from_millis(now.saturating_sub(time)),
            })
        };
        Ok(Some(HistoryPage { last, events: entries.into_iter().filter_map(event).collect() }))
    }

    /// Runs scripts, each with its own answer. An engine that has forgotten them is connected to anew.
    async fn query<T: FromRedisValue>(&mut self, pipeline: &mut Pipeline) -> Result<Vec<RedisResult<T>>, FleetError> {
        let mut answers: Vec<RedisResult<T>> = pipeline.ignore_errors().query_async(&mut self.0).await?;
        let forgotten =
            answers.iter().position(|answer| answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")));
        match forgotten.map(|at| answers.swap_remove(at)) {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(answers),
        }
    }
}

impl HistoryScripts {
    /// A call of a script, without the arguments of its own.
    fn call<'p>(&self, pipeline: &'p mut Pipeline, script: &str, keys: &HistoryKeys) -> &'p mut Pipeline {
        // Should the history begin, this is its epoch: a number that Redis takes, and that no other history has, by chance.
        let epoch = (RandomState::new().hash_one(0) >> 1) | 1;
        let command = pipeline.cmd("EVALSHA").arg(script).arg(2).arg(&keys.stream).arg(&keys.run);
        command.arg(&self.run).arg(epoch)
    }
}

fn milliseconds(time: Duration) -> String {
    time.as_millis().to_string()
}
