//! Compiled programs, by what they are compiled from. Runs of one workflow share one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::Diagnostic;
use gorgon_core::ids::ContentHash;
use gorgon_core::plan::{Program, compile};

/// Most programs that are kept. The kept ones are dropped all at once when there are more: it happens rarely, and compiling again is cheap.
const KEPT_MAX: usize = 256;

/// The cache of programs.
#[derive(Default)]
pub(crate) struct Programs {
    kept: Mutex<HashMap<(ContentHash, Vec<String>), Arc<Program>>>,
}

impl Programs {
    /// The program of a definition and goals.
    pub(crate) fn get(&self, definition: &Arc<Definition>, hash: ContentHash, goals: &[String]) -> Result<Arc<Program>, Vec<Diagnostic>> {
        let key = (hash, goals.to_vec());
        if let Some(program) = self.lock().get(&key) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(compile(Arc::clone(definition), goals)?);
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&program));
        Ok(program)
    }

    /// The program of this definition and plan, if it is kept.
    pub(crate) fn find(&self, definition: ContentHash, plan: ContentHash) -> Option<Arc<Program>> {
        self.lock().values().find(|program| program.definition_hash == definition && program.plan_hash == plan).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(ContentHash, Vec<String>), Arc<Program>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
