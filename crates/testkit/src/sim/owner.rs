//! The process that runs a run: its memory, which a crash takes away.

use std::collections::BTreeMap;
use std::sync::Arc;

use gorgon_core::call::Outcome;
use gorgon_core::event_codec::decode_body;
use gorgon_core::ids::CallId;
use gorgon_core::plan::Program;
use gorgon_core::run::RunState;

use super::store::Append;

/// What a process knows of a run.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) state: RunState,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    /// Whether what its predecessor left in flight is settled. Before that it starts nothing.
    pub(crate) recovered: bool,
    /// Calls that it started, with their answer if it came and could not be written down yet.
    pub(crate) flights: BTreeMap<CallId, Option<Outcome>>,
}

impl Owner {
    /// Reads a run from its log.
    pub(crate) fn load(program: &Arc<Program>, log: &[Append], epoch: u64) -> Result<Self, String> {
        let mut state = RunState::new(Arc::clone(program));
        for append in log {
            for event in decode_body(&append.body).map_err(|error| error.to_string())? {
                state.evolve(append.at, &event);
            }
        }
        Ok(Self { state, epoch, seq: log.len() as u64, recovered: false, flights: BTreeMap::new() })
    }
}
