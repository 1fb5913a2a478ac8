//! `Resolve`: somebody says what became of a call in doubt.

use serde_json::{Map, Value};

use super::decider::Decider;
use super::{Rejection, Resolve, ResolveVerdict};
use crate::diagnostic::Code;
use crate::event::{Event, Instead, Resolution};
use crate::payload::Payload;
use crate::plan::NodeIx;
use crate::run::ItemPhase;
use crate::step::map_outputs;

impl Decider<'_> {
    pub(super) fn resolve(&mut self, resolve: Resolve) -> Result<(), Rejection> {
        self.must_go_on("what is in doubt stays so")?;
        let (ix, n) = self.doubtful(&resolve)?;
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let at = self.item_ref(ix, n);
        let by = resolve.by;
        let one_of_several = matches!(self.state.item(ix, n).map(|item| &item.phase), Some(ItemPhase::InDoubt(doubt)) if doubt.call.call > 0);
        match resolve.verdict {
            // One call of several, such as a tool of an agent: the step sees what it gave, and goes on.
            ResolveVerdict::Done(value) if one_of_several => {
                let given = value.unwrap_or_else(|| Value::String(format!("{by} said that this was done; what it gave is not known")));
                self.emit(Event::DoubtResolved { at, resolution: Resolution::Done { outputs: Payload::of(&given) }, by });
            }
            ResolveVerdict::Redo => self.emit(Event::DoubtResolved { at, resolution: Resolution::Redo, by }),
            ResolveVerdict::Done(value) => {
                let primary = node.kind.results().first().map_or("result", |(name, _)| *name);
                let given = match value {
                    Some(Value::Object(map)) => map,
                    Some(other) => Map::from_iter([(primary.to_owned(), other)]),
                    None => Map::new(),
                };
                let outputs = map_outputs(&node.step.outputs, Some(primary), given).map_err(|failure| {
                    Rejection::new(Code::BadInput, failure.message).help("give the outputs as a JSON object: `--done --output '{\"name\": …}'`")
                })?;
                self.emit(Event::DoubtResolved { at, resolution: Resolution::Done { outputs: Payload::of(&outputs) }, by });
                self.succeed_instead(ix, n, outputs, Some(Instead::Resolved));
            }
            ResolveVerdict::Fail => {
                self.emit(Event::DoubtResolved { at, resolution: Resolution::Fail, by: by.clone() });
                self.reject_item(ix, n, format!("{by} said that the call in doubt failed"));
            }
        }
        Ok(())
    }

    fn doubtful(&self, resolve: &Resolve) -> Result<(NodeIx, u32), Rejection> {
        let mut found = Vec::new();
        for (ix, step) in self.state.steps.iter().enumerate() {
            let id = &self.state.program.nodes[ix].step.id;
            if resolve.step.as_ref().is_some_and(|wanted| wanted != id) {
                continue;
            }
            for (n, item) in (0_u32..).zip(&step.items) {
                if matches!(item.phase, ItemPhase::InDoubt(_)) && resolve.item.is_none_or(|wanted| wanted == n) {
                    found.push((ix, n));
                }
            }
        }
        match found.as_slice() {
            [only] => Ok(*only),
            [] => Err(Rejection::state("no call of that step is in doubt")),
            many => {
                let names: Vec<String> = many.iter().map(|(ix, n)| format!("{} (element {n})", self.state.program.nodes[*ix].step.id)).collect();
                Err(Rejection::state(format!("{} calls are in doubt: {}", names.len(), names.join(", "))).help("name one of them"))
            }
        }
    }
}
