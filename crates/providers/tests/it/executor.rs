use std::sync::Arc;

use gorgon_core::call::{FailureClass, Family, Metering, Request};
use gorgon_core::ids::{CallId, RunId, StepId};
use gorgon_ports::{Executor, Receipt, RunKey, RunNo, StoredCall};
use gorgon_providers::{ModelExecutor, Providers, Simulated};

use crate::support::{cx, failed, request, succeeded};

fn call(request: Request) -> StoredCall {
    let receipt = Receipt::on_disk(RunKey::found(RunNo(1), RunId(1)), 1, 1);
    let id = CallId { step: StepId::from("s"), item: 0, attempt: 1, call: 0, redo: 0 };
    StoredCall::ordered_by(&receipt, id, Arc::new(request))
}

fn for_provider(name: &str) -> StoredCall {
    call(Request::Model(gorgon_core::call::ModelRequest { provider: name.to_owned(), ..request("hello") }))
}

fn executor() -> ModelExecutor {
    ModelExecutor::new(Providers::new(vec![("simulated".to_owned(), Arc::new(Simulated::default()))]))
}

#[tokio::test]
async fn the_provider_that_is_named_answers() {
    let executor = executor();
    assert_eq!(executor.family(), Family::Model);
    let (value, _) = succeeded(executor.perform(&for_provider("simulated"), cx()).await);
    assert!(value["text"].as_str().is_some_and(|text| text.ends_with(" to: hello")), "{value}");
    assert_eq!(value["model"], "gpt-test");
}

#[tokio::test]
async fn nobody_answers_for_a_provider_that_is_not_configured() {
    let (failure, metering) = failed(executor().perform(&for_provider("openai"), cx()).await);
    assert_eq!((failure.class, metering), (FailureClass::Invalid, Metering::None));
    for part in ["`openai`", "configured: simulated", "[providers.openai]"] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    let nobody = ModelExecutor::new(Providers::default());
    let (failure, _) = failed(nobody.perform(&for_provider("simulated"), cx()).await);
    assert!(failure.message.contains("configured: none"), "{}", failure.message);
}

#[tokio::test]
async fn a_call_of_another_family_is_refused() {
    let (failure, _) = failed(executor().perform(&call(Request::Noop {}), cx()).await);
    assert_eq!(failure.class, FailureClass::Invalid);
}
