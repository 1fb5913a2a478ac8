//! Errors as problem details. The status of a code is chosen in `gorgon-api`, and nowhere else.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gorgon_api::{PROBLEM_JSON, Problem};
use gorgon_core::diagnostic::Code;
use gorgon_engine::{CommandError, CreateError, ForkError, ReadError};
use gorgon_ports::StoreError;

/// A problem on its way out.
pub(crate) struct Refused(pub(crate) Box<Problem>);

impl Refused {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(code, detail)))
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self(Box::new(self.0.help(help)))
    }

    pub(crate) fn unknown_run(text: &str) -> Self {
        Self::new(Code::UnknownRun, format!("there is no run `{text}`")).help("`gorgon runs list` shows the runs")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(*self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unavailable(_) | StoreError::Closed(_) => Code::StoreUnavailable,
            StoreError::Damaged(_) => Code::StoreDamaged,
            StoreError::TooNew(_) => Code::StoreTooNew,
        };
        Self::new(code, error.to_string())
    }
}

impl From<CreateError> for Refused {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Invalid(diagnostics) => Self(Box::new(Problem::of_diagnostics(diagnostics))),
            CreateError::Rejected(rejection) => Self(Box::new(rejection.into())),
            CreateError::Store(error) => error.into(),
        }
    }
}

impl From<ForkError> for Refused {
    fn from(error: ForkError) -> Self {
        match error {
            ForkError::UnknownRun => Self::new(Code::UnknownRun, "no run has this id"),
            ForkError::Create(error) => error.into(),
        }
    }
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::UnknownRun => Self::new(Code::UnknownRun, "no run has this id"),
            CommandError::Rejected(rejection) => Self(Box::new(rejection.into())),
            CommandError::Store(error) => error.into(),
        }
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownRun => Self::new(Code::UnknownRun, "no run has this id"),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(Code::BadInput, rejection.body_text())
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::BadInput, rejection.body_text())
    }
}
