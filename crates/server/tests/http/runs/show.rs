//! `GET /v1/runs/{id}`.

use gorgon_core::ids::RunId;
use hyper::StatusCode;

use crate::support::{HELLO, Server, WAITS, last_six, problem};

#[tokio::test]
async fn a_run_is_found_by_its_id_its_beginning_its_end_and_as_the_last() {
    let server = Server::start().await;
    let first = server.create(WAITS).await.id;
    let only = first.to_string();
    for name in [only.as_str(), &only.to_uppercase().replacen("RUN_", "run_", 1), &only[..12], &only[4..12], &last_six(first), "@last"] {
        assert_eq!(server.client.run(name).await.unwrap_or_else(|error| panic!("{name}: {error}")).id, first, "{name}");
    }
    let second = server.ended(HELLO).await.id;
    assert_eq!(server.client.run("@last").await.expect("it is found").id, second);
    for id in [first, second] {
        assert_eq!(server.client.run(&last_six(id)).await.expect("it is found").id, id);
    }
    let both = problem(server.get("/v1/runs/run_0").await, StatusCode::CONFLICT, "GOR0402").await;
    for id in [first, second] {
        assert!(both.detail.contains(&id.to_string()), "{}", both.detail);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_is_not_there_is_not_found_under_any_address() {
    let server = Server::start().await;
    problem(server.get("/v1/runs/@last").await, StatusCode::NOT_FOUND, "GOR0401").await;
    server.create(WAITS).await;
    for name in [RunId(7).to_string(), "zzzzzz".to_owned(), "%25".to_owned(), "..%2F..".to_owned()] {
        for tail in ["", "/events", "/export", "/logs"] {
            problem(server.get(&format!("/v1/runs/{name}{tail}")).await, StatusCode::NOT_FOUND, "GOR0401").await;
        }
        problem(server.post(&format!("/v1/runs/{name}/commands/cancel"), &serde_json::json!({})).await, StatusCode::NOT_FOUND, "GOR0401").await;
    }
    server.stop().await;
}
