//! The executors as the engine calls them: a stored call goes in, an outcome comes out.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod call;
mod file;
mod http;
mod process;
mod script;

use std::collections::BTreeSet;

use gorgon_core::call::{FailureClass, Family, Request};
use gorgon_tools::{NoopExecutor, ToolOptions, executors};

#[test]
fn there_is_one_executor_a_family() {
    let families: Vec<Family> = executors(ToolOptions::default()).iter().map(|executor| executor.family()).collect();
    let distinct: BTreeSet<Family> = families.iter().copied().collect();
    assert_eq!(distinct.len(), families.len());
    assert_eq!(distinct, BTreeSet::from([Family::Noop, Family::Process, Family::Http, Family::Script, Family::File]));
}

#[tokio::test]
async fn nothing_is_done_at_once() {
    assert!(call::value(call::Call::default().perform(&NoopExecutor, Request::Noop {}).await).is_null());
}

#[tokio::test]
async fn a_call_of_another_family_is_a_failure() {
    for executor in executors(ToolOptions::default()) {
        let request = match executor.family() {
            Family::Noop => Request::File(gorgon_core::call::FileRequest::List { path: ".".to_owned() }),
            _ => Request::Noop {},
        };
        let outcome = call::Call::default().perform(&*executor, request).await;
        call::assert_failed(outcome, FailureClass::Invalid, "was given to the executor");
    }
}
