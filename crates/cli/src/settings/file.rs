//! What `gorgon.toml` says.

use std::path::{Path, PathBuf};

use gorgon_core::call::Family;
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_core::money::{Meter, Model, ModelPrice, SIMULATED};
use gorgon_providers::ProviderConfig;
use gorgon_tools::AllowPrivate;
use indexmap::IndexMap;
use toml::de::DeTable;

use super::document::{At, Problems, Table, json};
use super::setting::{Setting, Source};
use crate::fault::{Fault, Located};

/// The name of the file.
pub(crate) const FILE_NAME: &str = "gorgon.toml";

/// What the file says; nothing if there is none.
#[derive(Debug, Default)]
pub(super) struct FileSettings {
    pub(super) path: Option<PathBuf>,
    pub(super) provider: Option<Setting<String>>,
    pub(super) model: Option<Setting<String>>,
    pub(super) allow_private: Option<Setting<Vec<String>>>,
    pub(super) env_allow: Option<Setting<Vec<String>>>,
    pub(super) budget: Vec<(Meter, Setting<u64>)>,
    pub(super) permits: Vec<(Family, Setting<u32>)>,
    pub(super) providers: IndexMap<String, Setting<ProviderConfig>>,
    pub(super) models: IndexMap<String, Setting<Model>>,
}

/// The nearest file of that name, in this folder or above it.
pub(super) fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|above| above.join(FILE_NAME)).find(|path| path.is_file())
}

/// Reads the file.
pub(super) fn load(path: &Path) -> Result<FileSettings, Fault> {
    let text = std::fs::read_to_string(path).map_err(|error| Fault::new(Code::BadSetting, format!("{}: {error}", path.display())))?;
    let name = path.display().to_string();
    let mut problems = Problems::default();
    let settings = match DeTable::parse(&text) {
        Ok(root) => read(Table::root(&root), &Lines { file: &name, text: &text }, &mut problems),
        Err(error) => {
            let mut problem = Diagnostic::error(Code::BadSetting, "", format!("this is not TOML: {}", error.message()));
            problem.place.span = error.span();
            problems.0.push(problem);
            FileSettings::default()
        }
    };
    if problems.0.is_empty() {
        return Ok(FileSettings { path: Some(path.to_owned()), ..settings });
    }
    problems.0.sort_by_key(|problem| problem.place.span.as_ref().map_or(0, |span| span.start));
    Err(Fault::located(Located { file: name, text, diagnostics: problems.0 }))
}

struct Lines<'a> {
    file: &'a str,
    text: &'a str,
}

impl Lines<'_> {
    fn source(&self, at: &At) -> Source {
        Source::File { file: self.file.to_owned(), line: gorgon_language::line_col(self.text, at.span.start).0 }
    }

    fn setting<T>(&self, (at, value): (At, T)) -> Setting<T> {
        Setting::new(value, self.source(&at))
    }
}

fn read(mut root: Table<'_>, lines: &Lines<'_>, problems: &mut Problems) -> FileSettings {
    let mut settings = FileSettings::default();
    if let Some(mut defaults) = root.table("defaults", problems) {
        settings.provider = defaults.text("provider", problems).map(|found| lines.setting(found));
        settings.model = defaults.text("model", problems).map(|found| lines.setting(found));
        defaults.finish(problems);
    }
    if let Some(mut http) = root.table("http", problems) {
        if let Some((at, entries)) = http.texts("allow_private", problems) {
            if let Err(bad) = AllowPrivate::parse(&entries) {
                problems.add(&at, bad.to_string());
            }
            settings.allow_private = Some(lines.setting((at, entries)));
        }
        http.finish(problems);
    }
    if let Some(mut env) = root.table("env", problems) {
        settings.env_allow = env.texts("allow", problems).map(|found| lines.setting(found));
        env.finish(problems);
    }
    if let Some(mut budget) = root.table("budget", problems) {
        let usd = budget.usd("max_cost_usd", problems).map(|found| (Meter::Usd, lines.setting(found)));
        let tokens = budget.whole("max_tokens", problems).map(|found| (Meter::Tokens, lines.setting(found)));
        let calls = budget.whole("max_calls", problems).map(|found| (Meter::Calls, lines.setting(found)));
        settings.budget.extend([usd, tokens, calls].into_iter().flatten());
        budget.finish(problems);
    }
    if let Some(mut limits) = root.table("limits", problems) {
        for family in Family::ALL {
            let Some((at, number)) = limits.whole(family_word(family), problems) else { continue };
            match u32::try_from(number).ok().filter(|number| *number > 0) {
                Some(number) => settings.permits.push((family, lines.setting((at, number)))),
                None => drop(problems.add(&at, format!("`{}` must lie between 1 and {}", at.path, u32::MAX)).clone()),
            }
        }
        limits.finish(problems);
    }
    if let Some(mut providers) = root.table("providers", problems) {
        for (name, at, value) in providers.named() {
            if let Some(config) = provider(&name, &at, &json(value), problems) {
                settings.providers.insert(name, lines.setting((at, config)));
            }
        }
    }
    if let Some(mut models) = root.table("models", problems) {
        for (name, at, value) in models.named() {
            let source = lines.source(&at);
            if let Some(model) = Table::of_value(at, value, problems).and_then(|table| model(table, problems)) {
                settings.models.insert(name, Setting::new(model, source));
            }
        }
    }
    root.finish(problems);
    settings
}

/// The word of a family in the settings.
pub(super) fn family_word(family: Family) -> &'static str {
    match family {
        Family::Noop => "noop",
        Family::Process => "process",
        Family::Http => "http",
        Family::Script => "script",
        Family::File => "file",
        Family::Model => "model",
    }
}

fn provider(name: &str, at: &At, value: &serde_json::Value, problems: &mut Problems) -> Option<ProviderConfig> {
    let config: ProviderConfig = match serde_json::from_value(value.clone()) {
        Ok(config) => config,
        Err(error) => {
            let problem = problems.add(at, format!("`{}` makes no provider: {error}", at.path));
            problem.help = Some("a provider has a `kind` (`openai`, `anthropic` or `simulated`) and the settings of that kind".to_owned());
            return None;
        }
    };
    // Costs and results of the simulator are recognised by its name, so no other may stand for it, and it for no other.
    if matches!(config, ProviderConfig::Simulated(_)) != (name == SIMULATED) {
        let problem = problems.add(at, format!("`{}`: the simulator is `[providers.simulated]`, and nothing else has that name", at.path));
        problem.help = Some("rename the table, or change its `kind`".to_owned());
        return None;
    }
    Some(config)
}

fn model(mut table: Table<'_>, problems: &mut Problems) -> Option<Model> {
    // Models are found by name; the provider is for people.
    table.text("provider", problems);
    let free = table.flag("free", problems).unwrap_or(false);
    let input = table.usd("input_usd_per_mtok", problems);
    let output = table.usd("output_usd_per_mtok", problems);
    let cache_read = table.usd("cache_read_usd_per_mtok", problems);
    let cache_write = table.usd("cache_write_usd_per_mtok", problems);
    let input_tokens_max = table.whole("input_tokens_max", problems).map(|(_, number)| number);
    let output_tokens_max = table.whole("output_tokens_max", problems).map(|(_, number)| number);
    let at = table.at().clone();
    table.finish(problems);
    let priced = input.is_some() || output.is_some() || cache_read.is_some() || cache_write.is_some();
    let price = match (free, &input, &output) {
        (true, ..) if priced => {
            problems.add(&at, format!("`{}` says both `free` and a price", at.path)).help = Some("keep one of them".to_owned());
            return None;
        }
        (true, ..) => Some(ModelPrice::FREE),
        (false, Some((_, input)), Some((_, output))) => Some(ModelPrice {
            input_nano_usd_per_mtok: *input,
            output_nano_usd_per_mtok: *output,
            // A part without a price of its own is charged as plain input.
            cache_read_nano_usd_per_mtok: cache_read.map_or(*input, |(_, nano)| nano),
            cache_write_nano_usd_per_mtok: cache_write.map_or(*input, |(_, nano)| nano),
            long: None,
        }),
        (false, None, None) if !priced => None,
        (false, ..) => {
            problems.add(&at, format!("`{}` needs both `input_usd_per_mtok` and `output_usd_per_mtok`", at.path)).help =
                Some("give both, or say `free = true`".to_owned());
            return None;
        }
    };
    Some(Model { price, input_tokens_max, output_tokens_max })
}
