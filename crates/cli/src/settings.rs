//! Settings: flags, then variables, then those of `.env`, then `gorgon.toml`, then defaults; each value knows where it comes from.

mod document;
mod environment;
mod file;
mod known;
mod place;
mod setting;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gorgon_core::budget::Limits;
use gorgon_core::call::Family;
use gorgon_core::diagnostic::Code;
use gorgon_core::money::{Meter, Model, ModelPrice, PriceTable, SIMULATED, parse_usd};
use gorgon_engine::Permits;
use gorgon_providers::{PriceList, ProviderConfig};
use gorgon_tools::{AllowPrivate, Keys};
use indexmap::IndexMap;

pub(crate) use self::environment::Environment;
pub(crate) use self::file::FILE_NAME;
use self::file::FileSettings;
pub(crate) use self::place::MARKER;
pub(crate) use self::setting::Setting;
use crate::fault::Fault;

/// What processes see of the environment if the settings do not say. A `*` at the end stands for anything.
const ENV_ALLOWED: [&str; 10] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "TERM"];

/// The variables that are read, and what for.
pub(crate) const VARIABLES: [(&str, &str); 16] = [
    ("GORGON_DATA_DIR", "where runs are kept; else `.gorgon` beside the nearest `gorgon.toml`, else the user's state folder."),
    ("GORGON_PROVIDER", "who answers where a step names nobody; `[defaults] provider`."),
    ("GORGON_MODEL", "which model answers where a step names none; `[defaults] model`."),
    (
        "GORGON_HTTP_ALLOW_PRIVATE",
        "private addresses, networks and names that HTTP steps may reach, with commas between them; `[http] allow_private`.",
    ),
    (
        "GORGON_ENV_ALLOW",
        "variables that runs see, with commas between them; a `*` at the end stands for anything but names that end in `KEY`, `TOKEN`, `SECRET` or `PASSWORD`; what a run sees is stored with it, so the key of a provider is never among it; `[env] allow`.",
    ),
    ("GORGON_BUDGET_MAX_COST_USD", "the most dollars that all runs together may cost; `[budget] max_cost_usd`."),
    ("GORGON_BUDGET_MAX_TOKENS", "the most tokens that all runs together may use; `[budget] max_tokens`."),
    ("GORGON_BUDGET_MAX_CALLS", "the most calls, of those that may cost money, that all runs together may make; `[budget] max_calls`."),
    ("GORGON_LOG", "what is logged to stderr, such as `info` or `gorgon_engine=debug`; `error` if not set."),
    (
        "DATABASE_URL",
        "the database, if it is not the file in the data directory: `sqlite:PATH`. What belongs to it lies in the folder `PATH.gorgon` then, whatever data directory is named. One that this build cannot open is an error.",
    ),
    ("OPENAI_API_KEY", "the key of OpenAI: with it there is a provider `openai`."),
    ("OPENAI_BASE_URL", "where `openai` is, if it is not OpenAI itself; the key above goes there."),
    ("ANTHROPIC_API_KEY", "the key of Anthropic: with it there is a provider `anthropic`."),
    ("ANTHROPIC_BASE_URL", "where `anthropic` is, if it is not Anthropic itself; the key above goes there."),
    ("CLAUDE_MODE", "how Claude is asked: `api`; `cli` is not in this release, and an error."),
    ("NO_COLOR", "no colours, if it is not empty."),
];

/// Everything that can be set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The settings file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// Where the data lie.
    pub(crate) data_dir: Setting<PathBuf>,
    /// The database file.
    pub(crate) database: Setting<PathBuf>,
    /// Who answers where a step does not say.
    pub(crate) provider: Setting<Option<String>>,
    /// Which model answers where a step does not say.
    pub(crate) model: Setting<Option<String>>,
    /// What HTTP steps may reach besides the public internet.
    pub(crate) allow_private: Setting<Vec<String>>,
    /// What runs see of the environment.
    pub(crate) env_allow: Setting<Vec<String>>,
    /// Limits on what all runs together may spend.
    pub(crate) budget: BTreeMap<Meter, Setting<Option<u64>>>,
    /// How many calls of each family may be in flight at once.
    pub(crate) permits: BTreeMap<Family, Setting<u32>>,
    /// Who can answer.
    pub(crate) providers: IndexMap<String, Setting<ProviderConfig>>,
    /// What is known of models.
    pub(crate) models: IndexMap<String, Setting<Model>>,
    /// Variables, those of `.env` included.
    pub(crate) environment: Environment,
}

impl Settings {
    /// Reads all of them.
    pub(crate) fn resolve(data_dir: Option<&Path>, cwd: &Path) -> Result<Self, Fault> {
        let path = file::find(cwd);
        let environment = Environment::load(cwd, path.as_deref())?;
        let env = |name: &str| environment.get(name);
        let file = path.as_deref().map_or_else(|| Ok(FileSettings::default()), file::load)?;
        let (data_dir, database) = place::place(data_dir, &environment, path.as_deref(), cwd)?;
        let FileSettings { path, provider, model, allow_private, env_allow, budget, permits, mut providers, models } = file;
        let optional = |variable: &str, file: Option<Setting<String>>| match (env(variable), file) {
            (Some(value), _) => Setting::new(Some(value), environment.source(variable)),
            (None, Some(file)) => Setting::new(Some(file.value), file.source),
            (None, None) => Setting::default(None),
        };
        let list = |variable: &str, file: Option<Setting<Vec<String>>>, default: &[&str]| match (env(variable), file) {
            (Some(value), _) => Setting::new(split(&value), environment.source(variable)),
            (None, Some(file)) => file,
            (None, None) => Setting::default(default.iter().map(|&text| text.to_owned()).collect()),
        };
        let allow_private = list("GORGON_HTTP_ALLOW_PRIVATE", allow_private, &[]);
        AllowPrivate::parse(&allow_private.value).map_err(|bad| Fault::new(Code::BadSetting, format!("{bad} ({})", allow_private.source)))?;
        known::add(&mut providers, &environment)?;
        Ok(Self {
            file: path,
            data_dir,
            database,
            provider: optional("GORGON_PROVIDER", provider),
            model: optional("GORGON_MODEL", model),
            allow_private,
            env_allow: list("GORGON_ENV_ALLOW", env_allow, &ENV_ALLOWED),
            budget: limits(budget, &environment)?,
            permits: all_permits(permits),
            providers,
            models,
            environment,
        })
    }

    /// What all runs together may spend.
    pub(crate) fn limits_of_all(&self) -> Limits {
        let mut limits = Limits::default();
        self.budget.iter().filter_map(|(meter, limit)| Some((*meter, limit.value?))).for_each(|(meter, limit)| limits.set(meter, limit));
        limits
    }

    /// The prices in force: those of the settings, then the lists of the vendors that are asked themselves, and the simulator, which is free unless priced.
    pub(crate) fn prices(&self) -> PriceTable {
        let mut models: IndexMap<String, Model> = self.models.iter().map(|(name, model)| (name.clone(), model.value.clone())).collect();
        let simulated = models.entry(SIMULATED.to_owned()).or_insert(Model { price: None, input_tokens_max: None, output_tokens_max: None });
        simulated.price.get_or_insert(ModelPrice::FREE);
        let listed = self.providers.iter().filter_map(|(name, config)| Some((name, config.value.vendor()?)));
        let listed = listed.map(|(name, vendor)| (name.clone(), PriceList::shipped().of(vendor).clone()));
        PriceTable::listed(models, listed.collect())
    }

    /// What may be shown to nobody: the keys of the providers, and the variables whose names end as those of secrets do.
    pub(crate) fn keys(&self) -> Keys {
        let of_providers = self.providers.values().filter_map(|config| self.environment.get(config.value.key_variable()?));
        Keys::new(of_providers.chain(self.environment.secrets()))
    }

    /// Files and folders that no step reads or writes: where the runs are kept, and the settings. `.env` is closed by its name.
    pub(crate) fn closed(&self) -> Vec<PathBuf> {
        let database = |ending: &str| {
            let mut path = self.database.value.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let own = [self.data_dir.value.clone(), database(""), database("-wal"), database("-shm"), database(".lock")];
        own.into_iter().chain(self.file.clone()).collect()
    }

    /// The permits of the engine.
    pub(crate) fn engine_permits(&self) -> Permits {
        Permits(self.permits.iter().map(|(family, setting)| (*family, setting.value)).collect())
    }

    /// What a run sees of this environment. It is stored with the run: the key of a provider is never among it, and another secret only by its whole name.
    pub(crate) fn allowed_env(&self) -> BTreeMap<String, String> {
        let of_providers: BTreeSet<&str> = self.providers.values().filter_map(|config| config.value.key_variable()).collect();
        let allowed = |name: &str| {
            self.env_allow.value.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix) && !environment::is_secret(name),
                None => name == pattern,
            })
        };
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| allowed(name) && !of_providers.contains(name.as_str()))
            .collect()
    }
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

fn limits(file: Vec<(Meter, Setting<u64>)>, environment: &Environment) -> Result<BTreeMap<Meter, Setting<Option<u64>>>, Fault> {
    let mut limits: BTreeMap<Meter, Setting<Option<u64>>> = Meter::ALL.into_iter().map(|meter| (meter, Setting::default(None))).collect();
    limits.extend(file.into_iter().map(|(meter, setting)| (meter, Setting::new(Some(setting.value), setting.source))));
    let variables =
        [(Meter::Usd, "GORGON_BUDGET_MAX_COST_USD"), (Meter::Tokens, "GORGON_BUDGET_MAX_TOKENS"), (Meter::Calls, "GORGON_BUDGET_MAX_CALLS")];
    for (meter, variable) in variables {
        let Some(text) = environment.get(variable) else { continue };
        let limit = if meter == Meter::Usd { parse_usd(&text) } else { text.parse().map_err(|_| format!("`{text}` is not a whole number")) };
        let limit = limit.map_err(|message| Fault::new(Code::BadSetting, format!("{variable}: {message}")))?;
        limits.insert(meter, Setting::new(Some(limit), environment.source(variable)));
    }
    Ok(limits)
}

fn all_permits(file: Vec<(Family, Setting<u32>)>) -> BTreeMap<Family, Setting<u32>> {
    let mut permits: BTreeMap<Family, Setting<u32>> =
        Permits::defaults().0.into_iter().map(|(family, number)| (family, Setting::default(number))).collect();
    permits.extend(file);
    permits
}
