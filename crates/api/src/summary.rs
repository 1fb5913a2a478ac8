//! `GET /v1/runs`.

use gorgon_core::ids::RunId;
use gorgon_core::run::RunStatus;
use serde::{Deserialize, Serialize};

use crate::Time;

/// The runs that match, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunList {
    /// The runs.
    pub runs: Vec<RunSummary>,
}

/// A run, as its row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// How it stands.
    pub status: RunStatus,
    /// The name of its workflow.
    pub workflow: String,
    /// The file that it was started from, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// When it was created.
    pub created_at: Time,
    /// When its status last changed.
    pub updated_at: Time,
    /// When it wants to be woken, if it sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Time>,
}

/// Which runs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunQuery {
    /// Only runs in these states, as words with commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Only runs of the workflow of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only runs that were started from this file (absolute path).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Only runs that are older than the one of this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RunId>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl RunQuery {
    /// The states that are asked for; empty: all.
    ///
    /// # Errors
    /// The word that names no status.
    pub fn statuses(&self) -> Result<Vec<RunStatus>, String> {
        let words = self.status.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| RunStatus::from_word(word).ok_or_else(|| word.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_words_with_commas() {
        let query = |status: &str| RunQuery { status: Some(status.to_owned()), ..RunQuery::default() };
        assert_eq!(query("paused, failed,").statuses(), Ok(vec![RunStatus::Paused, RunStatus::Failed]));
        assert_eq!(query("paused,done").statuses(), Err("done".to_owned()));
        assert_eq!(RunQuery::default().statuses(), Ok(Vec::new()));
    }
}
