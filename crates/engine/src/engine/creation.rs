//! How runs come to be: from a definition, or out of another run.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gorgon_core::budget::Limits;
use gorgon_core::command::{NewRun, new_run};
use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_core::event::{Event, RunCreated, Start};
use gorgon_core::fork::{self, Fork, Kept, Repeated, Values};
use gorgon_core::ids::{ContentHash, RunId, StepId};
use gorgon_core::plan::{Cost, Program};
use gorgon_core::run::RunState;
use gorgon_core::template::nearest;
use serde_json::Value;
use tokio::sync::oneshot;

use super::Engine;
use crate::error::{CreateError, ForkError};
use crate::history::{self, Recorded};
use crate::owner::{CreateFailed, Owner};
use crate::programs::{Prepared, blob};

/// A run to be created.
#[derive(Debug, Clone)]
pub struct CreateRun {
    /// What runs.
    pub definition: Arc<Definition>,
    /// The text that it was loaded from.
    pub source: Option<String>,
    /// What is to be reached; empty: what the definition says.
    pub goals: Vec<String>,
    /// Values of inputs.
    pub inputs: BTreeMap<String, Value>,
    /// Where and with what it starts.
    pub start: Start,
    /// Limits that take the place of the definition's.
    pub limits: Limits,
}

/// A run to be made out of another.
#[derive(Debug, Clone)]
pub struct ForkRun {
    /// What is kept.
    pub cut: Cut,
    /// Another version of the workflow; absent: what the old run runs.
    pub version: Option<Version>,
    /// Values that take the place of the old run's inputs.
    pub inputs: BTreeMap<String, Value>,
    /// Who answers all questions to models from here on.
    pub provider: Option<String>,
    /// Which model does.
    pub model: Option<String>,
    /// Limits that take the place of the old run's.
    pub limits: Limits,
    /// Who asks.
    pub by: String,
}

/// What a fork keeps of the run that it is made out of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// Everything up to and with this append.
    At(u64),
    /// What is unchanged, but nothing from this step on.
    From(StepId),
    /// What is unchanged.
    Unchanged,
}

/// A version of a workflow.
#[derive(Debug, Clone)]
pub struct Version {
    /// What runs.
    pub definition: Arc<Definition>,
    /// The text that it was loaded from.
    pub source: Option<String>,
    /// What is to be reached; empty: what the definition says.
    pub goals: Vec<String>,
}

/// A fork, or what one would be.
#[derive(Debug, Clone)]
pub struct Forked {
    /// The new run, if it was made.
    pub id: Option<RunId>,
    /// Steps whose results are kept.
    pub kept: Vec<StepId>,
    /// Steps of which a part is kept.
    pub begun: Vec<StepId>,
    /// What the old run did to the world and the new one does again.
    pub repeated: Vec<Repeated>,
    /// What the rest can cost.
    pub cost: Cost,
}

impl Engine {
    /// Creates a run and starts what can start. Answers when that is on disk.
    ///
    /// # Errors
    /// Everything that keeps it from starting; then nothing was written.
    pub async fn create(&self, new: CreateRun) -> Result<(RunId, Cost), CreateError> {
        self.create_for(new, None).await
    }

    /// As [`create`](Self::create); and what it comes to, when the run has ended or nothing of it moves without somebody. If it sleeps, or the engine ends,
    /// before that, nothing comes.
    ///
    /// # Errors
    /// Everything that keeps it from starting; then nothing was written.
    pub async fn create_and_follow(&self, new: CreateRun) -> Result<(RunId, Cost, oneshot::Receiver<Arc<RunState>>), CreateError> {
        let (tell, rest) = oneshot::channel();
        let (id, cost) = self.create_for(new, Some(tell)).await?;
        Ok((id, cost, rest))
    }

    async fn create_for(&self, new: CreateRun, asker: Option<oneshot::Sender<Arc<RunState>>>) -> Result<(RunId, Cost), CreateError> {
        self.shared.not_broken()?;
        let prepared = self.shared.programs.get(&new.definition, &new.goals).map_err(CreateError::Invalid)?;
        let source = new.source.map(Bytes::from);
        let mut start = new.start;
        start.tenant.clone_from(&self.shared.tenant.0);
        let wanted = NewRun {
            id: RunId(uuid::Uuid::now_v7().as_u128()),
            source: source.as_ref().map(|text| ContentHash::of(text)),
            inputs: new.inputs,
            start,
            limits: new.limits,
            scopes: self.shared.scopes.clone(),
            left_above: self.left_above().await?,
            providers: self.shared.providers.clone(),
            fork: None,
            rounds_kept: BTreeMap::new(),
        };
        let (created, cost) = new_run(&prepared.program, wanted, &self.shared.prices).map_err(CreateError::Invalid)?;
        let id = created.id;
        self.launch(&prepared, created, Vec::new(), source, asker).await?;
        Ok((id, cost))
    }

    /// Puts a run on disk and gives it its owner.
    async fn launch(
        &self,
        prepared: &Prepared,
        created: RunCreated,
        kept: Vec<Event>,
        source: Option<Bytes>,
        asker: Option<oneshot::Sender<Arc<RunState>>>,
    ) -> Result<(), CreateError> {
        let program = Arc::clone(&prepared.program);
        let mut blobs = prepared.blobs.to_vec();
        blobs.extend(source.map(blob));
        // What this engine has put on disk before is there; looking for it again would cost every run of the same workflow as much as its first one.
        blobs.retain(|blob| !self.shared.programs.is_stored(&blob.hash));
        let stored: Vec<ContentHash> = blobs.iter().map(|blob| blob.hash).collect();
        let shared = Arc::clone(&self.shared);
        // Whoever asks may go away at any await; a run that is on disk gets its owner all the same.
        let making = self
            .shared
            .tasks
            .spawn(async move { Owner::create(Arc::clone(&shared), program, created, kept, blobs).await.map(|made| shared.adopt(made, asker)) });
        match making.await {
            Ok(Ok(())) => {
                self.shared.programs.note_stored(stored);
                Ok(())
            }
            Ok(Err(CreateFailed::Rejected(rejection))) => Err(CreateError::Rejected(rejection)),
            Ok(Err(CreateFailed::Store(error))) => Err(CreateError::Store(error)),
            Err(_) => Err(CreateError::Store(self.shared.why_broken())),
        }
    }

    /// Makes a new run out of one: what is kept of it costs nothing. With `only_look`, says what it would be.
    ///
    /// # Errors
    /// If there is no such run or no such place in it, and everything that keeps the new one from starting; then nothing was written.
    pub async fn fork(&self, run: RunId, new: ForkRun, only_look: bool) -> Result<Forked, ForkError> {
        self.shared.not_broken().map_err(CreateError::from)?;
        let (key, _) = self.find(run).await?;
        let (read, recorded) = history::load_with_history(&*self.shared.journal, &self.shared.programs, &key).await?;
        let origin = read.state;
        let Some(before) = origin.created.clone() else { return Err(ForkError::UnknownRun) };
        let ForkRun { cut, version, inputs, provider, model, limits, by } = new;
        let (definition, goals, source) = match version {
            Some(version) => (version.definition, version.goals, version.source),
            None => (Arc::clone(&origin.program.definition), origin.program.plan.goals.clone(), self.source(&origin).await?),
        };
        let same = definition == origin.program.definition;
        let prepared = self.shared.programs.get(&definition, &goals).map_err(CreateError::Invalid)?;
        let program = &prepared.program;
        let mut start = before.start.clone();
        start.by = by;
        start.models.provider_override = provider.or(start.models.provider_override);
        start.models.model_override = model.or(start.models.model_override);
        let mut given = carried(&origin, &definition);
        given.extend(inputs);
        let values = || Values { inputs: definition.with_defaults(given.clone()), env: start.env.clone() };
        let (kept, at, from) = match cut {
            Cut::At(seq) => (kept_prefix(&origin, &recorded, seq)?, Some(seq), None),
            Cut::From(step) => {
                known_step(program, &step)?;
                (fork::unchanged(program, &values(), &origin, Some(&step)), None, Some(step))
            }
            Cut::Unchanged => (fork::unchanged(program, &values(), &origin, None), None, None),
        };
        let repeated = fork::repeated(program, recorded.iter().flat_map(|append| &append.events), &kept);
        let Kept { events, steps, begun, rounds } = kept;
        let source = source.map(Bytes::from);
        let wanted = NewRun {
            id: RunId(uuid::Uuid::now_v7().as_u128()),
            source: source.as_ref().map(|text| ContentHash::of(text)),
            inputs: given,
            start,
            // Of another version of the file, its own budget counts.
            limits: if same { limits.over(before.limits) } else { limits },
            scopes: self.shared.scopes.clone(),
            left_above: self.left_above().await?,
            providers: self.shared.providers.clone(),
            fork: Some(Fork { run, at, from, kept: steps.clone(), begun: begun.clone() }),
            rounds_kept: rounds,
        };
        let (created, cost) = new_run(program, wanted, &self.shared.prices).map_err(CreateError::Invalid)?;
        let id = (!only_look).then_some(created.id);
        if !only_look {
            self.launch(&prepared, created, events, source, None).await?;
        }
        Ok(Forked { id, kept: steps, begun, repeated, cost })
    }
}

/// The inputs of a run that a definition still has. What was only the default then is the default now.
fn carried(origin: &RunState, definition: &Definition) -> BTreeMap<String, Value> {
    let was_default =
        |name: &String, value: &Value| origin.program.definition.inputs.get(name).is_some_and(|spec| spec.default.as_ref() == Some(value));
    let still = |(name, value): &(&String, &Value)| definition.inputs.contains_key(*name) && !was_default(name, value);
    origin.inputs().iter().filter(still).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn kept_prefix(origin: &RunState, recorded: &[Recorded], seq: u64) -> Result<Kept, CreateError> {
    let last = recorded.last().map_or(0, |append| append.seq);
    if seq == 0 || seq > last {
        let problem = Diagnostic::error(Code::BadInput, "at", format!("the run has no append {seq}: they are numbered from 1 to {last}"));
        return Err(CreateError::Invalid(vec![problem.help("`gorgon runs events RUN` shows the number of each")]));
    }
    let prefix = || recorded.iter().filter(|append| append.seq <= seq).flat_map(|append| append.events.iter().map(|event| (append.at, event)));
    let events: Vec<&Event> = prefix().map(|(_, event)| event).collect();
    Ok(fork::prefix(&RunState::replay(Arc::clone(&origin.program), prefix()), &events))
}

fn known_step(program: &Program, step: &StepId) -> Result<(), CreateError> {
    if program.find(step).is_some() {
        return Ok(());
    }
    let problem = Diagnostic::error(Code::UnknownStep, "from", format!("the plan has no step `{step}`"));
    let known = program.nodes.iter().map(|node| node.step.id.as_str());
    let problem = match nearest(step.as_str(), known) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("`gorgon runs show RUN` shows its steps"),
    };
    Err(CreateError::Invalid(vec![problem]))
}
