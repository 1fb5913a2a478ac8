//! The laws, looked at after every step.

use gorgon_core::money::{Amounts, Meter};
use gorgon_core::run::{RunState, StepStatus};
use serde_json::json;

use super::BAIT;
use super::world::{Slot, World};

type Law = Result<(), String>;

fn holds(true_now: bool, law: impl FnOnce() -> String) -> Law {
    if true_now { Ok(()) } else { Err(law()) }
}

pub(crate) fn laws(world: &World) -> Law {
    for (ix, slot) in world.slots.iter().enumerate() {
        run(world, ix, slot)?;
    }
    money(world)
}

fn run(world: &World, ix: usize, slot: &Slot) -> Law {
    let (state, disk) = (&slot.owner.state, &slot.on_disk);
    holds(slot.owner.seq as usize == world.store.logs[ix].len(), || "the owner has lost count of its appends".to_owned())?;
    let (memory, stored) = (shown(state), shown(disk));
    holds(memory == stored, || format!("what the owner knows is not what is on disk\nmemory {memory}\ndisk   {stored}"))?;
    for call in slot.owner.flights.keys() {
        holds(world.store.ordered.contains(&(ix, call.clone())), || format!("{call} was started before its order was on disk"))?;
        holds(state.open.contains_key(call), || format!("{call} is in flight, and the run does not know of it"))?;
    }
    for call in state.due() {
        holds(slot.owner.flights.contains_key(&call.id), || format!("{} is due, and nobody started it", call.id))?;
    }
    if state.status.is_terminal() {
        holds(state.due().next().is_none() && slot.owner.flights.is_empty() && state.wake().is_none(), || {
            "something is due in a run that has ended".to_owned()
        })?;
    }
    holds(slot.model.charged == state.charged, || format!("the model charged {:?}, the run {:?}", slot.model.charged, state.charged))?;
    holds(slot.model.open.keys().eq(state.open.keys()), || "the model and the run disagree on what is in flight".to_owned())?;
    holds(slot.model.finished.is_some() == state.status.is_terminal(), || "the model and the run disagree on whether it has ended".to_owned())?;
    bait(state)
}

/// What a value holds is never read as a template.
fn bait(state: &RunState) -> Law {
    for (place, (node, step)) in state.program.nodes.iter().zip(&state.steps).enumerate() {
        let tempted = node.step.params.get("value") == Some(&json!("${inputs.bait}")) && node.items.is_none();
        if tempted && step.status == StepStatus::Succeeded && step.instead.is_none() {
            let value = &state.step_value(place)["result"];
            holds(value == BAIT, || format!("the value of {} was expanded once more: {value}", node.step.id))?;
        }
    }
    Ok(())
}

fn money(world: &World) -> Law {
    for (row, balance) in &world.store.rows {
        holds(balance.is_in_order(), || format!("{row:?}: {balance:?} is beyond its ceiling"))?;
    }
    for (ix, slot) in world.slots.iter().enumerate() {
        for meter in Meter::ALL {
            let (row, known) = (world.store.rows.get(&(Some(ix), meter)), slot.on_disk.budget.get(&meter));
            holds(row == known, || format!("run {ix}: the ledger says {row:?}, the run {known:?}"))?;
        }
    }
    let all = |of: fn(&RunState) -> Amounts| world.slots.iter().fold(Amounts::ZERO, |sum, slot| sum.plus(of(&slot.on_disk)));
    let (held, charged) = (all(RunState::held), all(|state| state.charged));
    for ((owner, meter), balance) in &world.store.rows {
        if owner.is_none() {
            holds(balance.reserved == held.of(*meter), || {
                format!("the tenant holds {}, its runs {} {}", balance.reserved, held.of(*meter), meter.word())
            })?;
            let total = balance.spent + balance.overage;
            holds(total == charged.of(*meter), || format!("the tenant was charged {total}, its runs {} {}", charged.of(*meter), meter.word()))?;
        }
    }
    Ok(())
}

/// Everything about a state that a later decision depends on.
pub(crate) fn shown(state: &RunState) -> String {
    let steps: Vec<_> =
        state.steps.iter().map(|step| (step.status, &step.items, step.waits_for, step.open, step.in_flight, step.next_item, step.approved)).collect();
    format!(
        "{:?} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {}",
        state.status,
        state.halt,
        state.paused,
        state.open_steps,
        state.went_past_failure,
        state.open,
        state.work,
        state.timers,
        state.signals,
        state.charged,
        state.budget,
        steps,
        state.events
    )
}
