//! `GET /v1/runs/{id}/export`.

use gorgon_core::run::RunStatus;

use crate::support::{HELLO, Server};

#[tokio::test]
async fn a_run_is_one_document_from_which_it_can_be_read_again() {
    let server = Server::start().await;
    let run = server.ended(HELLO).await;
    let export = server.client.export(&run.id.to_string()).await.expect("a document");
    assert_eq!(export.run, run);
    assert_eq!((export.source.as_deref(), export.run.status), (Some(HELLO), RunStatus::Completed));
    assert_eq!(Some(export.definition.hash()), run.definition);
    assert_eq!(export.events.iter().map(|append| append.seq).collect::<Vec<_>>(), (1..=export.events.len() as u64).collect::<Vec<_>>());
    let events: usize = export.events.iter().map(|append| append.events().expect("events").len()).sum();
    assert_eq!(events as u64, run.events);
    server.stop().await;
}
