//! A run before it exists: checked with the rules that the engine has, so that what cannot start leaves no trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use gorgon_core::budget::{Limits, Scope};
use gorgon_core::command::{NewRun, new_run};
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_core::event::{RunCreated, Start};
use gorgon_core::ids::RunId;
use gorgon_core::money::{Meter, parse_usd};
use gorgon_core::plan::{Cost, Program, Verdict, compile, cost};
use gorgon_core::step::ModelChoice;
use serde_json::Value;

use crate::context::Context;
use crate::fault::Fault;
use crate::holder::{built, unready};
use crate::settings::Settings;
use crate::workflow::Workflow;

/// What a run may spend.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Budget {
    /// The most that the run may cost, in dollars; takes the place of the file's limit.
    #[arg(long, value_name = "USD")]
    budget_usd: Option<String>,
    /// The most tokens that the run may use.
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
    /// The most calls, of those that may cost money, that the run may make.
    #[arg(long, value_name = "N")]
    budget_calls: Option<u64>,
}

impl Budget {
    pub(crate) fn limits(&self) -> Result<Limits, Fault> {
        let mut limits = Limits::default();
        if let Some(text) = &self.budget_usd {
            let nano = parse_usd(text).map_err(|message| Fault::new(Code::BadInput, format!("--budget-usd: {message}")))?;
            limits.set(Meter::Usd, nano);
        }
        if let Some(tokens) = self.budget_tokens {
            limits.set(Meter::Tokens, tokens);
        }
        if let Some(calls) = self.budget_calls {
            limits.set(Meter::Calls, calls);
        }
        Ok(limits)
    }
}

/// Which models answer.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Models {
    /// Who answers all questions to models, whatever the file says. `simulated` answers offline.
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// Which model answers, whatever the file says.
    #[arg(long, value_name = "NAME")]
    pub(super) model: Option<String>,
}

impl Models {
    pub(crate) fn choice(&self, settings: &Settings) -> ModelChoice {
        ModelChoice {
            provider_override: self.provider.clone(),
            model_override: self.model.clone(),
            provider_default: settings.provider.value.clone(),
            model_default: settings.model.value.clone(),
        }
    }
}

/// What was asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) workflow: &'a Workflow,
    pub(crate) goals: &'a [String],
    pub(crate) inputs: BTreeMap<String, Value>,
    pub(crate) limits: Limits,
    pub(crate) models: ModelChoice,
}

/// What would run.
pub(crate) struct Prepared {
    pub(crate) program: Arc<Program>,
    pub(crate) cost: Cost,
    pub(crate) limits: Limits,
    /// What all runs together may spend.
    pub(crate) limits_of_all: Limits,
    pub(crate) inputs: BTreeMap<String, Value>,
    /// What keeps it from starting.
    pub(crate) problems: Vec<Diagnostic>,
}

impl Wanted<'_> {
    /// Plans, and judges what was planned.
    pub(crate) fn prepare(self, context: &Context, settings: &Settings) -> Result<Prepared, Fault> {
        let Self { workflow, goals, inputs, limits, models } = self;
        let program = compile(Arc::new(workflow.definition.clone()), goals).map_err(|problems| Fault::located(workflow.located(problems)))?;
        let prices = settings.prices();
        let start = Start { by: context.user.clone(), models: models.clone(), ..Start::default() };
        let providers = built(settings).into_iter().map(|(name, provider)| (name, unready(&provider))).collect();
        let filled = program.definition.with_defaults(inputs.clone());
        let limits_of_all = settings.limits_of_all();
        let new = NewRun {
            id: RunId(0),
            source: None,
            inputs,
            start,
            limits,
            scopes: Vec::<Scope>::new(),
            // How much of it is spent, only who holds the store knows.
            left_above: limits_of_all,
            providers,
            fork: None,
            rounds_kept: BTreeMap::new(),
        };
        let program = Arc::new(program);
        match new_run(&program, new, &prices) {
            Ok((RunCreated { limits, .. }, cost)) => Ok(Prepared { program, cost, limits, limits_of_all, inputs: filled, problems: Vec::new() }),
            Err(problems) => {
                let bounds = cost(&program, &filled, &models, &prices);
                let limits = limits.over(program.definition.budget.limits);
                Ok(Prepared { program, cost: bounds, limits, limits_of_all, inputs: filled, problems })
            }
        }
    }
}

impl Prepared {
    /// How the plan stands to all its limits. What all runs share, others may need: to that no plan is sure to fit.
    pub(crate) fn verdict(&self) -> Verdict {
        let of_all = match self.cost.verdict(&self.limits_of_all) {
            Verdict::Fits if !self.limits_of_all.is_empty() => Verdict::MayNotFit,
            verdict => verdict,
        };
        self.cost.verdict(&self.limits).max(of_all)
    }

    /// Refuses what cannot start.
    pub(crate) fn check(&self, workflow: &Workflow) -> Result<(), Fault> {
        if self.problems.is_empty() { Ok(()) } else { Err(Fault::located(workflow.located(self.problems.clone()))) }
    }
}
