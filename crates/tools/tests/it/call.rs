//! A call and what surrounds it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gorgon_core::call::{Failure, FailureClass, Outcome, Request};
use gorgon_core::ids::{CallId, RunId, StepId};
use gorgon_ports::{CallCx, Executor, Progress, ProgressSink, Receipt, RunKey, RunNo, Steer, StoredCall};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) struct Call {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) timeout: Duration,
    pub(crate) cancel: CancellationToken,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) key: &'static str,
    pub(crate) told: Arc<Mutex<Vec<Progress>>>,
    pub(crate) on_progress: Arc<dyn Fn(&Progress) -> Steer + Send + Sync>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            timeout: Duration::from_secs(60),
            cancel: CancellationToken::new(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            key: "key-of-the-step",
            told: Arc::default(),
            on_progress: Arc::new(|_| Steer::Continue),
        }
    }
}

impl Call {
    pub(crate) fn within(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn perform(&self, executor: &dyn Executor, request: Request) -> Outcome {
        let (told, on_progress) = (self.told.clone(), self.on_progress.clone());
        let progress: ProgressSink = Arc::new(move |progress| {
            let steer = on_progress(&progress);
            told.lock().unwrap().push(progress);
            steer
        });
        let cx = CallCx {
            deadline: Instant::now() + self.timeout,
            cancel: self.cancel.clone(),
            idempotency_key: self.key.to_owned(),
            folder: self.path().to_owned(),
            env: Arc::new(self.env.clone()),
            progress,
        };
        executor.perform(&stored(request), cx).await
    }

    /// What was told of a stream so far.
    pub(crate) fn output(&self, stream: &str) -> String {
        let told = self.told.lock().unwrap();
        let pieces = told.iter().filter_map(|progress| match progress {
            Progress::Output { stream: of, bytes } if *of == stream => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        pieces.collect()
    }
}

fn stored(request: Request) -> StoredCall {
    let receipt = Receipt::on_disk(RunKey::found(RunNo(1), RunId(1)), 1, 1);
    let id = CallId { step: StepId::from("step"), item: 0, attempt: 1, call: 0, redo: 0 };
    StoredCall::ordered_by(&receipt, id, Arc::new(request))
}

pub(crate) fn value(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Succeeded { value, .. } => value.value(),
        other => panic!("no value: {other:?}"),
    }
}

pub(crate) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed { failure, .. } => failure,
        other => panic!("no failure: {other:?}"),
    }
}

/// Asserts the class and a part of the message.
pub(crate) fn assert_failed(outcome: Outcome, class: FailureClass, part: &str) {
    let failure = failure(outcome);
    assert_eq!(failure.class, class, "{failure:?}");
    assert!(failure.message.contains(part), "{part:?} is not in {:?}", failure.message);
}
