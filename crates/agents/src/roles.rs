//! The roles that there are, by name.

use std::path::{Path, PathBuf};

use gorgon_core::contract::Contract;
use gorgon_core::definition::{Definition, Step};
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_core::template::{escape, is_computed, nearest};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use crate::{Origin, Role, RoleContract};

const SHIPPED: &str = include_str!("../../../assets/roles.toml");

/// The folder in which users keep roles, one Markdown file each.
const FOLDER: &str = "roles";

/// The file in which users of the predecessor keep them.
const PROMPTS: &str = "config/agent_prompts.json";

/// Longest file of a role in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A file of roles that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Which.
    pub file: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

/// Roles by name, in the order in which they are told.
#[derive(Debug, Clone)]
pub struct Roles(IndexMap<String, Role>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShippedRole {
    does: String,
    prompt: String,
    contract: Option<RoleContract>,
}

/// A prompt as the predecessor keeps it: a text, or an object that has one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Prompt {
    Text(String),
    Object {
        #[serde(alias = "prompt", alias = "system")]
        system_prompt: String,
        #[serde(default)]
        description: String,
        #[serde(default)]
        contract: Option<RoleContract>,
    },
}

impl Roles {
    /// Those that come with Gorgon.
    #[must_use]
    pub fn shipped() -> Self {
        let shipped: IndexMap<String, ShippedRole> = toml::from_str(SHIPPED).unwrap_or_default();
        let role =
            |role: ShippedRole| Role { does: role.does, prompt: role.prompt.trim().to_owned(), contract: role.contract, origin: Origin::Shipped };
        Self(shipped.into_iter().map(|(name, shipped)| (name, role(shipped))).collect())
    }

    /// Those, and above them those of a user's folder: `config/agent_prompts.json`, and above it `roles/NAME.md`.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let mut roles = Self::shipped();
        roles.add_prompts(&folder.join(PROMPTS))?;
        roles.add_folder(&folder.join(FOLDER))?;
        Ok(roles)
    }

    /// The role of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Role> {
        self.0.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.0.iter().map(|(name, role)| (name.as_str(), role))
    }

    /// The known name that is nearest to one that is not.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.0.keys().map(String::as_str))
    }

    /// Writes the instructions of the roles that steps name into the definition: whatever becomes of a role later, its runs keep these words. A role that
    /// is not known is told of, and stays what its word says.
    pub fn write_into(&self, definition: &mut Definition) -> Vec<Diagnostic> {
        let mut odd = Vec::new();
        for step in &mut definition.steps {
            self.write_into_step(step, &mut odd);
        }
        odd
    }

    fn write_into_step(&self, step: &mut Step, odd: &mut Vec<Diagnostic>) {
        for inner in &mut step.steps {
            self.write_into_step(inner, odd);
        }
        if step.kind != "agent" {
            return;
        }
        self.write_contract(step, odd);
        if step.params.contains_key("system_prompt") {
            return;
        }
        // A name that is computed is known when the step starts; then it is a word in its instructions.
        let Some(name) = step.params.get("role").and_then(Value::as_str).filter(|name| !is_computed(name)) else { return };
        match self.find(name) {
            Some(role) => {
                step.params.insert("system_prompt".to_owned(), Value::String(escape(&role.prompt)));
            }
            None => {
                let near = self.nearest(name).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                let place = format!("steps.{}", step.id);
                let message = format!("step `{}` has the role `{name}`, of which nothing more is known than its name", step.id);
                odd.push(
                    Diagnostic::warning(Code::BadValue, place, message)
                        .help(format!("{near}`gorgon agent list` shows the roles; `{FOLDER}/{name}.md` makes one")),
                );
            }
        }
    }

    /// The contract of the role, where the step wants it. What the step says itself stands above it.
    fn write_contract(&self, step: &mut Step, odd: &mut Vec<Diagnostic>) {
        if step.params.get("contract").and_then(Value::as_str) != Some("role") {
            return;
        }
        let name = step.params.get("role").and_then(Value::as_str).unwrap_or_default();
        match self.find(name).map(|role| &role.contract) {
            Some(Some(contract)) => {
                step.params.entry("output_schema").or_insert_with(|| contract.output_schema.clone());
                if !contract.rules.is_empty() {
                    step.params.entry("rules").or_insert_with(|| contract.rules.clone().into());
                }
            }
            found => {
                let what = if found.is_some() { "has no contract" } else { "is not known" };
                let message = format!("step `{}` wants the contract of its role `{name}`, which {what}", step.id);
                let help = format!("say `output_schema:`, or give `{FOLDER}/{name}.md` a contract: `gorgon agent show` says how");
                odd.push(Diagnostic::error(Code::BadValue, format!("steps.{}", step.id), message).help(help));
            }
        }
    }

    fn add_prompts(&mut self, file: &Path) -> Result<(), Error> {
        let Some(text) = read(file)? else { return Ok(()) };
        let wrong = |error: serde_json::Error| Error { file: file.to_owned(), message: format!("this is no map of roles and prompts: {error}") };
        let prompts: IndexMap<String, Prompt> = serde_json::from_str(&text).map_err(wrong)?;
        for (name, prompt) in prompts {
            let (prompt, does, contract) = match prompt {
                Prompt::Text(text) => (text, String::new(), None),
                Prompt::Object { system_prompt, description, contract } => (system_prompt, description, contract),
            };
            self.put(name, does, &prompt, contract, file)?;
        }
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), Error> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        let mut files: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
        files.sort();
        for file in files {
            // What a link leads to elsewhere, such as a file of keys, is no role.
            if let (Ok(real), Ok(folder)) = (file.canonicalize(), folder.canonicalize())
                && !real.starts_with(folder)
            {
                return Err(Error { file, message: "a link leads out of the folder".to_owned() });
            }
            let Some(name) = file.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
            if let Some(text) = read(&file)? {
                let (contract, text) = front_matter(&file, &text)?;
                let heading = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default().trim().to_owned();
                self.put(name, heading, text, contract, &file)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, name: String, does: String, prompt: &str, contract: Option<RoleContract>, file: &Path) -> Result<(), Error> {
        let prompt = prompt.trim();
        if prompt.is_empty() {
            return Err(Error { file: file.to_owned(), message: format!("the role `{name}` has no instructions") });
        }
        if contract.as_ref().is_some_and(|contract| contract.rules.iter().any(|rule| rule.trim_start().starts_with("custom:"))) {
            let message = format!("the contract of the role `{name}` has a rule in a file of its own: write it out as `script: …`");
            return Err(Error { file: file.to_owned(), message });
        }
        if let Some(Err(why)) = contract.as_ref().map(|contract| Contract::new(contract.output_schema.clone(), &contract.rules)) {
            return Err(Error { file: file.to_owned(), message: format!("the contract of the role `{name}` cannot be used: {why}") });
        }
        let known = self.0.get(&name);
        let does = if does.is_empty() { known.map(|role| role.does.clone()).unwrap_or_default() } else { does };
        // Other words for a role do not change what its answers have to be.
        let contract = contract.or_else(|| known.and_then(|role| role.contract.clone()));
        self.0.insert(name, Role { does, prompt: prompt.to_owned(), contract, origin: Origin::File(file.to_owned()) });
        Ok(())
    }
}

/// What stands between two lines of `+++` before the instructions: the contract, in TOML.
fn front_matter<'t>(file: &Path, text: &'t str) -> Result<(Option<RoleContract>, &'t str), Error> {
    let Some(rest) = text.strip_prefix("+++\n") else { return Ok((None, text)) };
    let wrong = |message: String| Error { file: file.to_owned(), message };
    let Some((front, text)) = rest.split_once("\n+++\n") else {
        return Err(wrong("the block that begins with `+++` is never closed by another one".to_owned()));
    };
    let contract = toml::from_str(front).map_err(|error| wrong(format!("what stands between `+++` is no contract: {error}")))?;
    Ok((Some(contract), text))
}

/// The text of a file; `None` if it is not there.
fn read(file: &Path) -> Result<Option<String>, Error> {
    let wrong = |message: String| Error { file: file.to_owned(), message };
    let length = match std::fs::metadata(file) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    if length > FILE_BYTES_MAX {
        return Err(wrong(format!("it has {length} bytes; at most {FILE_BYTES_MAX} are allowed")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    // As an editor on Windows writes it.
    Ok(Some(text.trim_start_matches('\u{feff}').replace("\r\n", "\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_role_has_a_contract_that_can_be_met() {
        for (name, role) in Roles::shipped().iter() {
            let contract = role.contract.as_ref().unwrap_or_else(|| panic!("{name} has none"));
            let checked = Contract::new(contract.output_schema.clone(), &contract.rules).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(!checked.check(&serde_json::json!({})).is_empty(), "{name} asks for nothing");
        }
    }

    #[test]
    fn a_role_of_the_users_has_a_contract_of_its_own_or_that_of_the_role_whose_place_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "roles/judge.md",
            "+++\noutput_schema = { type = \"object\", required = [\"score\"] }\nrules = [\"output.score > 3\"]\n+++\n# Judges\nYou judge.\n",
        );
        write("roles/planner.md", "Plan as we do.");
        let roles = Roles::load(folder.path()).unwrap();
        let judge = roles.find("judge").unwrap();
        assert_eq!((judge.does.as_str(), judge.prompt.as_str()), ("Judges", "# Judges\nYou judge."));
        assert_eq!(judge.contract.as_ref().unwrap().rules, ["output.score > 3"]);
        assert_eq!(roles.find("planner").unwrap().contract, Roles::shipped().find("planner").unwrap().contract);
        for (text, says) in [
            ("+++\noutput_schema = 1\n", "never closed"),
            ("+++\nschema = {}\n+++\nx", "no contract"),
            ("+++\noutput_schema = { type = 7 }\n+++\nx", "cannot be used"),
            ("+++\noutput_schema = {}\nrules = [\"type: nothing\"]\n+++\nx", "cannot be used"),
            ("+++\noutput_schema = {}\nrules = [\"custom: mine\"]\n+++\nx", "write it out"),
        ] {
            write("roles/judge.md", text);
            let error = Roles::load(folder.path()).unwrap_err();
            assert!(error.file.ends_with("roles/judge.md") && error.message.contains(says), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn the_shipped_roles_are_there_and_have_something_to_say() {
        let roles = Roles::shipped();
        let names: Vec<&str> = roles.iter().map(|(name, _)| name).collect();
        for name in [
            "planner",
            "builder",
            "tester",
            "reviewer",
            "architect",
            "documenter",
            "analyst",
            "visualizer",
            "reporter",
            "data_engineer",
            "data_analyst",
            "devops",
            "security_auditor",
            "migrator",
            "model_builder",
        ] {
            assert!(names.contains(&name), "{name} is missing");
        }
        for (name, role) in roles.iter() {
            assert!(role.prompt.len() > 100 && role.does.ends_with('.') && !role.does.contains('\n'), "{name}");
        }
        assert_eq!(roles.nearest("reviwer"), Some("reviewer"));
    }

    #[test]
    fn files_of_the_user_take_their_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write(PROMPTS, r#"{"planner": "Plan it.", "tester": {"system_prompt": "Test it.", "description": "Tests."}}"#);
        write("roles/tester.md", "# Tests twice.\nTest it twice: ${nothing}.\n");
        write("roles/poet.md", "Write verse.\n");
        let roles = Roles::load(folder.path()).expect("roles");
        let told = |name: &str| roles.find(name).map(|role| (role.prompt.as_str(), role.does.as_str())).expect("a role");
        assert_eq!(told("planner"), ("Plan it.", Roles::shipped().find("planner").expect("a role").does.as_str()));
        assert_eq!(told("tester"), ("# Tests twice.\nTest it twice: ${nothing}.", "Tests twice."));
        assert_eq!(told("poet").0, "Write verse.");
        for (name, text) in [(PROMPTS, "["), (PROMPTS, r#"{"a": 1}"#), ("roles/empty.md", " \n")] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(&path, text).expect("written");
            assert_eq!(Roles::load(folder.path()).map(drop).expect_err(text).file, path);
        }
    }
}
