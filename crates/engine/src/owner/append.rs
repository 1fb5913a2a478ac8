//! From events to an append: large texts out, JSON once, hash over it. Hot: everything here runs once an append, on the owner's thread.

use bytes::Bytes;
use gorgon_core::event::Event;
use gorgon_core::ids::ContentHash;
use gorgon_core::run::RunState;
use gorgon_core::time::Timestamp;
use gorgon_ports::{Append, Blob};

use crate::history::Head;

/// An append, and what its owner keeps of it.
pub(super) struct Encoded {
    pub(super) append: Append,
    pub(super) hash: ContentHash,
    /// The events as watchers see them: with large texts in their place.
    pub(super) body: Bytes,
}

impl Encoded {
    /// Encodes events that follow on `head`.
    pub(super) fn of(state: &RunState, head: Head, events: &[Event], at: Timestamp) -> Self {
        let whole = Bytes::from(serde_json::to_vec(events).unwrap_or_default());
        let (body, blobs) = spill(events, &whole);
        let seq = head.seq + 1;
        let hash = ContentHash::chained(head.hash, seq, at, &body);
        let ledger = events.iter().filter_map(Event::ledger_op).collect();
        let scopes = state.created.as_ref().map(|created| created.scopes.clone()).unwrap_or_default();
        let append = Append {
            run: None,
            create: None,
            seq,
            count: u32::try_from(events.len()).unwrap_or(u32::MAX),
            at,
            hash,
            body,
            blobs,
            ledger,
            scopes,
            row: None,
            epoch: 0,
        };
        Self { append, hash, body: whole }
    }
}

/// Takes large texts out of events. Most appends have none, and are encoded once.
fn spill(events: &[Event], whole: &Bytes) -> (Bytes, Vec<Blob>) {
    // A body that is not larger than one inline text can only hold a text that looks like a reference; that is rare enough to look for.
    let may_spill = whole.len() > gorgon_core::payload::Payload::INLINE_BYTES_MAX || contains(whole, br#"{"$blob":"#);
    if !may_spill {
        return (whole.clone(), Vec::new());
    }
    let mut events = events.to_vec();
    let mut blobs = Vec::new();
    for event in &mut events {
        event.for_each_payload(|payload| {
            if let Some((reference, blob)) = payload.spill() {
                blobs.push(Blob { hash: blob.hash, bytes: Bytes::copy_from_slice(payload.json().as_bytes()) });
                *payload = reference;
            }
        });
    }
    (Bytes::from(serde_json::to_vec(&events).unwrap_or_default()), blobs)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
