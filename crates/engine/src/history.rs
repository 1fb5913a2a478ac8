//! Reading a run back: appends to events, blobs filled in, events to state.

use std::sync::Arc;

use bytes::Bytes;
use gorgon_core::definition::Definition;
use gorgon_core::event::{Event, RunCreated};
use gorgon_core::ids::ContentHash;
use gorgon_core::payload::Payload;
use gorgon_core::plan::{Plan, Program};
use gorgon_core::run::RunState;
use gorgon_core::time::Timestamp;
use gorgon_ports::{Journal, Receipt, RunKey, StoreError, StoredAppend};

use crate::programs::Programs;

/// An append, decoded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Where it stands in the log.
    pub pos: u64,
    /// Its number in the run.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub events: Vec<Event>,
}

/// Where the chain of a run ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    /// Its position in the log.
    pub(crate) pos: u64,
    pub(crate) hash: ContentHash,
}

impl Head {
    /// Before the first append.
    pub(crate) const START: Self = Self { seq: 0, pos: 0, hash: ContentHash([0; 32]) };
}

/// Reads the appends of a run after one of them, blobs filled in.
pub(crate) async fn read(journal: &dyn Journal, run: &RunKey, after: u64) -> Result<Vec<Recorded>, StoreError> {
    let appends = journal.load(run, after).await?;
    decode(journal, run, &appends).await
}

/// A run as it was read.
pub(crate) struct Read {
    pub(crate) state: RunState,
    /// Where its chain ends.
    pub(crate) head: Head,
    /// Its last append: it is on disk, for it came from there.
    pub(crate) receipt: Receipt,
}

/// Reads the state of a run.
pub(crate) async fn load(journal: &dyn Journal, programs: &Programs, run: &RunKey) -> Result<Read, StoreError> {
    Ok(load_with_history(journal, programs, run).await?.0)
}

/// Reads the state of a run, and what led to it.
pub(crate) async fn load_with_history(journal: &dyn Journal, programs: &Programs, run: &RunKey) -> Result<(Read, Vec<Recorded>), StoreError> {
    let appends = journal.load(run, 0).await?;
    let Some(last) = appends.last() else { return Err(damaged(run, "there is none")) };
    let head = Head { seq: last.seq, pos: last.pos, hash: last.hash };
    let receipt = Receipt::on_disk(run.clone(), last.pos, last.seq);
    let recorded = decode(journal, run, &appends).await?;
    let created = recorded.first().and_then(|first| first.events.first());
    let Some(Event::RunCreated(created)) = created else {
        return Err(damaged(run, "its first event is not its creation"));
    };
    let program = program(journal, programs, run, created).await?;
    let mut state = RunState::new(program);
    for append in &recorded {
        for event in &append.events {
            state.evolve(append.at, event);
        }
    }
    Ok((Read { state, head, receipt }, recorded))
}

async fn program(journal: &dyn Journal, programs: &Programs, run: &RunKey, created: &RunCreated) -> Result<Arc<Program>, StoreError> {
    if let Some(program) = programs.find(created.definition, created.plan) {
        return Ok(program);
    }
    let blobs = journal.blobs(run, &[created.definition, created.plan]).await?;
    let [definition, plan] = blobs.as_slice() else {
        return Err(damaged(run, "its definition or its plan is missing"));
    };
    let unreadable = |what: &str, error: &serde_json::Error| damaged(run, &format!("its {what} cannot be read: {error}"));
    let definition: Definition = serde_json::from_slice(&definition.bytes).map_err(|error| unreadable("definition", &error))?;
    let plan: Plan = serde_json::from_slice(&plan.bytes).map_err(|error| unreadable("plan", &error))?;
    let program = programs
        .get(&Arc::new(definition), &plan.goals)
        .map(|prepared| Arc::clone(&prepared.program))
        .map_err(|problems| damaged(run, &format!("its definition does not compile: {}", problems.first().map_or("", |p| p.message.as_str()))))?;
    // A plan is pinned: a release that would plan differently must not run it silently.
    if program.plan_hash != created.plan {
        return Err(StoreError::TooNew(format!("the plan of run {} was made by another release of Gorgon, which has to finish it", run.id())));
    }
    Ok(program)
}

async fn decode(journal: &dyn Journal, run: &RunKey, appends: &[StoredAppend]) -> Result<Vec<Recorded>, StoreError> {
    let mut recorded = Vec::with_capacity(appends.len());
    for append in appends {
        recorded.push(Recorded { pos: append.pos, seq: append.seq, at: append.at, events: decode_body(run, &append.body)? });
    }
    let mut wanted: Vec<ContentHash> = Vec::new();
    for event in recorded.iter_mut().flat_map(|append| &mut append.events) {
        event.for_each_payload(|payload| wanted.extend(payload.blob().map(|blob| blob.hash)));
    }
    if wanted.is_empty() {
        return Ok(recorded);
    }
    wanted.sort_unstable();
    wanted.dedup();
    let blobs = journal.blobs(run, &wanted).await?;
    let mut missing = None;
    for event in recorded.iter_mut().flat_map(|append| &mut append.events) {
        event.for_each_payload(|payload| {
            let Some(blob) = payload.blob() else { return };
            let text = blobs.iter().find(|known| known.hash == blob.hash).and_then(|known| String::from_utf8(known.bytes.to_vec()).ok());
            match text.and_then(|text| Payload::from_json(text).ok()) {
                Some(whole) => *payload = whole,
                None => missing = Some(blob.hash),
            }
        });
    }
    match missing {
        Some(hash) => Err(damaged(run, &format!("the text {hash} that an event refers to is missing"))),
        None => Ok(recorded),
    }
}

fn decode_body(run: &RunKey, body: &Bytes) -> Result<Vec<Event>, StoreError> {
    use gorgon_core::event_codec::{DecodeError, decode_body};
    decode_body(body).map_err(|error| match error {
        DecodeError::Unknown { .. } => StoreError::TooNew(format!("run {} is parked: {error}", run.id())),
        DecodeError::Malformed { .. } => damaged(run, &error.to_string()),
    })
}

fn damaged(run: &RunKey, what: &str) -> StoreError {
    StoreError::Damaged(format!("the history of run {} is damaged: {what}; restore the data directory from a backup", run.id()))
}
