//! Step types of the predecessors' files whose machinery comes with a later release: their files load and can be checked, and are refused at the
//! start by name. They never pretend.

use serde_json::{Map, Value};

use super::{Next, Param, StepCx, StepKind};
use crate::call::{Failure, FailureClass, Outcome};
use crate::definition::EffectClass;

/// A step type that loads but does not run.
pub(super) struct Later {
    name: &'static str,
    reason: &'static str,
}

pub(super) const MCP_TOOL: Later = Later { name: "mcp_tool", reason: "MCP tools are not in this release" };
pub(super) const GITHUB: Later = Later { name: "github", reason: "the GitHub connector is not in this release" };
pub(super) const NOTION: Later = Later { name: "notion", reason: "the Notion connector is not in this release" };
pub(super) const GMAIL: Later = Later { name: "gmail", reason: "the Gmail connector is not in this release" };
pub(super) const SLACK: Later = Later { name: "slack", reason: "the Slack connector is not in this release" };
pub(super) const CALENDAR: Later = Later { name: "calendar", reason: "the calendar connector is not in this release" };
pub(super) const BROWSER: Later = Later { name: "browser", reason: "the browser connector is not in this release" };

/// A type that has nothing in this release but a name.
const fn later(name: &'static str, reason: &'static str) -> Later {
    Later { name, reason }
}

pub(super) const RESEARCH_AGENT: Later = later("ResearchAgent", "searching by the `ResearchAgent` is not in this release");
pub(super) const DEVOPS_AGENT: Later = later("DevOpsAgent", "the `DevOpsAgent` is not in this release");
pub(super) const BROWSER_AGENT: Later = later("BrowserAgent", "the `BrowserAgent` is not in this release");
pub(super) const SHELL_AGENT: Later = later("ShellAgent", "the `ShellAgent` is not in this release");
pub(super) const SCHEDULER_AGENT: Later = later("SchedulerAgent", "the `SchedulerAgent` is not in this release");
pub(super) const MEMORY_AGENT: Later = later("MemoryAgent", "the `MemoryAgent` is not in this release");
pub(super) const VALIDATION_AGENT: Later = later("ValidationAgent", "the `ValidationAgent` is not in this release");
pub(super) const MONITOR_AGENT: Later = later("MonitorAgent", "the `MonitorAgent` is not in this release");
pub(super) const SECURITY_AGENT: Later = later("SecurityAgent", "the `SecurityAgent` is not in this release");
pub(super) const NOTIFIER_AGENT: Later = later("NotifierAgent", "the `NotifierAgent` is not in this release");
pub(super) const DATABASE_AGENT: Later = later("DatabaseAgent", "the `DatabaseAgent` is not in this release");
pub(super) const ML_AGENT: Later = later("MLAgent", "the `MLAgent` is not in this release");
pub(super) const CLAUDE_CLI: Later = later("claude_cli", "the command line of Claude Code is not in this release");
pub(super) const CODEX: Later = later("codex", "the agent `codex` is not in this release");
pub(super) const CURSOR: Later = later("cursor", "the agent `cursor` is not in this release");

impl StepKind for Later {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        "Loads and is checked, but this release does not run it."
    }

    fn params(&self) -> &'static [Param] {
        &[]
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn unavailable(&self) -> Option<&'static str> {
        Some(self.reason)
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::AtMostOnce
    }

    fn next(&self, _cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        Next::Fail(Failure::new(FailureClass::Invalid, self.reason))
    }
}
