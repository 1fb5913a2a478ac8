//! A run under test: it is told commands, and after each of them everything that must always hold is checked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use gorgon_core::budget::{BudgetKey, Limits};
use gorgon_core::call::{Failure, FailureClass, Family, Metering, Outcome, Request};
use gorgon_core::command::{Blocked, Command, Decided, Decision, Rejection, Resolve, ResolveVerdict, Resume, decide, decide_in_place};
use gorgon_core::definition::Definition;
use gorgon_core::event::{EDITION, Event, Instead, RunCreated, Start};
use gorgon_core::event_codec::{decode_body, encode_body};
use gorgon_core::facts::{Facts, Refused};
use gorgon_core::ids::{CallId, ContentHash, RunId};
use gorgon_core::money::{Amounts, Model, ModelPrice, PriceTable, TokenUsage};
use gorgon_core::payload::Payload;
use gorgon_core::plan::Program;
use gorgon_core::run::{PendingApproval, RunState, RunStatus, StepStatus, WaitingFor};
use gorgon_core::time::Timestamp;
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::build::program;

/// One dollar for a million tokens in, two for a million out: a token costs 1,000 and 2,000 nano-dollars.
pub(crate) const PRICE: ModelPrice = ModelPrice {
    input_nano_usd_per_mtok: 1_000_000_000,
    cache_read_nano_usd_per_mtok: 0,
    cache_write_nano_usd_per_mtok: 0,
    output_nano_usd_per_mtok: 2_000_000_000,
    long: None,
};

pub(crate) fn prices() -> PriceTable {
    let model = |price| Model { price: Some(price), input_tokens_max: Some(10_000), output_tokens_max: None };
    let times = |n: u64| ModelPrice {
        input_nano_usd_per_mtok: n * PRICE.input_nano_usd_per_mtok,
        output_nano_usd_per_mtok: n * PRICE.output_nano_usd_per_mtok,
        ..PRICE
    };
    PriceTable::new(IndexMap::from([("m".to_owned(), model(PRICE)), ("dear".to_owned(), model(times(10)))]))
}

pub(crate) struct Harness {
    pub(crate) state: RunState,
    pub(crate) log: Vec<(Timestamp, Event)>,
    /// How many commands led to events: appends, in the store.
    pub(crate) appends: usize,
    pub(crate) now: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) permits: BTreeMap<Family, u32>,
    pub(crate) refused: BTreeMap<BudgetKey, Refused>,
    pub(crate) dollars_limited: bool,
    pub(crate) blocked: Blocked,
    prices: PriceTable,
}

impl Harness {
    /// A run that has been created.
    pub(crate) fn start(definition: Definition) -> Self {
        Self::start_with(definition, |_, _| {})
    }

    pub(crate) fn start_with(definition: Definition, change: impl FnOnce(&mut Self, &mut RunCreated)) -> Self {
        let (mut run, mut created) = Self::before(program(definition));
        change(&mut run, &mut created);
        run.ok(Command::Create { created: Box::new(created), kept: Vec::new() });
        run
    }

    /// A run before its first event, and how it would be created.
    pub(crate) fn before(program: Arc<Program>) -> (Self, RunCreated) {
        let created = RunCreated {
            edition: EDITION,
            id: RunId(7),
            definition: program.definition_hash,
            plan: program.plan_hash,
            source: None,
            inputs: Payload::of(&json!({ "yes": true, "no": false, "list": [1, 2, 3], "bait": "${inputs.yes}" })),
            start: Start::default(),
            limits: program.definition.budget.limits,
            on_exhausted: program.definition.budget.on_exhausted,
            scopes: Vec::new(),
            fork: None,
        };
        let run = Self {
            state: RunState::new(program),
            log: Vec::new(),
            appends: 0,
            now: Timestamp(1_000_000),
            epoch: 1,
            permits: Family::ALL.into_iter().map(|family| (family, 1_000)).collect(),
            refused: BTreeMap::new(),
            dollars_limited: false,
            blocked: Blocked::default(),
            prices: prices(),
        };
        (run, created)
    }

    /// Tells the run a command, and checks everything that must hold whatever it was.
    pub(crate) fn tell(&mut self, command: Command) -> Result<Vec<Event>, Rejection> {
        let permits = self.permits.clone();
        let facts = Facts {
            now: self.now,
            seed: 42,
            epoch: self.epoch,
            prices: &self.prices,
            permits,
            dollars_limited: self.dollars_limited,
            refused: self.refused.clone(),
        };
        let before = self.state.clone();
        let apart = decide(&before, command.clone(), &facts);
        let in_place = decide_in_place(&mut self.state, command.clone(), &facts);
        assert_eq!(apart, in_place, "{command:?}: decided apart and in place");
        let at = self.now.max(before.last_at);
        match in_place {
            Err(rejection) => {
                assert_eq!(digest(&before), digest(&self.state), "{command:?} was rejected and changed the run");
                assert!(!rejection.message.is_empty());
                self.check();
                Err(rejection)
            }
            Ok(Decided { events, blocked }) => {
                self.appends += usize::from(!events.is_empty());
                self.blocked = blocked;
                let body = encode_body(&events).unwrap();
                let read = decode_body(&body).unwrap();
                assert_eq!(read, events, "{command:?}: what was read back");
                assert_eq!(encode_body(&read).unwrap(), body, "{command:?}: written again");
                self.log.extend(read.into_iter().map(|event| (at, event)));
                let replayed = self.replay();
                assert_eq!(digest(&replayed), digest(&self.state), "{command:?}: replayed and in place, after {events:#?}");
                assert!(self.state.last_at >= before.last_at);
                self.check();
                Ok(events)
            }
        }
    }

    pub(crate) fn replay(&self) -> RunState {
        RunState::replay(Arc::clone(&self.state.program), self.log.iter().map(|(at, event)| (*at, event)))
    }

    pub(crate) fn ok(&mut self, command: Command) -> Vec<Event> {
        self.tell(command.clone()).unwrap_or_else(|rejection| panic!("{command:?} was rejected: {rejection}"))
    }

    pub(crate) fn no(&mut self, command: Command) -> Rejection {
        self.tell(command.clone()).expect_err("the command was accepted")
    }

    /// The laws that hold after every command.
    fn check(&self) {
        let state = &self.state;
        let shown = || format!("{}\n{}", digest(state), self.history());
        if state.status.is_terminal() {
            assert_eq!(state.due().count(), 0, "something is due in a run that has ended\n{}", shown());
            assert!(state.open.is_empty(), "something is open in a run that has ended\n{}", shown());
            assert_eq!(state.wake(), None);
            assert!(state.ended_at.is_some() && state.outputs.is_some());
        }
        let held = state.held();
        for (meter, balance) in &state.budget {
            assert!(balance.is_in_order(), "{meter:?} {balance:?}\n{}", shown());
            assert_eq!(balance.reserved, held.of(*meter), "{meter:?}: what is held is what the calls in flight hold\n{}", shown());
        }
        let charged = self.log.iter().fold(Amounts::ZERO, |sum, (_, event)| match event {
            Event::CallSettled { settlement: Some(s), .. } | Event::CallDoubted { settlement: Some(s), .. } => sum.plus(s.charged),
            _ => sum,
        });
        assert_eq!(charged, state.charged, "the charges are the sum of the settlements");
        let by_step = state.steps.iter().fold(Amounts::ZERO, |sum, step| sum.plus(step.charged));
        assert_eq!(charged, by_step, "each charge belongs to one step");
        for (ix, node) in state.program.nodes.iter().enumerate() {
            let inside = |call: &CallId| {
                let mut here = state.program.find(&call.step);
                while let Some(at) = here {
                    if at == ix {
                        return true;
                    }
                    here = state.program.nodes[at].parent;
                }
                false
            };
            let in_flight = state.open.keys().filter(|call| inside(call)).count();
            assert_eq!(state.steps[ix].in_flight as usize, in_flight, "in flight in {}\n{}", node.step.id, shown());
            assert!(
                in_flight <= node.width as usize || node.items.is_none() && node.children.is_empty(),
                "{} is too wide\n{}",
                node.step.id,
                shown()
            );
        }
        assert!(state.open.len() <= state.program.definition.concurrency as usize);
        let moves =
            !state.open.is_empty() || !self.blocked.is_empty() || !state.waiting_for().is_empty() || state.paused.is_some() || state.wake().is_some();
        assert!(moves || state.status.is_terminal() || state.created.is_none(), "the run is stuck\n{}", shown());
        if state.status == RunStatus::Completed {
            self.check_success();
        }
        let mut ids: Vec<&CallId> =
            self.log.iter().filter_map(|(_, event)| if let Event::CallStarted(started) = event { Some(&started.call) } else { None }).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "no call id is used twice\n{}", shown());
    }

    /// What `completed` means.
    fn check_success(&self) {
        for (node, step) in self.state.program.nodes.iter().zip(&self.state.steps) {
            let replaced = |ix: Option<usize>| {
                let mut here = ix;
                while let Some(at) = here {
                    if matches!(self.state.steps[at].instead, Some(Instead::FallbackValue { .. } | Instead::FallbackStep { .. }))
                        || self.state.program.nodes[at].fallback_of.is_some()
                    {
                        return true;
                    }
                    if matches!(self.state.steps[at].status, StepStatus::Skipped) {
                        return true;
                    }
                    here = self.state.program.nodes[at].parent;
                }
                false
            };
            let good = match step.status {
                StepStatus::Succeeded => !matches!(step.instead, Some(Instead::DefaultOutput { .. } | Instead::FailedItems { .. })),
                StepStatus::Skipped => true,
                _ => false,
            };
            assert!(
                good || replaced(self.state.program.find(&node.step.id)),
                "the run is completed, but `{}` is {:?}\n{}",
                node.step.id,
                step.status,
                self.history()
            );
        }
    }

    pub(crate) fn history(&self) -> String {
        self.log.iter().fold(String::new(), |mut text, (at, event)| {
            let _ = writeln!(text, "{} {}", at.0, serde_json::to_string(event).unwrap());
            text
        })
    }

    // What a test says.

    pub(crate) fn status(&self) -> RunStatus {
        self.state.status
    }

    pub(crate) fn step(&self, id: &str) -> StepStatus {
        self.state.steps[self.ix(id)].status
    }

    pub(crate) fn ix(&self, id: &str) -> usize {
        self.state.program.find_str(id).expect("a step of the run")
    }

    pub(crate) fn value(&self, id: &str) -> Value {
        self.state.step_value(self.ix(id)).clone()
    }

    pub(crate) fn failure(&self, id: &str) -> Failure {
        self.state.steps[self.ix(id)].failure.clone().expect("a failure")
    }

    pub(crate) fn open(&self) -> Vec<String> {
        self.state.due().map(|call| call.id.to_string()).collect()
    }

    pub(crate) fn call(&self, step: &str, item: u32) -> CallId {
        self.state
            .open
            .keys()
            .find(|call| call.step.as_str() == step && call.item == item)
            .cloned()
            .unwrap_or_else(|| panic!("no call of {step}[{item}] is open\n{}", self.history()))
    }

    pub(crate) fn settle(&mut self, step: &str, item: u32, outcome: Outcome) -> Vec<Event> {
        let call = self.call(step, item);
        self.ok(Command::CompleteCall { call, outcome })
    }

    /// The open call of a step ends well.
    pub(crate) fn done(&mut self, step: &str) -> Vec<Event> {
        self.done_item(step, 0)
    }

    pub(crate) fn done_item(&mut self, step: &str, item: u32) -> Vec<Event> {
        let request = Request::clone(&self.state.open[&self.call(step, item)].request);
        self.settle(step, item, answer(&request))
    }

    pub(crate) fn fails(&mut self, step: &str, class: FailureClass) -> Vec<Event> {
        self.fails_item(step, 0, class)
    }

    pub(crate) fn fails_item(&mut self, step: &str, item: u32, class: FailureClass) -> Vec<Event> {
        self.settle(step, item, Outcome::Failed { failure: Failure::new(class, "it broke"), metering: Metering::None })
    }

    pub(crate) fn pass(&mut self, ms: u64) -> Vec<Event> {
        self.now = self.now.plus_ms(ms);
        self.ok(Command::Tick)
    }

    /// The process dies and another one takes the run over.
    pub(crate) fn crash(&mut self) -> Vec<Event> {
        self.state = self.replay();
        self.epoch += 1;
        self.ok(Command::Recover)
    }

    pub(crate) fn pending(&self) -> Vec<PendingApproval> {
        self.state.pending_approvals()
    }

    pub(crate) fn waits(&self) -> Vec<WaitingFor> {
        self.state.waiting_for()
    }

    /// The names of the events, for tests of what one append holds.
    pub(crate) fn names(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(Event::name).collect()
    }
}

/// What a call gives when all goes well.
pub(crate) fn answer(request: &Request) -> Outcome {
    let (value, metering) = match request {
        Request::Noop {} => (json!(null), Metering::None),
        Request::Process(_) => (json!({ "exit_code": 0, "stdout": "out\n", "stderr": "", "truncated": false }), Metering::None),
        Request::Http(_) => (json!({ "status": 200, "headers": {}, "body": "ok" }), Metering::None),
        Request::Script(_) => (json!({}), Metering::None),
        Request::File(_) => (json!({ "path": "p", "bytes": 0 }), Metering::None),
        Request::Model(_) => (json!({ "text": "hello", "model": "m", "finish_reason": "stop" }), Metering::Reported(used(10, 5))),
    };
    Outcome::Succeeded { value: Payload::of(&value), metering }
}

pub(crate) fn used(input: u64, output: u64) -> TokenUsage {
    TokenUsage { input_uncached: input, output_text: output, ..TokenUsage::default() }
}

pub(crate) fn approve(step: &str, item: Option<u32>, hash: Option<ContentHash>) -> Command {
    Command::Approve(Decision { step: Some(step.into()), item, hash, approved: true, by: "ann".to_owned(), comment: None })
}

pub(crate) fn reject(step: &str, item: Option<u32>) -> Command {
    Command::Approve(Decision { step: Some(step.into()), item, hash: None, approved: false, by: "ann".to_owned(), comment: Some("no".to_owned()) })
}

pub(crate) fn resolve(step: &str, verdict: ResolveVerdict) -> Command {
    Command::Resolve(Resolve { step: Some(step.into()), item: None, verdict, by: "ann".to_owned() })
}

pub(crate) fn resume(limits: Limits) -> Command {
    Command::Resume(Resume { limits, by: "ann".to_owned() })
}

pub(crate) fn retry(step: Option<&str>) -> Command {
    Command::Retry { step: step.map(Into::into), by: "ann".to_owned() }
}

pub(crate) fn cancel() -> Command {
    Command::Cancel { by: "ann".to_owned(), reason: None }
}

pub(crate) fn pause() -> Command {
    Command::Pause { by: "ann".to_owned(), interrupt: false }
}

pub(crate) fn send(name: &str, payload: Value) -> Command {
    Command::Signal { name: name.to_owned(), payload: Payload::of(&payload) }
}

/// Everything about a state that anybody can see, as text.
pub(crate) fn digest(state: &RunState) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:?} halt={:?} paused={:?} open_steps={} past={} charged={:?} overage={:?} budget={:?} outputs={:?} failure={:?} at={:?} {:?} {:?} {} {:?} {}",
        state.status,
        state.halt,
        state.paused,
        state.open_steps,
        state.went_past_failure,
        state.charged,
        state.overage,
        state.budget,
        state.outputs,
        state.failure,
        state.created_at,
        state.ended_at,
        state.active_since,
        state.active_ms,
        state.last_at,
        state.events
    );
    let _ = writeln!(
        text,
        "work={:?}\ntimers={:?}\nsignals={:?}\nopen={:#?}\nwake={:?}",
        state.work,
        state.timers,
        state.signals,
        state.open,
        state.wake()
    );
    for (ix, (node, s)) in state.program.nodes.iter().zip(&state.steps).enumerate() {
        let _ = writeln!(
            text,
            "{}: {:?} list={:?} waits_for={} open={} in_flight={} failed={} before={} next={} outputs={:?} failure={:?} tolerated={} instead={:?} skipped={:?} opened={} approved={} hops={:?} given={:?} rounds={:?} {:?} {:?} {:?}",
            node.step.id,
            s.status,
            s.list,
            s.waits_for,
            s.open,
            s.in_flight,
            s.failed_items,
            s.attempts_before,
            s.next_item,
            s.outputs,
            s.failure,
            s.tolerated,
            s.instead,
            s.skipped,
            s.opened,
            s.approved,
            s.items.iter().map(|item| item.hop).collect::<Vec<_>>(),
            s.given,
            s.rounds,
            s.started_at,
            s.ended_at,
            s.charged
        );
        for item in &s.items {
            let _ = writeln!(text, "  {item:?}");
        }
        if s.status == StepStatus::Succeeded {
            let _ = writeln!(text, "  = {}", state.step_value(ix));
        }
    }
    text
}
