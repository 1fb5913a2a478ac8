//! Why a verb did not do what was asked, with what to do about it and what the process ends with.

use std::path::PathBuf;

use gorgon_api::Problem;
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_ports::StoreError;
use gorgon_store_sqlite::OpenError;

use crate::exit::Exit;

/// Why a verb did not do what was asked.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Problems with places, and the text that the places are in.
    pub(crate) located: Option<Box<Located>>,
}

/// Problems of a text.
#[derive(Debug)]
pub(crate) struct Located {
    /// What the text is called.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, located: None }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// A file or folder of the user cannot be read or written.
    pub(crate) fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::new(Code::StoreUnavailable, format!("{}: {error}", path.into().display()))
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn located(located: Located) -> Self {
        let first = located.diagnostics.iter().find(|problem| problem.is_error());
        let code = first.map_or(Code::Internal, |first| first.code);
        let message = format!("{} cannot be used", located.file);
        Self { code, message, help: None, located: Some(Box::new(located)) }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.code {
            Code::StoreUnavailable | Code::StoreHeld | Code::StoreDamaged | Code::StoreFull | Code::StoreTooNew => Exit::Environment,
            Code::Internal => Exit::Internal,
            _ => Exit::Invalid,
        }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let Problem { detail, code, help, diagnostics, .. } = problem;
        let located = (!diagnostics.is_empty()).then(|| Box::new(Located { file: String::new(), text: String::new(), diagnostics }));
        Self { code, message: detail, help, located }
    }
}

impl From<gorgon_client::Error> for Fault {
    fn from(error: gorgon_client::Error) -> Self {
        match error {
            gorgon_client::Error::Problem(problem) => (*problem).into(),
            gorgon_client::Error::Unreachable { .. } => {
                Self::new(Code::StoreHeld, error.to_string()).help("try again: the process that held the data directory went away")
            }
            gorgon_client::Error::Broken(_) => {
                Self::new(Code::StoreHeld, format!("{error}; whether the request was carried out is not known")).help("look with `gorgon runs list`")
            }
            gorgon_client::Error::Unreadable(_) => Self::internal(error.to_string()).help("another release of gorgon may hold the data directory"),
        }
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Held { .. } => Code::StoreHeld,
            OpenError::Unavailable { .. } => Code::StoreUnavailable,
            OpenError::TooNew { .. } => Code::StoreTooNew,
            OpenError::Damaged { .. } => Code::StoreDamaged,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unavailable(_) | StoreError::Closed(_) => Code::StoreUnavailable,
            StoreError::Damaged(_) => Code::StoreDamaged,
            StoreError::TooNew(_) => Code::StoreTooNew,
        };
        Self::new(code, error.to_string())
    }
}
