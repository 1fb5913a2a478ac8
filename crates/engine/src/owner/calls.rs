//! The calls of one run that are in flight. In flight is memory only: what should be is what the state says.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gorgon_core::call::{Failure, FailureClass, Family, Metering, Outcome};
use gorgon_core::ids::{CallId, ContentHash, RunId};
use gorgon_core::run::{OpenCall, RunState};
use gorgon_ports::{CallCx, Executor, Progress, ProgressSink, Receipt, RunKey, Steer, StoredCall};
use tokio_util::sync::CancellationToken;

use crate::engine::Shared;
use crate::mailbox::Message;

pub(super) struct Calls {
    shared: Arc<Shared>,
    run: RunKey,
    in_flight: HashMap<CallId, (CancellationToken, Family)>,
    /// A call that had answered when it was looked at first.
    ready: Option<(CallId, Outcome)>,
    env: Option<Arc<BTreeMap<String, String>>>,
}

/// Whatever ends an owner, nobody is left who could take in what its calls answer.
impl Drop for Calls {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Calls {
    pub(super) fn new(shared: Arc<Shared>, run: RunKey) -> Self {
        Self { shared, run, in_flight: HashMap::new(), ready: None, env: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The call that answered at once, if there is one.
    pub(super) fn take_ready(&mut self) -> Option<(CallId, Outcome)> {
        self.ready.take()
    }

    /// A call has answered: its permit is free.
    pub(super) fn ended(&mut self, call: &CallId) {
        if let Some((_, family)) = self.in_flight.remove(call) {
            self.shared.call_ended(family);
        }
    }

    /// The owner cannot go on: everything is told to stop, and nothing is waited for. The next owner finds these calls in doubt.
    pub(super) fn abandon(&mut self) {
        for (_, (cancel, family)) in self.in_flight.drain() {
            cancel.cancel();
            self.shared.call_ended(family);
        }
    }

    /// Starts what is due and not in flight; stops what is in flight and not due. The receipt proves that the orders are on disk.
    pub(super) fn reconcile(&mut self, state: &RunState, receipt: &Receipt) {
        if state.open.is_empty() && self.in_flight.is_empty() {
            return;
        }
        let epoch = self.shared.epoch();
        let alone = state.open.len() == 1;
        let mut due = 0_usize;
        for call in state.due() {
            due += 1;
            // A call of an earlier epoch is recovered before anything is due; it is never started from here.
            if call.epoch == epoch && !self.in_flight.contains_key(&call.id) {
                self.start(state, call, receipt, alone);
            }
        }
        // What was ordered and stopped in the same append was never made, and nobody else will say so.
        if due == 0 {
            let never_made = state.open.values().filter(|call| call.epoch == epoch && !self.in_flight.contains_key(&call.id));
            never_made.collect::<Vec<_>>().into_iter().for_each(|call| self.never_made(call));
        }
        if due < self.in_flight.len() {
            let wanted: std::collections::HashSet<&CallId> = state.due().map(|call| &call.id).collect();
            for (id, (cancel, _)) in &self.in_flight {
                if !wanted.contains(id) {
                    cancel.cancel();
                }
            }
        }
    }

    /// A call that is answered without having been made, so that its hold and its permit are given back.
    fn never_made(&mut self, call: &OpenCall) {
        let family = call.request.family();
        self.in_flight.insert(call.id.clone(), (CancellationToken::new(), family));
        self.shared.call_started();
        let failure = Failure::new(FailureClass::Cancelled, "its run was stopped before it was made");
        self.answered_by(&call.id, std::future::ready(Outcome::Failed { failure, metering: Metering::None }));
    }

    /// Brings the owner the answer to a call when it is there. A call is cancelled through its token only; if the process ends, the next owner finds it in doubt.
    fn answered_by(&self, call: &CallId, answer: impl Future<Output = Outcome> + Send + 'static) {
        let (shared, run, id) = (Arc::clone(&self.shared), self.run.clone(), call.clone());
        self.shared.tasks.spawn(async move { shared.send(run, Message::Completed(id, answer.await)).await });
    }

    /// Starts a call; `alone` if it is the only one that is in flight.
    fn start(&mut self, state: &RunState, call: &OpenCall, receipt: &Receipt, alone: bool) {
        let family = call.request.family();
        let cancel = CancellationToken::new();
        self.in_flight.insert(call.id.clone(), (cancel.clone(), family));
        self.shared.call_started();
        let stored = StoredCall::ordered_by(receipt, call.id.clone(), state.whole_request(call));
        let Some(executor) = self.shared.executor(family) else {
            let failure = Failure::new(FailureClass::Invalid, "this process has no executor for calls of that kind");
            return self.answered_by(&call.id, std::future::ready(Outcome::Failed { failure, metering: Metering::None }));
        };
        let start = state.created.as_ref().map(|created| &created.start);
        let cx = CallCx {
            deadline: Instant::now() + Duration::from_millis(call.timeout_ms),
            cancel,
            idempotency_key: call.key.clone().unwrap_or_else(|| receipt_token(self.run.id(), &call.id, &state.rounds_of(&call.id.step))),
            folder: start.map(|start| PathBuf::from(&start.folder)).unwrap_or_default(),
            env: Arc::clone(self.env.get_or_insert_with(|| Arc::new(start.map(|start| start.env.clone()).unwrap_or_default()))),
            progress: self.sink(call.id.clone()),
        };
        let mut answer = perform(Arc::clone(&self.shared), self.run.id(), executor, stored, cx);
        // Where nothing runs side by side, an answer that is there at once needs no task and no message: two switches fewer in each step of a chain.
        if alone && let Some(outcome) = (&mut answer).now_or_never() {
            self.ready = Some((call.id.clone(), outcome));
            return;
        }
        self.answered_by(&call.id, answer);
    }

    fn sink(&self, call: CallId) -> ProgressSink {
        let (shared, run) = (Arc::clone(&self.shared), self.run.id());
        Arc::new(move |progress| {
            if let Progress::Output { stream, bytes } = progress {
                shared.output.piece(&shared.watchers, run, &call, stream, &bytes);
            }
            Steer::Continue
        })
    }
}

fn perform(shared: Arc<Shared>, run: RunId, executor: Arc<dyn Executor>, call: StoredCall, cx: CallCx) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let outcome = AssertUnwindSafe(executor.perform(&call, cx)).catch_unwind().await.unwrap_or_else(|_| super::panicked(call.id()));
        shared.output.ended(run, call.id());
        outcome
    })
}

/// What the other side recognises a repetition by: the same for every attempt and after every crash. Where an attempt makes several calls, the later ones
/// are another effect in each attempt, and in each round of a loop all are.
fn receipt_token(run: RunId, call: &CallId, rounds: &[u32]) -> String {
    let place = if call.call == 0 { String::new() } else { format!("/{}/{}", call.attempt, call.call) };
    let rounds: String = rounds.iter().map(|round| format!("/round {round}")).collect();
    let hash = ContentHash::of(format!("{run}/{}/{}{place}{rounds}", call.step, call.item).as_bytes()).to_string();
    format!("gorgon-{}", &hash[..32])
}
