//! Compiled programs, by what they are compiled from. Runs of one workflow share one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::Diagnostic;
use gorgon_core::ids::ContentHash;
use gorgon_core::plan::{Program, compile};
use gorgon_ports::Blob;

/// Most programs, and most hashes of stored texts, that are kept. The kept ones are dropped all at once when there are more: it happens rarely, and making
/// them again is cheap.
const KEPT_MAX: usize = 256;

/// A program, and the texts that its runs are pinned to.
pub(crate) struct Prepared {
    pub(crate) program: Arc<Program>,
    /// The definition and the plan.
    pub(crate) blobs: [Blob; 2],
    goals: Vec<String>,
}

/// The cache of programs.
#[derive(Default)]
pub(crate) struct Programs {
    /// By the name of the workflow. Comparing a definition is cheaper than hashing its text.
    kept: Mutex<HashMap<String, Vec<Arc<Prepared>>>>,
    stored: Mutex<HashSet<ContentHash>>,
}

impl Programs {
    /// The program of a definition and goals.
    pub(crate) fn get(&self, definition: &Arc<Definition>, goals: &[String]) -> Result<Arc<Prepared>, Vec<Diagnostic>> {
        let same = |known: &&Arc<Prepared>| known.goals == goals && *known.program.definition == **definition;
        if let Some(known) = self.kept().get(&definition.name).and_then(|known| known.iter().find(same)) {
            return Ok(Arc::clone(known));
        }
        let program = Arc::new(compile(Arc::clone(definition), goals)?);
        let blobs = [blob(Bytes::from(definition.canonical_json())), blob(Bytes::from(program.plan.canonical_json()))];
        let prepared = Arc::new(Prepared { program, blobs, goals: goals.to_vec() });
        let mut kept = self.kept();
        if kept.values().map(Vec::len).sum::<usize>() >= KEPT_MAX {
            kept.clear();
        }
        kept.entry(definition.name.clone()).or_default().push(Arc::clone(&prepared));
        Ok(prepared)
    }

    /// The program of this definition and plan, if it is kept.
    pub(crate) fn find(&self, definition: ContentHash, plan: ContentHash) -> Option<Arc<Program>> {
        let kept = self.kept();
        let found = kept.values().flatten().find(|known| known.program.definition_hash == definition && known.program.plan_hash == plan);
        found.map(|known| Arc::clone(&known.program))
    }

    /// Whether a text is known to be on disk.
    pub(crate) fn is_stored(&self, hash: &ContentHash) -> bool {
        self.stored().contains(hash)
    }

    /// Texts that are on disk now.
    pub(crate) fn note_stored(&self, hashes: impl IntoIterator<Item = ContentHash>) {
        let mut stored = self.stored();
        if stored.len() >= KEPT_MAX {
            stored.clear();
        }
        stored.extend(hashes);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Prepared>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self) -> MutexGuard<'_, HashSet<ContentHash>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text and its hash.
pub(crate) fn blob(bytes: Bytes) -> Blob {
    Blob { hash: ContentHash::of(&bytes), bytes }
}
