//! What happened to a run, as `gorgon export` tells it.

use std::path::Path;

use serde_json::Value;

use crate::machine::Machine;

/// An event and when it happened, in milliseconds of the Unix clock.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at_ms: u64,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

/// What happened to a run.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) run: Value,
    pub(crate) appends: usize,
    pub(crate) events: Vec<Event>,
}

/// A call, with all that became of it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `step/item/attempt/call`, and `+redo`.
    pub(crate) id: String,
    pub(crate) step: String,
    /// The element of its fan-out; 0 for a plain step.
    pub(crate) item: usize,
    /// The family of its request: `process`, `http`, `model` …
    pub(crate) kind: String,
    pub(crate) started_ms: u64,
    pub(crate) end: End,
    pub(crate) held: Value,
    pub(crate) settlement: Option<Value>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Settled { at_ms: u64 },
    Doubted { at_ms: u64 },
}

impl History {
    /// Of the newest run; nothing if there is none.
    pub(crate) fn load(machine: &Machine) -> Option<Self> {
        Self::of(&machine.run(&["export", "@last"]))
    }

    /// The same from a copy of the database, so that nothing is touched: not the log that the next process has to recover from, not what was left running.
    pub(crate) fn peek(machine: &Machine) -> Option<Self> {
        let copy = machine.path(".copy");
        let _ = std::fs::remove_dir_all(&copy);
        std::fs::create_dir(&copy).unwrap();
        let source = machine.database();
        for suffix in ["", "-wal"] {
            let from = format!("{}{suffix}", source.display());
            if Path::new(&from).exists() {
                std::fs::copy(&from, copy.join(format!("gorgon-state.db{suffix}"))).unwrap();
            }
        }
        Self::of(&machine.run(&["--data-dir", ".copy", "export", "@last"]))
    }

    fn of(done: &crate::machine::Done) -> Option<Self> {
        if done.exit == Some(2) {
            return None;
        }
        let mut export = done.clone().exits(0).json();
        let frames = export["events"].as_array().unwrap();
        let mut events = Vec::new();
        for frame in frames {
            let at: jiff::Timestamp = frame["at"].as_str().unwrap().parse().unwrap();
            let at_ms = u64::try_from(at.as_millisecond()).unwrap();
            for event in frame["events"].as_array().unwrap() {
                let (kind, body) = event.as_object().unwrap().iter().next().unwrap();
                events.push(Event { at_ms, kind: kind.clone(), body: body.clone() });
            }
        }
        Some(Self { appends: frames.len(), run: export["run"].take(), events })
    }

    pub(crate) fn status(&self) -> &str {
        self.run["status"].as_str().unwrap()
    }

    pub(crate) fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.kind == kind)
    }

    /// Every call, in the order in which they were ordered.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        for event in &self.events {
            let body = &event.body;
            let end = match event.kind.as_str() {
                "call_started" => {
                    let call = &body["call"];
                    let step = call["step"].as_str().unwrap().to_owned();
                    let kind = body["request"].as_object().unwrap().keys().next().unwrap().clone();
                    let item = usize::try_from(call["item"].as_u64().unwrap_or(0)).unwrap();
                    let held = body["hold"]["amounts"].clone();
                    calls.push(Call { id: name(call), step, item, kind, started_ms: event.at_ms, end: End::Open, held, settlement: None });
                    continue;
                }
                "call_settled" => End::Settled { at_ms: event.at_ms },
                "call_doubted" => End::Doubted { at_ms: event.at_ms },
                _ => continue,
            };
            let id = name(&body["call"]);
            let call = calls.iter_mut().find(|call| call.id == id).unwrap_or_else(|| panic!("{id} ended and never began"));
            assert_eq!(call.end, End::Open, "{id} ended twice");
            call.end = end;
            call.settlement = body.get("settlement").cloned();
        }
        calls
    }
}

fn name(call: &Value) -> String {
    let number = |key: &str| call[key].as_u64().unwrap_or(0);
    let redo = number("redo");
    let redo = if redo > 0 { format!("+{redo}") } else { String::new() };
    format!("{}/{}/{}/{}{redo}", call["step"].as_str().unwrap(), number("item"), number("attempt"), number("call"))
}
