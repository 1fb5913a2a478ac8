//! `GET /v1/runs`.

use gorgon_api::RunQuery;
use gorgon_core::ids::RunId;
use gorgon_core::run::RunStatus;
use hyper::StatusCode;

use crate::support::{FAILS, HELLO, Server, WAITS, problem};

async fn ids(server: &Server, query: RunQuery) -> Vec<RunId> {
    server.client.runs(&query).await.expect("a list").runs.into_iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn runs_are_listed_newest_first_and_by_what_is_asked_for() {
    let server = Server::start().await;
    let done = server.ended(HELLO).await.id;
    let failed = server.ended(FAILS).await.id;
    let waits = server.create(WAITS).await.id;
    let mut filed = server.new_run(HELLO);
    filed.start.file = Some("/here/hello world.yaml".to_owned());
    let filed = server.client.create(&filed).await.expect("it starts").id;
    server.until(filed, RunStatus::Completed).await;

    let all = RunQuery::default;
    assert_eq!(ids(&server, all()).await, [filed, waits, failed, done]);
    let status = |words: &str| RunQuery { status: Some(words.to_owned()), ..all() };
    assert_eq!(ids(&server, status("completed")).await, [filed, done]);
    assert_eq!(ids(&server, status("failed, waiting")).await, [waits, failed]);
    assert_eq!(ids(&server, RunQuery { workflow: Some("hello".to_owned()), ..all() }).await, [filed, done]);
    assert_eq!(ids(&server, RunQuery { file: Some("/here/hello world.yaml".to_owned()), ..all() }).await, [filed]);
    assert_eq!(ids(&server, RunQuery { limit: Some(2), ..all() }).await, [filed, waits]);
    assert_eq!(ids(&server, RunQuery { before: Some(waits), limit: Some(1), ..all() }).await, [failed]);
    assert_eq!(ids(&server, RunQuery { workflow: Some("nobody".to_owned()), ..all() }).await, []);
    server.stop().await;
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let refused = problem(server.get("/v1/runs?status=done").await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    assert!(refused.help.is_some_and(|help| help.contains("completed")));
    for address in ["/v1/runs?limit=many", "/v1/runs?colour=red", "/v1/runs?before=yesterday"] {
        problem(server.get(address).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    }
    problem(server.get(&format!("/v1/runs?before={}", RunId(7))).await, StatusCode::NOT_FOUND, "GOR0401").await;
    server.stop().await;
}
