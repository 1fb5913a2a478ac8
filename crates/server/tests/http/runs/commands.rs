//! `POST /v1/runs/{id}/commands/{name}`: each with a body that it takes, one that it does not, and in a state in which it makes no sense.

use gorgon_api::{CommandName, Run};
use gorgon_core::run::RunStatus;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{ASKS, FAILS, HELLO, Server, WAITS, body, problem};

async fn told(server: &Server, run: &Run, name: &str, with: &Value) -> Run {
    let response = server.post(&address(run, name), with).await;
    let status = response.status();
    let body = body(response).await;
    assert_eq!(status, StatusCode::OK, "{name}: {body}");
    serde_json::from_value(body).expect("a run")
}

fn address(run: &Run, name: &str) -> String {
    format!("/v1/runs/{}/commands/{name}", run.id)
}

#[tokio::test]
async fn an_approval_counts_for_what_was_seen() {
    let server = Server::start().await;
    let run = server.create(ASKS).await;
    let shown = server.until(run.id, RunStatus::Waiting).await;
    let waiting = serde_json::to_value(&shown.waiting_for).expect("JSON");
    let hash = waiting[0]["hash"].clone();
    let other = json!("0".repeat(64));
    problem(server.post(&address(&run, "approve"), &json!({ "step": "ok", "hash": other })).await, StatusCode::CONFLICT, "GOR0404").await;
    let after = told(&server, &run, "approve", &json!({ "step": "ok", "hash": hash, "comment": "fine", "by": "bob" })).await;
    assert_ne!(after.status, RunStatus::Waiting);
    assert_eq!(server.until(run.id, RunStatus::Completed).await.outputs.value(), json!({ "said": "hello" }));
    problem(server.post(&address(&run, "approve"), &json!({})).await, StatusCode::CONFLICT, "GOR0403").await;
    server.stop().await;
}

#[tokio::test]
async fn a_rejection_fails_the_run_and_a_retry_asks_again() {
    let server = Server::start().await;
    let run = server.create(ASKS).await;
    server.until(run.id, RunStatus::Waiting).await;
    let rejected = told(&server, &run, "reject", &json!({ "comment": "no" })).await;
    assert_eq!(rejected.status, RunStatus::Failed);
    assert!(rejected.error.is_some_and(|error| error.message.contains("no")));
    assert_eq!(told(&server, &run, "retry", &json!({ "step": "ok" })).await.status, RunStatus::Waiting);
    server.stop().await;
}

#[tokio::test]
async fn a_retry_opens_failed_steps_again() {
    let server = Server::start().await;
    let run = server.ended(FAILS).await;
    assert_eq!(run.status, RunStatus::Failed);
    assert_ne!(told(&server, &run, "retry", &json!({})).await.status, RunStatus::Failed);
    let again = server.until(run.id, RunStatus::Failed).await;
    assert_eq!(again.steps[0].attempts, 2);
    let done = server.ended(HELLO).await;
    problem(server.post(&address(&done, "retry"), &json!({})).await, StatusCode::CONFLICT, "GOR0403").await;
    server.stop().await;
}

#[tokio::test]
async fn a_pause_and_a_resume() {
    let server = Server::start().await;
    let run = server.create(WAITS).await;
    let paused = told(&server, &run, "pause", &json!({ "interrupt": true })).await;
    assert_eq!((paused.status, paused.interrupted), (RunStatus::Paused, true));
    problem(server.post(&address(&run, "pause"), &json!({})).await, StatusCode::CONFLICT, "GOR0403").await;
    let resumed = told(&server, &run, "resume", &json!({ "limits": { "cost_nano_usd": 5 } })).await;
    assert_eq!((resumed.status, resumed.interrupted), (RunStatus::Waiting, false));
    assert_eq!(resumed.budget.iter().map(|row| row.limit).collect::<Vec<_>>(), [5]);
    server.stop().await;
}

#[tokio::test]
async fn a_signal_and_a_cancel() {
    let server = Server::start().await;
    let run = server.create(WAITS).await;
    told(&server, &run, "signal", &json!({ "name": "other" })).await;
    assert_eq!(told(&server, &run, "signal", &json!({ "name": "go", "payload": [1] })).await.status, RunStatus::Completed);
    problem(server.post(&address(&run, "signal"), &json!({ "name": "go" })).await, StatusCode::CONFLICT, "GOR0403").await;
    let other = server.create(WAITS).await;
    assert_eq!(told(&server, &other, "cancel", &json!({ "reason": "enough" })).await.status, RunStatus::Cancelled);
    problem(server.post(&address(&other, "cancel"), &json!({})).await, StatusCode::CONFLICT, "GOR0403").await;
    server.stop().await;
}

#[tokio::test]
async fn there_is_nothing_to_resolve_where_nothing_is_in_doubt() {
    let server = Server::start().await;
    let run = server.create(WAITS).await;
    for verdict in ["redo", "done", "fail"] {
        problem(server.post(&address(&run, "resolve"), &json!({ "verdict": verdict })).await, StatusCode::CONFLICT, "GOR0403").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused_and_change_nothing() {
    let server = Server::start().await;
    let run = server.create(WAITS).await;
    let before = server.until(run.id, RunStatus::Waiting).await;
    for name in CommandName::ALL {
        for bad in [json!([]), json!({ "surprise": 1 }), json!({ "by": 7 })] {
            let refused = problem(server.post(&address(&run, name.word()), &bad).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
            assert!(refused.detail.contains("does not fit"), "{}: {}", name.word(), refused.detail);
        }
    }
    for (name, bad) in
        [("signal", json!({})), ("resolve", json!({})), ("resolve", json!({ "verdict": "maybe" })), ("approve", json!({ "hash": "x" }))]
    {
        problem(server.post(&address(&run, name), &bad).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    }
    let unknown = problem(server.post(&address(&run, "explode"), &json!({})).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    assert!(unknown.help.is_some_and(|help| help.contains("resume")));
    assert_eq!(server.client.run(&run.id.to_string()).await.expect("it is there"), before);
    server.stop().await;
}

#[tokio::test]
async fn a_body_may_be_left_out_where_nothing_has_to_be_said() {
    let server = Server::start().await;
    let run = server.create(WAITS).await;
    let response = server.send(hyper::Method::POST, &address(&run, "cancel"), &[], "").await;
    assert_eq!((response.status(), body(response).await["status"].clone()), (StatusCode::OK, json!("cancelled")));
    server.stop().await;
}
