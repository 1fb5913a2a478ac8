//! `POST /v1/runs`.

use gorgon_core::run::RunStatus;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ASKS, HELLO, Server, body, problem};

#[tokio::test]
async fn a_run_is_created_and_said_where_it_is_found() {
    let server = Server::start().await;
    let new = serde_json::to_value(server.new_run(HELLO)).expect("JSON");
    let response = server.post("/v1/runs", &new).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().expect("text").to_owned();
    let run = body(response).await;
    assert_eq!(location, format!("/v1/runs/{}", run["id"].as_str().expect("an id")));
    let found = body(server.get(&location).await).await;
    assert_eq!((&found["id"], &found["workflow"], &found["by"]), (&run["id"], &json!("hello"), &json!("ann")));
    server.stop().await;
}

#[tokio::test]
async fn what_a_step_said_is_what_comes_out() {
    let server = Server::start().await;
    let run = server.ended(HELLO).await;
    assert_eq!((run.status, run.outputs.value()), (RunStatus::Completed, json!({ "said": "hello" })));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_everything_that_is_wrong_and_leaves_nothing_behind() {
    let server = Server::start().await;
    let text = "name: asks\ninputs: {who: {type: string, required: true}, many: {type: integer, required: true}}\nsteps:\n  - {id: a, type: noop}\n";
    let mut new = serde_json::to_value(server.new_run(text)).expect("JSON");
    new["inputs"] = json!({ "many": "x", "other": 1 });
    let refused = problem(server.post("/v1/runs", &new).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    let mut codes: Vec<Value> = refused.diagnostics.iter().map(|problem| serde_json::to_value(problem.code).expect("JSON")).collect();
    codes.sort_by_key(ToString::to_string);
    assert_eq!(codes, ["GOR0201", "GOR0202", "GOR0203"]);
    assert_eq!(body(server.get("/v1/runs").await).await, json!({ "runs": [] }));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_request_is_refused() {
    let server = Server::start().await;
    for text in ["", "{", "[]", "{}", r#"{"definition": 1}"#] {
        let response = server.send(Method::POST, "/v1/runs", &[("content-type", "application/json")], text).await;
        problem(response, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    }
    let mut new = serde_json::to_value(server.new_run(HELLO)).expect("JSON");
    new["surprise"] = json!(1);
    let refused = problem(server.post("/v1/runs", &new).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    assert!(refused.detail.contains("surprise"), "{}", refused.detail);
    server.stop().await;
}

#[tokio::test]
async fn who_waits_is_answered_when_nothing_moves_without_somebody_any_more() {
    let server = Server::start().await;
    let sleeps = "name: sleeps\noutputs: [said]\nsteps:\n  - {id: nap, type: wait, seconds: 0.2}\n  - {id: a, type: shell, argv: [printf, hello], outputs: [said]}\n";
    let empty = "name: skips\nsteps:\n  - {id: a, type: noop, when: '1 > 2'}\n";
    for (text, status) in [(HELLO, "completed"), (ASKS, "waiting"), (sleeps, "completed"), (empty, "completed")] {
        let new = serde_json::to_value(server.new_run(text)).expect("JSON");
        let response = server.post("/v1/runs?wait_seconds=60", &new).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{text}");
        let run = body(response).await;
        assert_eq!(run["status"], status, "{text}");
        let found = body(server.get(&format!("/v1/runs/{}", run["id"].as_str().expect("an id"))).await).await;
        assert_eq!(found, run, "what was answered is what is on disk: {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_waits_hears_that_a_wait_of_the_run_has_become_a_question() {
    let server = Server::start().await;
    // Long enough for the run to be put to sleep; and from one wait it goes straight to the other.
    let asks = "name: w\nsteps:\n  - {id: nap, type: wait, seconds: 2.5}\n  - {id: gate, type: approval, prompt: 'May I?'}\n";
    let new = serde_json::to_value(server.new_run(asks)).expect("JSON");
    let answer = tokio::time::timeout(std::time::Duration::from_secs(60), server.post("/v1/runs?wait_seconds=3600", &new));
    let run = body(answer.await.expect("an answer before the time is over")).await;
    assert_eq!((&run["status"], &run["waiting_for"][0]["for"]), (&"waiting".into(), &"approval".into()), "{run}");
    server.stop().await;
}

#[tokio::test]
async fn a_wait_ends_with_its_time_and_the_run_goes_on() {
    let server = Server::start().await;
    let long = "name: long\nsteps:\n  - {id: nap, type: wait, seconds: 3600}\n";
    let new = serde_json::to_value(server.new_run(long)).expect("JSON");
    let run = body(server.post("/v1/runs?wait_seconds=1", &new).await).await;
    assert_eq!(run["status"], "waiting");
    let refused = problem(server.post("/v1/runs?wait_seconds=3601", &new).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    assert!(refused.detail.contains("3600"), "{}", refused.detail);
    let unknown = server.post("/v1/runs?wait=1", &new).await;
    assert!(unknown.status().is_client_error(), "{}", unknown.status());
    server.stop().await;
}
