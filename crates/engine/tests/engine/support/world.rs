//! What runs act on: executors that do as they are told, and remember everything that reached them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gorgon_core::call::{Failure, FailureClass, Family, Metering, Outcome, Request};
use gorgon_core::ids::{CallId, RunId};
use gorgon_core::money::TokenUsage;
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Executor, StoredCall};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// An execution that reached the world.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) run: RunId,
    pub(crate) call: CallId,
    pub(crate) key: String,
    /// Whether the world has answered, and how.
    pub(crate) outcome: Option<Outcome>,
    /// Whether it was told to stop.
    pub(crate) cancelled: bool,
}

type Answer = Arc<dyn Fn(&StoredCall) -> Outcome + Send + Sync>;

#[derive(Default)]
struct Inner {
    seen: Vec<Seen>,
    in_flight: BTreeMap<Family, u32>,
    in_flight_max: BTreeMap<Family, u32>,
    held: HashSet<String>,
    deaf: HashSet<String>,
    answers: HashMap<String, Answer>,
    delays: HashMap<String, Duration>,
}

/// The world. It outlives engines.
pub(crate) struct World {
    inner: Mutex<Inner>,
    /// Something reached it, left it, or a step was let go.
    changed: watch::Sender<u64>,
    /// The process in which executors work: when it ends, nobody hears from them again.
    life: Mutex<CancellationToken>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), changed: watch::channel(0).0, life: Mutex::default() })
    }

    pub(crate) fn executors(self: &Arc<Self>) -> Vec<Arc<dyn Executor>> {
        let life = self.life.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let executor = |family| Arc::new(Scripted { family, world: Arc::clone(self), life: life.clone() }) as Arc<dyn Executor>;
        Family::ALL.into_iter().map(executor).collect()
    }

    /// The process dies: what is in flight in it never answers.
    pub(crate) fn crash(&self) {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        life.cancel();
        *life = CancellationToken::new();
    }

    /// Calls of this step do not end before they are let go.
    pub(crate) fn hold(&self, step: &str) {
        self.lock().held.insert(step.to_owned());
    }

    /// Calls of this step do not hear that they should stop.
    pub(crate) fn deafen(&self, step: &str) {
        self.lock().deaf.insert(step.to_owned());
    }

    pub(crate) fn let_go(&self, step: &str) {
        self.lock().held.remove(step);
        self.note();
    }

    pub(crate) fn answer(&self, step: &str, answer: impl Fn(&StoredCall) -> Outcome + Send + Sync + 'static) {
        self.lock().answers.insert(step.to_owned(), Arc::new(answer));
    }

    /// How long calls of this step take.
    pub(crate) fn delay(&self, step: &str, delay: Duration) {
        self.lock().delays.insert(step.to_owned(), delay);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// The executions of a step, in order.
    pub(crate) fn seen_of(&self, step: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.call.step.as_str() == step).collect()
    }

    pub(crate) fn in_flight_max(&self, family: Family) -> u32 {
        self.lock().in_flight_max.get(&family).copied().unwrap_or(0)
    }

    /// Waits until the world is as wanted.
    pub(crate) async fn until(&self, what: &str, mut wanted: impl FnMut(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        super::patiently(what, async {
            while !wanted(self) {
                changed.changed().await.expect("the world lasts");
            }
        })
        .await;
    }

    /// Waits until so many calls of a step are in flight.
    pub(crate) async fn until_in_flight(&self, step: &str, count: usize) {
        let open = |world: &Self| world.seen_of(step).iter().filter(|seen| seen.outcome.is_none()).count();
        self.until(&format!("{count} calls of `{step}` are in flight"), |world| open(world) >= count).await;
    }

    fn note(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, family: Family, call: &StoredCall, cx: &CallCx) -> usize {
        let mut inner = self.lock();
        let now = {
            let now = inner.in_flight.entry(family).or_default();
            *now += 1;
            *now
        };
        let max = inner.in_flight_max.entry(family).or_default();
        *max = now.max(*max);
        inner.seen.push(Seen { run: call.run(), call: call.id().clone(), key: cx.idempotency_key.clone(), outcome: None, cancelled: false });
        let place = inner.seen.len() - 1;
        drop(inner);
        self.note();
        place
    }

    async fn let_pass(&self, step: &str) {
        let mut changed = self.changed.subscribe();
        while self.lock().held.contains(step) {
            changed.changed().await.expect("the world lasts");
        }
        let delay = self.lock().delays.get(step).copied();
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
    }
}

/// A call that is over, however that came.
struct Over<'a>(&'a World, Family);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if let Some(now) = self.0.lock().in_flight.get_mut(&self.1) {
            *now -= 1;
        }
        self.0.note();
    }
}

struct Scripted {
    family: Family,
    world: Arc<World>,
    life: CancellationToken,
}

#[async_trait]
impl Executor for Scripted {
    fn family(&self) -> Family {
        self.family
    }

    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome {
        let step = call.id().step.as_str();
        let place = self.world.begin(self.family, call, &cx);
        let over = Over(&self.world, self.family);
        let deaf = self.world.lock().deaf.contains(step);
        let outcome = tokio::select! {
            biased;
            () = self.life.cancelled() => std::future::pending().await,
            () = cx.cancel.cancelled(), if !deaf => {
                self.world.lock().seen[place].cancelled = true;
                failed(FailureClass::Cancelled, Metering::Unknown)
            }
            () = self.world.let_pass(step) => {
                let answer = self.world.lock().answers.get(step).cloned();
                answer.map_or_else(|| usual(call.request()), |answer| answer(call))
            }
        };
        self.world.lock().seen[place].outcome = Some(outcome.clone());
        drop(over);
        outcome
    }
}

/// What a call gives when all goes well.
fn usual(request: &Request) -> Outcome {
    match request {
        Request::Noop {} => value(&json!(null)),
        Request::Process(process) => value(
            &json!({ "exit_code": 0, "stdout": format!("{}\n", process.argv.last().map_or("", String::as_str)), "stderr": "", "truncated": false }),
        ),
        Request::Http(_) => value(&json!({ "status": 200, "headers": {}, "body": "ok" })),
        Request::Script(_) => value(&json!({})),
        Request::File(_) => value(&json!({ "path": "p", "bytes": 0 })),
        Request::Model(_) => model_answer(10, 5),
    }
}

pub(crate) fn value(value: &Value) -> Outcome {
    Outcome::Succeeded { value: Payload::of(value), metering: Metering::None }
}

pub(crate) fn model_answer(input: u64, output: u64) -> Outcome {
    let usage = TokenUsage { input_uncached: input, output_text: output, ..TokenUsage::default() };
    let value = json!({ "text": "hello", "model": "m", "finish_reason": "stop" });
    Outcome::Succeeded { value: Payload::of(&value), metering: Metering::Reported(usage) }
}

pub(crate) fn failed(class: FailureClass, metering: Metering) -> Outcome {
    Outcome::Failed { failure: Failure::new(class, "it broke"), metering }
}
