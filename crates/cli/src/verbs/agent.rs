//! `gorgon agent`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use gorgon_core::diagnostic::Code;
use serde_json::{Value, json};

use super::RunVerb;
use super::run::Flags;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::roles;
use crate::workflow::Workflow;

/// One agent by itself: list the roles, show one, or give it a task.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the roles.
    List,
    /// Show the instructions of a role.
    Show {
        /// The role.
        role: String,
    },
    Run(Box<RunAgent>),
}

/// Give a task to an agent in a role, as a run like any other.
#[derive(Debug, Args)]
struct RunAgent {
    /// The role.
    role: String,
    /// What it has to do.
    task: String,
    /// What it should know for it; may be given several times.
    #[arg(long, value_name = "TEXT")]
    context: Vec<String>,
    /// What it may use: `files`, `shell`, `http`, `script`, or one of them such as `files.read`; may be given several times.
    #[arg(long = "tool", value_name = "TOOL")]
    tools: Vec<String>,
    /// Its answer has to be what the contract of the role says; it is asked again if it is not.
    #[arg(long)]
    contract: bool,
    /// Most tokens of each answer.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_tokens: u64,
    #[command(flatten)]
    flags: Flags,
}

impl Agent {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let printer = &context.printer;
        let roles = roles::load(context)?;
        let known = |name: &str| {
            roles.find(name).ok_or_else(|| {
                let near = roles.nearest(name).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                Fault::new(Code::BadInput, format!("there is no role `{name}`"))
                    .help(format!("{near}`gorgon agent list` shows them; `roles/{name}.md` makes one"))
            })
        };
        match self.what {
            What::List if printer.json => {
                let list: Vec<Value> =
                    roles.iter().map(|(name, role)| json!({ "name": name, "does": role.does, "origin": role.origin.to_string() })).collect();
                printer.document(&json!({ "roles": list }));
            }
            What::List => roles.iter().for_each(|(name, role)| printer.data(format!("{name:<18} {}", role.does))),
            What::Show { role } => {
                let found = known(&role)?;
                if printer.json {
                    printer.document(&json!({
                        "name": role, "does": found.does, "prompt": found.prompt, "contract": found.contract, "origin": found.origin.to_string(),
                    }));
                } else {
                    printer.data(&found.prompt);
                    if let Some(contract) = &found.contract {
                        printer.say(
                            "contract (for steps that say `contract: role`; a file `roles/NAME.md` has its own as TOML between two lines of `+++`):",
                        );
                        printer.say(serde_json::to_string_pretty(contract).unwrap_or_default());
                    }
                    printer.say(format!("from: {}", found.origin));
                }
            }
            What::Run(agent) => {
                known(&agent.role)?;
                let inputs = BTreeMap::from([("task".to_owned(), agent.prompt().into())]);
                let workflow = Workflow::of_text(context, format!("agent {}", agent.role), agent.workflow())?;
                return Box::pin(RunVerb::of(agent.flags).run_workflow(context, workflow, inputs)).await;
            }
        }
        Ok(Exit::Done)
    }
}

impl RunAgent {
    /// The task, behind what it should know: data, never read as a template.
    fn prompt(&self) -> String {
        let known: String = self.context.iter().map(|text| format!("{text}\n\n")).collect();
        if known.is_empty() { self.task.clone() } else { format!("What you should know:\n\n{known}---\n\n{}", self.task) }
    }

    /// A workflow of one step, in the native language.
    fn workflow(&self) -> String {
        let mut step = json!({
            "id": "agent", "type": "agent", "outputs": ["answer"],
            "params": { "role": self.role, "prompt": "${task}", "max_tokens": self.max_tokens, "tools": self.tools },
        });
        if self.contract {
            step["params"]["contract"] = "role".into();
        }
        let inputs = json!({ "task": { "type": "string", "required": true } });
        json!({ "name": format!("agent-{}", self.role), "inputs": inputs, "outputs": ["answer"], "steps": [step] }).to_string()
    }
}
