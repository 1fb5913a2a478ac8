//! What a run does by itself after every command: start what can start, close what has ended, say how it stands.
//!
//! Work is taken in the order of the file. What finds no permit, no room or no money stays where it is; nothing of it is an event, and it is never in doubt.

use serde_json::{Map, Value};

use super::call::Order;
use super::decider::Decider;
use crate::call::{Failure, FailureClass};
use crate::event::{Event, HaltReason, Instead, SkipReason};
use crate::ids::ContentHash;
use crate::payload::Payload;
use crate::plan::{GuardCode, NodeIx};
use crate::run::{ITEMS_MAX, ItemPhase, RunScope, StepStatus, Work, WorkKind};
use crate::step::{Next, Shape, StepCx, Wait};
use crate::template::{RenderError, Scope};

/// What became of one piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Something happened.
    Yes,
    /// Not now; what comes after it may be possible.
    Blocked,
    /// Not now, and nothing else either.
    Stop,
}

impl Decider<'_> {
    pub(super) fn advance(&mut self) {
        if self.state.status.is_terminal() && self.state.ended_at.is_some() {
            return;
        }
        self.take_work();
        self.finish_or_say_status();
    }

    fn take_work(&mut self) {
        // Results first: they were paid for, and what they lead to may be that nothing new starts.
        let results: Vec<Work> = self.state.work.iter().filter(|work| work.kind == WorkKind::Continue).copied().collect();
        for work in results {
            self.take(work);
        }
        loop {
            let mut progress = false;
            let mut cursor: Option<Work> = None;
            while let Some(work) = self.next_work(cursor) {
                match self.take(work) {
                    Taken::Yes => progress = true,
                    Taken::Blocked => {}
                    Taken::Stop => return,
                }
                cursor = Some(work);
            }
            if !progress {
                return;
            }
        }
    }

    fn next_work(&self, after: Option<Work>) -> Option<Work> {
        use std::ops::Bound::{Excluded, Unbounded};
        match after {
            None => self.state.work.first().copied(),
            Some(after) => self.state.work.range((Excluded(after), Unbounded)).next().copied(),
        }
    }

    fn take(&mut self, work: Work) -> Taken {
        if self.state.halt.as_ref().is_some_and(HaltReason::stops_calls) {
            return Taken::Stop;
        }
        // A result is taken in whatever else holds: it was paid for. Everything else is new, and waits.
        let still = self.state.halt.is_some() || self.state.paused.is_some();
        match work.kind {
            WorkKind::Continue => self.go_on(work.node, work.item),
            _ if still => Taken::Blocked,
            WorkKind::Step => self.start_step(work.node),
            WorkKind::Items => self.start_items(work.node),
            WorkKind::Attempt => self.start_attempt(work.node, work.item),
            WorkKind::Redo => self.order_again(work.node, work.item),
        }
    }

    fn start_step(&mut self, ix: NodeIx) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        if self.is_unreachable(ix) {
            return self.skip(ix, SkipReason::NotReached);
        }
        if self.is_left_out(ix) {
            return self.skip(ix, SkipReason::Branch);
        }
        if node.parent.is_some() && self.group_has_failed(ix) {
            return self.skip(ix, SkipReason::GroupFailed);
        }
        if let Some(guard) = node.guard.as_ref().filter(|_| !self.state.steps[ix].approved) {
            let scope = RunScope::new(self.state, ix, None);
            let runs = match guard {
                GuardCode::Condition(condition) => Ok(condition.evaluate(&scope)),
                GuardCode::Expression(expression) => expression.evaluate_bool(&scope),
            };
            match runs {
                Ok(true) => {}
                Ok(false) => return self.skip(ix, SkipReason::Condition),
                Err(error) => return self.fail_whole(ix, unresolved(&error)),
            }
        }
        if matches!(node.shape, Shape::Group | Shape::Loop) {
            return self.open_group(ix);
        }
        if node.items.is_some() {
            return self.fan_out(ix);
        }
        self.start_attempt(ix, 0)
    }

    /// Whether everything that it depends on was left out by a branch.
    fn is_unreachable(&self, ix: NodeIx) -> bool {
        let mut said = self.state.program.nodes[ix].after.iter().filter(|(_, kind)| kind.carries_exclusion()).peekable();
        said.peek().is_some() && said.all(|(from, _)| matches!(self.state.steps[*from].skipped, Some(SkipReason::Branch | SkipReason::NotReached)))
    }

    /// Whether a branch that has decided left it out. As a rule it is skipped when the branch decides; a fork may keep the decision and not what came of it.
    fn is_left_out(&self, ix: NodeIx) -> bool {
        let program = &self.state.program;
        let decided = |from: NodeIx| program.nodes[from].targets.contains(&ix) && self.state.steps[from].status == StepStatus::Succeeded;
        let taken = |from: NodeIx| {
            let taken = self.state.step_value(from).get("taken").and_then(Value::as_array);
            taken.is_none_or(|taken| taken.iter().any(|id| id.as_str() == Some(program.nodes[ix].step.id.as_str())))
        };
        program.nodes[ix].after.iter().any(|&(from, _)| decided(from) && !taken(from))
    }

    fn skip(&mut self, ix: NodeIx, reason: SkipReason) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        self.emit(Event::StepSkipped { step: program.nodes[ix].step.id.clone(), reason });
        self.after_end(ix);
        Taken::Yes
    }

    fn fan_out(&mut self, ix: NodeIx) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let approved = self.state.steps[ix].approved.then(|| self.state.item(ix, 0).and_then(|item| item.input.clone())).flatten();
        let list = match (approved, &node.items) {
            (Some(list), _) => list.value(),
            (None, Some(items)) => match items.items.render(&RunScope::new(self.state, ix, None)) {
                Ok(list) => list,
                Err(error) => return self.fail_whole(ix, unresolved(&error)),
            },
            (None, None) => Value::Null,
        };
        let Value::Array(elements) = &list else {
            let failure = Failure::new(FailureClass::Invalid, format!("`items` of step `{}` is not a list but {}", node.step.id, shown(&list)));
            return self.fail_whole(ix, failure);
        };
        if elements.len() > ITEMS_MAX as usize {
            let failure = Failure::new(
                FailureClass::Invalid,
                format!("`items` of step `{}` has {} elements; at most {ITEMS_MAX} are allowed", node.step.id, elements.len()),
            );
            return self.fail_whole(ix, failure);
        }
        let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
        let asks = node.step.approval.as_ref().is_some_and(|approval| !approval.per_item);
        if asks && !self.state.steps[ix].approved {
            return self.ask(ix, 0, None, list);
        }
        self.emit(Event::FannedOut { step: node.step.id.clone(), items: Payload::of(&list), count });
        if count == 0 {
            self.close_fan_out(ix);
        }
        Taken::Yes
    }

    fn start_items(&mut self, ix: NodeIx) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let mut taken = Taken::Blocked;
        while (self.state.steps[ix].next_item as usize) < self.state.steps[ix].items.len() {
            let item = self.state.steps[ix].next_item;
            if node.fail_fast && self.state.steps[ix].failed_items > 0 {
                let failure = Failure::new(FailureClass::Cancelled, "not started, because another element failed");
                self.emit(Event::ItemFailed { step: node.step.id.clone(), item, failure });
                self.close_fan_out(ix);
                taken = Taken::Yes;
                continue;
            }
            match self.start_attempt(ix, item) {
                Taken::Yes => taken = Taken::Yes,
                Taken::Blocked => return taken,
                Taken::Stop => return Taken::Stop,
            }
            if self.state.halt.is_some() {
                return taken;
            }
        }
        taken
    }

    /// Starts an attempt of a step or element: renders its parameters, asks its type what to do, and orders that.
    pub(super) fn start_attempt(&mut self, ix: NodeIx, n: u32) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let fans_out = node.items.is_some();
        let before = self.state.item(ix, n);
        let attempt = before.map_or(0, |item| item.attempt) + 1;
        let agreed = before.filter(|item| item.input.is_some() && (self.state.steps[ix].approved && !fans_out || item_agreed(self.state, ix, n)));
        let stored = agreed.and_then(|item| item.input.clone());
        let asks = node.step.approval.as_ref().is_some_and(|approval| !fans_out || approval.per_item);
        let asks = asks && stored.is_none() && (fans_out || !self.state.steps[ix].approved);
        // A question and a computation take no room.
        if let Some(reason) = self.no_room(ix).filter(|_| !asks && !node.kind.is_pure()) {
            return reason;
        }
        let element = fans_out.then(|| self.state.list(ix).get(n as usize).cloned().unwrap_or_default());
        let scope = RunScope::new(self.state, ix, element.as_ref().map(|element| (n, element)));
        let rendered: Result<Option<Map<String, Value>>, RenderError> = match (&stored, node.code.literal()) {
            (Some(stored), _) => Ok(stored.parse().ok()),
            (None, Some(_)) => Ok(None),
            (None, None) => node.code.render(&scope).map(Some),
        };
        let params = match rendered {
            // What was agreed to holds it already.
            Ok(params) if stored.is_some() => params,
            Ok(params) => self.with_context(ix, params),
            Err(error) => return self.fail_attempt(ix, n, unresolved(&error)),
        };
        if asks {
            let preview = Value::Object(params.or_else(|| node.code.literal().cloned()).unwrap_or_default());
            return self.ask(ix, n, element, preview);
        }
        let key = match node.key.as_ref().map(|key| key.render(&scope)).transpose() {
            Ok(key) => key.map(|key| if let Value::String(text) = key { text } else { key.to_string() }),
            Err(error) => return self.fail_attempt(ix, n, unresolved(&error)),
        };
        let empty = Map::new();
        let models = self.state.created.as_ref().map(|created| created.start.models.clone()).unwrap_or_default();
        let cx = StepCx {
            id: &node.step.id,
            outputs: node.owed_outputs(),
            params: params.as_ref().or(node.code.literal()).unwrap_or(&empty),
            models: &models,
            asked: &[],
            charged_tokens: 0,
            hop: before.map_or(0, |item| item.hop),
        };
        let next = node.kind.next(&cx, &[]);
        let input = params.as_ref().map(Payload::of);
        let call = || crate::ids::CallId { step: node.step.id.clone(), item: n, attempt, call: 0, redo: 0 };
        match next {
            Next::Call(request) => self.order(ix, call(), Order { request, class: node.step.effect, key, begins: Some(input) }),
            Next::Act(request, class) => self.order(ix, call(), Order { request, class, key, begins: Some(input) }),
            Next::Wait(wait) => self.wait(ix, n, attempt, wait, input),
            Next::Done(outputs) => {
                self.succeed(ix, n, outputs);
                Taken::Yes
            }
            Next::Choose(chosen) => {
                self.choose(ix, &chosen);
                Taken::Yes
            }
            Next::Fail(failure) | Next::TryAgain(failure, _) => self.fail_attempt(ix, n, failure),
            Next::FailForGood(failure) => self.fail_item(ix, n, failure),
        }
    }

    /// Why no further call of this step may start, if that is so: the run, its group or its own width is full.
    pub(super) fn no_room(&self, ix: NodeIx) -> Option<Taken> {
        let program = &self.state.program;
        if self.state.open.len() >= program.definition.concurrency as usize {
            return Some(Taken::Stop);
        }
        let mut here = Some(ix);
        while let Some(ix) = here {
            let node = &program.nodes[ix];
            let limited = node.items.is_some() || matches!(node.shape, Shape::Group | Shape::Loop);
            if limited && self.state.steps[ix].in_flight >= node.width {
                return Some(Taken::Blocked);
            }
            here = node.parent;
        }
        None
    }

    /// A call has settled or a wait has ended: the step says what that leads to.
    fn go_on(&mut self, ix: NodeIx, n: u32) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let Some(item) = self.state.item(ix, n) else { return Taken::Blocked };
        let params: Option<Map<String, Value>> = item.input.as_ref().and_then(|input| input.parse().ok());
        let models = self.state.created.as_ref().map(|created| created.start.models.clone()).unwrap_or_default();
        let empty = Map::new();
        let cx = StepCx {
            id: &node.step.id,
            outputs: node.owed_outputs(),
            params: params.as_ref().or(node.code.literal()).unwrap_or(&empty),
            models: &models,
            asked: &item.asked,
            charged_tokens: item.talk.as_ref().map_or(0, |talk| talk.charged_tokens()),
            hop: item.hop,
        };
        let next = node.kind.next(&cx, &item.journal);
        let attempt = item.attempt;
        let position = u32::try_from(item.journal.len()).unwrap_or(u32::MAX);
        let still = self.state.halt.is_some() || self.state.paused.is_some();
        let call = || crate::ids::CallId { step: node.step.id.clone(), item: n, attempt, call: position, redo: 0 };
        match next {
            Next::Call(_) | Next::Act(..) | Next::Wait(_) | Next::TryAgain(..) if still => Taken::Blocked,
            Next::Call(request) => self.order(ix, call(), Order { request, class: node.step.effect, key: None, begins: None }),
            Next::Act(request, class) => self.order(ix, call(), Order { request, class, key: None, begins: None }),
            Next::TryAgain(failure, tries) => self.try_again(ix, n, failure, tries),
            Next::Wait(wait) => {
                let input = self.state.item(ix, n).and_then(|item| item.input.clone());
                self.wait(ix, n, attempt, wait, input)
            }
            Next::Done(outputs) => {
                self.succeed(ix, n, outputs);
                Taken::Yes
            }
            Next::Choose(chosen) => {
                self.choose(ix, &chosen);
                Taken::Yes
            }
            Next::Fail(failure) => self.fail_attempt(ix, n, failure),
            Next::FailForGood(failure) => self.fail_item(ix, n, failure),
        }
    }

    fn wait(&mut self, ix: NodeIx, n: u32, attempt: u32, wait: Wait, input: Option<Payload>) -> Taken {
        let timeout_ms = match &wait {
            Wait::Timer { ms } => Some(*ms),
            Wait::Signal { timeout_ms, .. } | Wait::Approval { timeout_ms, .. } => *timeout_ms,
        };
        let hash = match &wait {
            Wait::Approval { prompt, preview, .. } => Some(self.approval_hash(ix, n, prompt, preview)),
            Wait::Timer { .. } | Wait::Signal { .. } => None,
        };
        let until = timeout_ms.map(|ms| self.now.plus_ms(ms));
        let name = if let Wait::Signal { name, .. } = &wait { Some(name.clone()) } else { None };
        let at = self.item_ref(ix, n);
        self.emit(Event::WaitStarted { at, attempt, wait, until, hash, input, gate: false, within: false });
        // A signal that came before anybody waited for it was kept.
        if let Some(payload) =
            name.as_ref().and_then(|name| self.state.signals.iter().find(|(had, _)| had == name)).map(|(_, payload)| payload.clone())
        {
            self.end_signal_wait(ix, n, name.unwrap_or_default(), &payload);
        }
        Taken::Yes
    }

    /// Asks for an approval before a step runs. What is hashed is exactly what will run.
    pub(super) fn ask(&mut self, ix: NodeIx, n: u32, element: Option<Value>, preview: Value) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let scope = RunScope::new(self.state, ix, element.as_ref().map(|element| (n, element)));
        let prompt = match node.approval_prompt.as_ref().map(|prompt| prompt.render(&scope as &dyn Scope)).transpose() {
            Ok(Some(Value::String(text))) => text,
            Ok(Some(other)) => other.to_string(),
            Ok(None) => String::new(),
            Err(error) => return self.fail_attempt(ix, n, unresolved(&error)),
        };
        let timeout_ms = node.step.approval.as_ref().and_then(|approval| approval.timeout_ms);
        let hash = self.approval_hash(ix, n, &prompt, &preview);
        let input = Some(Payload::of(&preview));
        let attempt = self.state.item(ix, n).map_or(0, |item| item.attempt) + 1;
        let wait = Wait::Approval { prompt, preview, timeout_ms };
        let at = self.item_ref(ix, n);
        let until = timeout_ms.map(|ms| self.now.plus_ms(ms));
        self.emit(Event::WaitStarted { at, attempt, wait, until, hash: Some(hash), input, gate: true, within: false });
        Taken::Yes
    }

    fn approval_hash(&self, ix: NodeIx, n: u32, prompt: &str, preview: &Value) -> ContentHash {
        let node = &self.state.program.nodes[ix];
        let mut bound = serde_json::json!({
            "definition": self.state.program.definition_hash,
            "step": node.step.id,
            "item": n,
            "kind": node.step.kind,
            "effect": node.step.effect,
            "prompt": prompt,
            "arguments": preview,
        });
        // The same question in another round is another one.
        let rounds = self.state.rounds_around(ix);
        if !rounds.is_empty() {
            bound["rounds"] = rounds.into();
        }
        ContentHash::of(bound.to_string().as_bytes())
    }

    fn choose(&mut self, ix: NodeIx, chosen: &[String]) {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let left_out: Vec<NodeIx> =
            node.targets.iter().copied().filter(|target| !chosen.iter().any(|id| id == program.nodes[*target].step.id.as_str())).collect();
        let outputs = Map::from_iter([("taken".to_owned(), Value::from(chosen.to_vec()))]);
        self.succeed(ix, 0, outputs);
        for target in left_out {
            self.skip(target, SkipReason::Branch);
        }
    }

    /// A step or element has its outputs.
    pub(super) fn succeed(&mut self, ix: NodeIx, n: u32, outputs: Map<String, Value>) {
        self.succeed_instead(ix, n, outputs, None);
    }

    pub(super) fn succeed_instead(&mut self, ix: NodeIx, n: u32, outputs: Map<String, Value>, instead: Option<Instead>) {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let step = node.step.id.clone();
        if node.items.is_some() {
            self.emit(Event::ItemSucceeded { step, item: n, outputs: Payload::of(&outputs) });
            self.close_fan_out(ix);
            return;
        }
        self.emit(Event::StepSucceeded { step, outputs: Some(Payload::of(&outputs)), instead });
        self.after_end(ix);
    }

    /// Closes a fan-out whose elements have all ended.
    pub(super) fn close_fan_out(&mut self, ix: NodeIx) {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let step = &self.state.steps[ix];
        if step.open > 0 || step.status.is_terminal() {
            return;
        }
        let (failed, all) = (step.failed_items, u32::try_from(step.items.len()).unwrap_or(u32::MAX));
        let allowed = node.step.fan_out.as_ref().is_some_and(|fan_out| fan_out.allow_failures) && failed < all;
        if failed == 0 || allowed {
            let instead = (failed > 0).then_some(Instead::FailedItems { failed });
            self.emit(Event::StepSucceeded { step: node.step.id.clone(), outputs: None, instead });
            self.after_end(ix);
            return;
        }
        let first = step.items.iter().enumerate().find(|(_, item)| item.phase == ItemPhase::Failed);
        let (class, reason) = first.map_or((FailureClass::Refused, String::new()), |(place, item)| {
            let failure = item.failure.as_ref();
            (failure.map_or(FailureClass::Refused, |f| f.class), format!("; element {place}: {}", failure.map_or("", |f| f.message.as_str())))
        });
        self.route(ix, Failure::new(class, format!("{failed} of {all} elements failed{reason}")));
    }

    /// A step has ended: so has the step that it stands in for, or perhaps the group around it.
    pub(super) fn after_end(&mut self, ix: NodeIx) {
        let program = std::sync::Arc::clone(&self.state.program);
        match (program.nodes[ix].fallback_of, program.nodes[ix].parent) {
            (Some(primary), _) => self.take_fallback(primary, ix),
            (None, Some(parent)) => self.close_group(parent),
            (None, None) => {}
        }
    }
}

/// Whether somebody agreed to this element.
fn item_agreed(state: &crate::run::RunState, ix: NodeIx, n: u32) -> bool {
    let per_item = state.program.nodes[ix].step.approval.as_ref().is_some_and(|approval| approval.per_item);
    per_item
        && state.item(ix, n).is_some_and(|item| item.started_at.is_some() && item.phase == ItemPhase::Idle && item.attempt == 0 || item.attempt > 0)
}

pub(super) fn unresolved(error: &RenderError) -> Failure {
    Failure::new(FailureClass::Invalid, error.to_string())
}

pub(super) fn shown(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
