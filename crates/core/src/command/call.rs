//! `CompleteCall`: a call has ended. And ordering one: permit, money, event.

use std::sync::Arc;

use super::Rejection;
use super::advance::Taken;
use super::decider::Decider;
use crate::budget::{BudgetKey, NoHold, Scope};
use crate::call::{Failure, FailureClass, Outcome, Request};
use crate::definition::{EffectClass, OnInDoubt};
use crate::diagnostic::Code;
use crate::event::{CallStarted, DoubtVerdict, Event, HaltReason, Hold};
use crate::ids::CallId;
use crate::money::{Amounts, Meter, ModelPrice};
use crate::payload::Payload;
use crate::plan::NodeIx;
use crate::run::{ItemPhase, OpenCall};
use crate::time::Timestamp;

/// Why nobody knows what became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The process that made it ended.
    Crash,
    /// Its executor says so.
    Executor,
}

/// A call that is to be made.
pub(super) struct Order {
    pub(super) request: Request,
    pub(super) class: EffectClass,
    pub(super) key: Option<String>,
    /// The rendered parameters, if it is the first of its attempt.
    pub(super) begins: Option<Option<Payload>>,
}

/// Why a call cannot be held for.
enum NoMoney {
    /// Not yet.
    Wait(BudgetKey),
    /// Not at all.
    Out { key: BudgetKey, needed: u64, available: u64, frozen: bool },
    /// Nobody knows what it may cost.
    Unpriced(String),
    /// The conversation has as many tokens as its model takes: it would be paid for in vain, or refused.
    TooLong { tokens: u64, takes: u64, model: String },
}

impl Decider<'_> {
    pub(super) fn complete_call(&mut self, id: &CallId, outcome: Outcome) -> Result<(), Rejection> {
        let Some(call) = self.state.open.get(id).cloned() else {
            return Err(Rejection::new(Code::NotInThisState, format!("call {id} is not in flight")));
        };
        match outcome {
            Outcome::InDoubt { evidence } => self.doubt(&call, evidence, Cause::Executor),
            outcome => {
                let answered = super::settle::price_of_answer(&call.request, &outcome, self.facts.prices);
                let settlement = call.hold.as_ref().map(|hold| super::settle::settlement(hold, &outcome, answered));
                self.emit(Event::CallSettled { call: id.clone(), outcome, settlement });
            }
        }
        Ok(())
    }

    /// Nobody knows how far a call came: it is charged in full, and its class says what happens with it.
    pub(super) fn doubt(&mut self, call: &OpenCall, evidence: String, cause: Cause) {
        let ending = self.state.halt.as_ref().is_some_and(HaltReason::stops_calls);
        let on_in_doubt = self.state.program.find(&call.id.step).map(|ix| self.state.program.nodes[ix].step.on_in_doubt).unwrap_or_default();
        let bears_another = call.class.bears_another(on_in_doubt);
        let verdict = match (bears_another, on_in_doubt) {
            _ if ending => DoubtVerdict::Leave,
            (true, _) => match cause {
                Cause::Crash => DoubtVerdict::Redo,
                // What does not let itself be known while we look is a failure like others: tried again as often and as slowly as the file says.
                Cause::Executor => DoubtVerdict::Fail,
            },
            (false, OnInDoubt::Ask) => DoubtVerdict::Ask,
            (false, OnInDoubt::Fail | OnInDoubt::Retry) => DoubtVerdict::Fail,
        };
        let settlement = call.hold.as_ref().map(super::settle::in_full);
        self.emit(Event::CallDoubted { call: call.id.clone(), evidence: evidence.clone(), verdict, settlement });
        if verdict == DoubtVerdict::Fail
            && let Some(ix) = self.state.program.find(&call.id.step)
        {
            let failure = if bears_another {
                Failure::new(FailureClass::Transport, evidence)
            } else {
                Failure::new(FailureClass::Rejected, format!("nobody knows how far it came, and the file says `on_in_doubt: fail`: {evidence}"))
            };
            // Another attempt would pay again for all that was settled in this one; `retry` goes on where it is.
            if call.id.call > 0 {
                self.fail_item(ix, call.id.item, failure)
            } else {
                self.fail_attempt(ix, call.id.item, failure)
            };
        }
    }

    /// Orders a call: if a permit is left and every budget on its way grants the hold.
    pub(super) fn order(&mut self, ix: NodeIx, call: CallId, order: Order) -> Taken {
        let Order { request, class, key, begins } = order;
        let program = Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let family = request.family();
        if self.permits.get(&family).copied().unwrap_or(0) == 0 {
            self.blocked.families.insert(family);
            return Taken::Blocked;
        }
        let Some(timeout_ms) = self.time_left(ix, call.item) else {
            let failure = Failure::new(FailureClass::TimedOut, format!("step `{}` has used up its `total_timeout_seconds`", node.step.id));
            return self.fail_item(ix, call.item, failure);
        };
        let hold = match self.hold_for(ix, &call, &request) {
            Ok(hold) => hold,
            Err(NoMoney::Wait(budget)) => {
                self.blocked.budgets.insert(budget);
                return Taken::Blocked;
            }
            Err(NoMoney::Out { key, needed, available, frozen }) => {
                let step = node.step.id.clone();
                self.emit(Event::Halted { reason: HaltReason::Budget { key, step, needed, available, frozen } });
                return Taken::Stop;
            }
            Err(NoMoney::TooLong { tokens, takes, model }) => {
                let message = format!(
                    "the conversation has come to {tokens} tokens, and `{model}` takes {takes}: in the file, let its tools give less, or its steps do less each"
                );
                return self.hop_or_fail(ix, call.item, Failure::new(FailureClass::Refused, message));
            }
            Err(NoMoney::Unpriced(model)) => {
                let message = format!(
                    "nobody said what the model `{model}` costs, and dollars are limited: add `[models.\"{model}\"]` with its prices to gorgon.toml"
                );
                return self.fail_item(ix, call.item, Failure::new(FailureClass::Denied, message));
            }
        };
        if let Some(permits) = self.permits.get_mut(&family) {
            *permits -= 1;
        }
        if let Some(hold) = &hold {
            for (key, refused) in &mut self.refused {
                refused.available = refused.available.saturating_sub(hold.amounts.of(key.meter));
            }
        }
        if let Some(input) = begins {
            let at = self.item_ref(ix, call.item);
            self.emit(Event::AttemptStarted { at, attempt: call.attempt, input });
        }
        let started = CallStarted { call, request, class, epoch: self.facts.epoch, timeout_ms, key, hold };
        self.emit(Event::CallStarted(Box::new(started)));
        Taken::Yes
    }

    /// Makes a call again whose first execution is in doubt: the same request, a hold of its own.
    pub(super) fn order_again(&mut self, ix: NodeIx, n: u32) -> Taken {
        if let Some(reason) = self.no_room(ix) {
            return reason;
        }
        let Some(ItemPhase::Redo(doubt)) = self.state.item(ix, n).map(|item| item.phase.clone()) else { return Taken::Blocked };
        let call = CallId { redo: doubt.call.redo + 1, ..doubt.call.clone() };
        let order = Order { request: Request::clone(&doubt.request), class: doubt.class, key: doubt.key.clone(), begins: None };
        self.order(ix, call, order)
    }

    /// How long a call of this item may take; `None` if its time is used up.
    fn time_left(&self, ix: NodeIx, n: u32) -> Option<u64> {
        let step = &self.state.program.nodes[ix].step;
        let mut left = step.timeout_ms;
        if let Some(total) = step.total_timeout_ms {
            let since = self.state.item(ix, n).and_then(|item| item.started_at).unwrap_or(self.now);
            left = left.min(until(since.plus_ms(total), self.now)?);
        }
        if let Some(deadline) = self.state.run_deadline() {
            left = left.min(deadline.since_ms(self.now).max(1));
        }
        Some(left)
    }

    fn hold_for(&self, ix: NodeIx, call: &CallId, request: &Request) -> Result<Option<Hold>, NoMoney> {
        let Request::Model(model) = request else { return Ok(None) };
        let prices = self.facts.prices;
        let free = model.is_simulated().then_some(ModelPrice::FREE);
        let known = prices.find(&model.provider, &model.model);
        let price = known.as_ref().and_then(|known| known.price).or(free);
        if price.is_none() && (self.facts.dollars_limited || self.state.budget.contains_key(&Meter::Usd)) {
            return Err(NoMoney::Unpriced(model.model.clone()));
        }
        let window = known.and_then(|known| known.input_tokens_max).unwrap_or(u64::MAX);
        let item = self.state.item(ix, call.item);
        let talk = item.and_then(|item| Some((item, item.talk.as_ref()?))).filter(|_| model.follows);
        if let Some(tokens) = talk.and_then(|(item, talk)| talk.tokens_told(&item.journal)).filter(|tokens| *tokens >= window) {
            return Err(NoMoney::TooLong { tokens, takes: window, model: model.model.clone() });
        }
        let bound = match talk {
            Some((item, talk)) => talk.tokens_bound_of(model, call.call, &item.journal),
            _ => model.input_tokens_bound(),
        };
        let input = bound.min(window);
        let amounts = Amounts {
            cost_nano_usd: price.unwrap_or_default().worst_nano_usd(input, model.output_tokens_max),
            tokens: input.saturating_add(model.output_tokens_max),
            calls: 1,
        };
        self.judge(amounts)?;
        Ok(Some(Hold { amounts, price, table: prices.version() }))
    }

    /// Asks every budget that is known here. Others are asked by the store, whose refusal comes back as a fact.
    fn judge(&self, amounts: Amounts) -> Result<(), NoMoney> {
        for (&meter, balance) in &self.state.budget {
            let needed = amounts.of(meter);
            let key = BudgetKey { scope: Scope::Run, meter };
            match balance.judge(needed) {
                Ok(()) => {}
                Err(NoHold::Wait) => return Err(NoMoney::Wait(key)),
                Err(why @ (NoHold::Exhausted | NoHold::Frozen)) => {
                    return Err(NoMoney::Out { key, needed, available: balance.available(), frozen: why == NoHold::Frozen });
                }
            }
        }
        for (key, refused) in &self.refused {
            let needed = amounts.of(key.meter);
            if needed == 0 || needed <= refused.available && !refused.frozen {
                continue;
            }
            if !refused.frozen && needed <= refused.available_at_rest {
                return Err(NoMoney::Wait(key.clone()));
            }
            return Err(NoMoney::Out { key: key.clone(), needed, available: refused.available, frozen: refused.frozen });
        }
        Ok(())
    }
}

/// Milliseconds until a time; `None` if it has passed.
fn until(deadline: Timestamp, now: Timestamp) -> Option<u64> {
    (deadline > now).then(|| deadline.since_ms(now))
}
