//! Workflow files: finding one by what was said, and loading it.

use std::path::{Path, PathBuf};

use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_language::limits::FILE_BYTES_MAX;
use gorgon_language::{Loaded, SourceMap, load_with};

use crate::context::Context;
use crate::fault::{Fault, Located};
use crate::prompt_file;
use crate::settings::FILE_NAME;
use crate::shipped;

/// The folder in which workflows have names.
const FOLDER: &str = "workflows";

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A workflow file that can be used.
pub(crate) struct Workflow {
    /// Where it lies, absolute; nowhere if a command made it up.
    pub(crate) path: Option<PathBuf>,
    /// As people wrote it, or as short as it can be said.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) definition: Definition,
    pub(crate) warnings: Vec<Diagnostic>,
    source_map: SourceMap,
}

impl Workflow {
    /// The workflow that is meant: a file, or the id, file stem or name of one under `workflows`, or of one that comes with Gorgon.
    pub(crate) fn find(context: &Context, said: &str) -> Result<Self, Fault> {
        let is_users = || context.cwd.join(said).exists() || all(context).iter().any(|path| stem(path) == said || says_its_name(context, path, said));
        if let Some(shipped) = shipped::find(said).filter(|_| !is_users()) {
            return Self::of_text(context, format!("{} (shipped)", shipped.stem), shipped.text.to_owned());
        }
        let path = find(context, said)?;
        Self::load(context, &path)
    }

    pub(crate) fn load(context: &Context, path: &Path) -> Result<Self, Fault> {
        Self::of(context, Some(path.to_owned()), shorten(context, path), read(path)?)
    }

    /// A workflow that no file holds.
    pub(crate) fn of_text(context: &Context, name: String, text: String) -> Result<Self, Fault> {
        Self::of(context, None, name, text)
    }

    fn of(context: &Context, path: Option<PathBuf>, name: String, text: String) -> Result<Self, Fault> {
        let Loaded { definition, diagnostics, source_map } = loaded(context, path.as_deref(), &text);
        let Some(mut definition) = definition else { return Err(Fault::located(Located { file: name, text, diagnostics })) };
        let mut warnings = diagnostics;
        warnings.extend(crate::roles::load(context)?.write_into(&mut definition));
        warnings.extend(crate::scripts::problems(&definition));
        let workflow = Self { path, name, text, definition, warnings, source_map };
        if workflow.warnings.iter().any(Diagnostic::is_error) {
            return Err(Fault::located(workflow.located(workflow.warnings.clone())));
        }
        Ok(workflow)
    }

    /// The same workflow in the native language.
    pub(crate) fn native_yaml(&self, context: &Context) -> Result<String, Fault> {
        // The definition has the texts of roles in it, which the file only names.
        let yaml = loaded(context, self.path.as_deref(), &self.text).native_yaml();
        yaml.ok_or_else(|| Fault::new(Code::UnknownWorkflow, format!("{} has changed while it was read", self.name)).help("give the command again"))
    }

    /// Says what is odd about the file.
    pub(crate) fn warn(&self, context: &Context) {
        if !self.warnings.is_empty() {
            context.printer.diagnostics(&self.located(self.warnings.clone()));
        }
    }

    /// Problems that were found after loading, at their places in the file.
    pub(crate) fn located(&self, mut diagnostics: Vec<Diagnostic>) -> Located {
        for problem in &mut diagnostics {
            let path = &problem.place.path;
            // An input that was not declared stands nowhere in the file, and neither does a goal of the command line.
            let elsewhere = match problem.code {
                Code::UnknownInput => true,
                Code::UnknownGoal => self.definition.goals.is_empty(),
                _ => false,
            };
            if problem.place.span.is_none() && !elsewhere {
                problem.place.span = self.source_map.span(path);
            }
        }
        Located { file: self.name.clone(), text: self.text.clone(), diagnostics }
    }

    /// Puts a refusal of the core at its places in the file.
    pub(crate) fn locate(&self, mut fault: Fault) -> Fault {
        if let Some(located) = fault.located.take() {
            fault.located = Some(Box::new(self.located(located.diagnostics)));
        }
        fault
    }
}

/// What a text says, with the files that it names.
fn loaded(context: &Context, path: Option<&Path>, text: &str) -> Loaded {
    // Settings that cannot be read are told of by whoever needs them.
    let closed = std::cell::LazyCell::new(|| context.settings().map(|settings| settings.closed()).unwrap_or_default());
    load_with(text, &|named| prompt_file::read(&context.cwd, path, &closed, named))
}

/// The files under `workflows`, in the current folder and beside the settings file.
pub(crate) fn all(context: &Context) -> Vec<PathBuf> {
    let beside = context.cwd.ancestors().find(|above| above.join(FILE_NAME).is_file());
    let mut folders = vec![context.cwd.join(FOLDER)];
    folders.extend(beside.map(|above| above.join(FOLDER)).filter(|folder| *folder != folders[0]));
    let mut paths: Vec<PathBuf> =
        folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.is_file() && path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending)));
    paths.sort();
    paths
}

/// The path as short as it can be said from here.
pub(crate) fn shorten(context: &Context, path: &Path) -> String {
    path.strip_prefix(&context.cwd).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> Result<String, Fault> {
    let failed = |error: &std::io::Error| {
        Fault::new(Code::UnknownWorkflow, format!("{}: {error}", path.display())).help("name a workflow file that can be read")
    };
    let bytes = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if bytes > FILE_BYTES_MAX as u64 {
        let fault = Fault::new(Code::TooLarge, format!("{} has {bytes} bytes, and a workflow may have {FILE_BYTES_MAX}", path.display()));
        return Err(fault.help("move data into inputs or files of their own"));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Fault::new(Code::NotYaml, format!("{} is not text in UTF-8 (byte {at})", path.display())).help("write the file in UTF-8")
    })
}

fn find(context: &Context, said: &str) -> Result<PathBuf, Fault> {
    let path = context.cwd.join(said);
    if path.is_file() {
        return Ok(path.canonicalize().unwrap_or(path));
    }
    if path.is_dir() {
        return Err(Fault::new(Code::UnknownWorkflow, format!("{said} is a folder")).help("name a workflow file"));
    }
    let looks_like_a_path = said.contains('/') || ENDINGS.iter().any(|ending| said.ends_with(&format!(".{ending}")));
    if said.split('/').any(|part| part == "..") || said.contains('\0') {
        let fault = Fault::new(Code::UnknownWorkflow, format!("there is no file `{said}`, and the name of a workflow holds no `..`"));
        return Err(fault.help(format!("name a file, or a workflow under `{FOLDER}`")));
    }
    if looks_like_a_path {
        return Err(Fault::new(Code::UnknownWorkflow, format!("there is no file `{said}`")).help("`gorgon init` writes one to begin with"));
    }
    named(context, said)
}

fn named(context: &Context, said: &str) -> Result<PathBuf, Fault> {
    let paths = all(context);
    let matching: Vec<&PathBuf> = paths.iter().filter(|path| stem(path) == said || says_its_name(context, path, said)).collect();
    match matching.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let stems: Vec<&str> = paths.iter().map(|path| stem(path)).collect();
            let fault = Fault::new(Code::UnknownWorkflow, format!("there is neither a file `{said}` nor a workflow of that name under `{FOLDER}`"));
            Err(match gorgon_core::template::nearest(said, stems.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None if stems.is_empty() => fault.help("`gorgon init` writes one to begin with"),
                None => fault.help("`gorgon list` shows them"),
            })
        }
        many => {
            let paths: Vec<String> = many.iter().map(|path| shorten(context, path)).collect();
            Err(Fault::new(Code::UnknownWorkflow, format!("`{said}` may be {}", paths.join(" or "))).help("name the file"))
        }
    }
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

/// Whether a file calls itself so. One that cannot be read has no name.
fn says_its_name(context: &Context, path: &Path, said: &str) -> bool {
    let Some(definition) = read(path).ok().and_then(|text| loaded(context, Some(path), &text).definition) else { return false };
    definition.name == said || definition.metadata.get("id").and_then(|id| id.as_str()) == Some(said)
}
