//! Problems of what a user wrote: data, not errors. All of them are collected before anybody is told.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// Where a problem stands: a path into the document, and the bytes if the source is at hand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Path into the document, such as `steps[2].params.command`; empty for the whole.
    pub path: String,
    /// Bytes of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Range<usize>>,
}

/// One problem: the place, the reason, the cure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable code, such as `GOR0105`.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What is wrong: a sentence that reads alone.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a path.
    #[must_use]
    pub fn error(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, place: Place { path: path.into(), span: None }, message: message.into(), help: None }
    }

    /// A warning at a path.
    #[must_use]
    pub fn warning(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, message) }
    }

    /// The same with a cure.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it keeps the file from being used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

macro_rules! codes {
    ($($variant:ident = $number:literal, $title:literal;)+) => {
        /// Stable codes of every failure that a user can see. A number is never used again for something else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// All codes, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as users see it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => concat!("GOR", $number),)+ }
            }

            /// What it stands for, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    NotYaml = "0101", "the file is not YAML or JSON";
    TooLarge = "0102", "the file is larger, deeper or more aliased than allowed";
    WrongType = "0103", "a value has the wrong type";
    MissingKey = "0104", "a required key is missing";
    UnknownKey = "0105", "a key is not known";
    UnknownStepType = "0106", "a step type is not known";
    StepTypeNotAvailable = "0107", "a step is valid, but this release cannot run it";
    BadValue = "0108", "a value is out of its range";
    DuplicateStep = "0109", "two steps have one id";
    DuplicateOutput = "0110", "two steps name one output";
    UnknownStep = "0111", "a step that is named does not exist";
    Cycle = "0112", "steps wait for one another";
    UnknownReference = "0113", "a reference names nothing";
    AmbiguousReference = "0114", "a reference names two things";
    BadTemplate = "0115", "a template or expression cannot be read";
    UnsafeShell = "0116", "a reference stands where a shell would run it as code";
    ShellQuoting = "0117", "a reference in shell text is not quoted";
    UnknownOperator = "0118", "a condition's operator is not known";
    UnsafeEffect = "0119", "an irreversible step has neither an idempotency key nor an approval";
    UnknownGoal = "0120", "a goal is neither a step nor an output";
    BadName = "0121", "a name has characters that it may not have";
    OtherDialect = "0122", "the file is written in a dialect that this release does not read";
    DuplicateKey = "0123", "one key stands twice in a map";
    MissingInput = "0201", "a required input was not given";
    BadInput = "0202", "an input has the wrong type";
    UnknownInput = "0203", "an input is not declared";
    CannotFit = "0204", "the plan cannot fit its budget";
    NoProvider = "0205", "no model provider is configured or named";
    UnknownPrice = "0206", "a model without a known price under a dollar limit";
    StepFailed = "0302", "a step failed";
    StepTimedOut = "0303", "a step took too long";
    RunTimedOut = "0304", "a run took too long";
    BudgetExhausted = "0305", "a budget is exhausted";
    BudgetFrozen = "0306", "a budget is frozen";
    PathEscapes = "0308", "a path leads out of its root";
    UnknownRun = "0401", "no run has this id";
    AmbiguousRun = "0402", "several runs match";
    NotInThisState = "0403", "the run is in a state in which that cannot be done";
    StaleApproval = "0404", "the approval is for something else";
    UnknownWorkflow = "0405", "no workflow has this name";
    StoreUnavailable = "0501", "the data directory cannot be used";
    StoreHeld = "0502", "another process holds the data directory";
    StoreDamaged = "0503", "the history of a run is damaged";
    StoreFull = "0504", "the disk is full";
    StoreTooNew = "0505", "the data was written by a newer release";
    BadSetting = "0601", "a setting is not valid";
    Internal = "0901", "a fault of Gorgon itself";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or_else(|| serde::de::Error::custom("not an error code of this release"))
    }
}
