//! What the simulations came across.

use std::collections::BTreeMap;
use std::fmt;

use gorgon_core::command::Command;
use gorgon_core::event::Event;
use gorgon_core::run::RunStatus;

/// What can go wrong around a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process died before the append was written.
    CrashBeforeCommit,
    /// The process died after the append was written and before anybody knew.
    CrashAfterCommit,
    /// The process died between two appends.
    CrashAtRest,
    /// The store had no room.
    StoreFull,
    /// The store could not say, and the append was written.
    UnknownWritten,
    /// The store could not say, and the append was lost.
    UnknownLost,
    /// An owner that was replaced went on for a while.
    Zombie,
    /// A budget above the run said no.
    BudgetRefused,
    /// An answer came twice.
    Duplicate,
    /// An answer came after its call was redone or its run had ended.
    Late,
    /// The clock jumped forward.
    ClockForward,
    /// The clock jumped back.
    ClockBack,
    /// The provider charged more than it could.
    UsageBeyondHold,
    /// The provider did not say what was used.
    UsageMissing,
    /// The call failed.
    CallFailed,
    /// Nobody knows how far the call came.
    CallInDoubt,
    /// No permits were left.
    NoPermits,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::CrashBeforeCommit,
        Self::CrashAfterCommit,
        Self::CrashAtRest,
        Self::StoreFull,
        Self::UnknownWritten,
        Self::UnknownLost,
        Self::Zombie,
        Self::BudgetRefused,
        Self::Duplicate,
        Self::Late,
        Self::ClockForward,
        Self::ClockBack,
        Self::UsageBeyondHold,
        Self::UsageMissing,
        Self::CallFailed,
        Self::CallInDoubt,
        Self::NoPermits,
    ];
}

/// The commands, by name.
pub(crate) const COMMANDS: [&str; 11] =
    ["create", "complete", "tick", "recover", "pause", "resume", "retry", "cancel", "approve", "signal", "resolve"];

pub(crate) fn name(command: &Command) -> &'static str {
    match command {
        Command::Create { .. } => "create",
        Command::CompleteCall { .. } => "complete",
        Command::Tick => "tick",
        Command::Recover => "recover",
        Command::Pause { .. } => "pause",
        Command::Resume(_) => "resume",
        Command::Retry { .. } => "retry",
        Command::Cancel { .. } => "cancel",
        Command::Approve(_) => "approve",
        Command::Signal { .. } => "signal",
        Command::Resolve(_) => "resolve",
    }
}

/// How often each thing happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Commands, by name and the status that they found the run in.
    pub commands: BTreeMap<(&'static str, RunStatus), u64>,
    /// Events on disk, by name.
    pub events: BTreeMap<&'static str, u64>,
    /// Faults.
    pub faults: BTreeMap<Fault, u64>,
    /// How runs ended.
    pub ends: BTreeMap<RunStatus, u64>,
}

impl Coverage {
    /// Adds what another simulation came across.
    pub fn add(&mut self, other: &Self) {
        fn sum<K: Ord + Copy>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
            for (key, count) in from {
                *into.entry(*key).or_default() += count;
            }
        }
        sum(&mut self.commands, &other.commands);
        sum(&mut self.events, &other.events);
        sum(&mut self.faults, &other.faults);
        sum(&mut self.ends, &other.ends);
    }

    /// What never happened, in words.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        // No command of this release undoes anything.
        let statuses = RunStatus::ALL.into_iter().filter(|status| *status != RunStatus::Compensating);
        let pairs = statuses.flat_map(|status| COMMANDS.map(|command| (command, status)));
        let commands = pairs.filter(|pair| !self.commands.contains_key(pair)).map(|(command, status)| format!("`{command}` while {}", status.word()));
        // A last attempt is recorded by the end of its step; the event without a time is read, not written.
        let events = Event::NAMES.into_iter().filter(|name| !self.events.contains_key(name)).map(|name| format!("event {name}"));
        let faults = Fault::ALL.into_iter().filter(|fault| !self.faults.contains_key(fault)).map(|fault| format!("fault {fault:?}"));
        commands.chain(events).chain(faults).collect()
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "commands by the status that they found")?;
        for command in COMMANDS {
            write!(f, "  {command:9}")?;
            for status in RunStatus::ALL {
                if let Some(count) = self.commands.get(&(command, status)) {
                    write!(f, " {}={count}", status.word())?;
                }
            }
            writeln!(f)?;
        }
        writeln!(f, "events")?;
        for (name, count) in &self.events {
            writeln!(f, "  {name:18} {count}")?;
        }
        writeln!(f, "faults")?;
        for (fault, count) in &self.faults {
            writeln!(f, "  {:18} {count}", format!("{fault:?}"))?;
        }
        writeln!(f, "ends")?;
        for (status, count) in &self.ends {
            writeln!(f, "  {:18} {count}", status.word())?;
        }
        Ok(())
    }
}
