//! `GET /v1/runs/{id}/logs`.

use gorgon_api::{Log, Logs};

use crate::support::{Server, WAITS};

#[tokio::test]
async fn what_steps_wrote_is_kept_by_step_item_and_attempt() {
    let server = Server::start().await;
    let text = "name: talks\nsteps:\n  - {id: fan, type: fan_out, items: [x, y], step_template: {type: shell, argv: [printf, '%s!', '${item}']}}\n  - {id: quiet, type: shell, argv: ['true']}\n";
    let run = server.ended(text).await.id.to_string();
    let log = |name: &str, text: &str| Log { name: name.to_owned(), text: text.to_owned() };
    assert_eq!(server.client.logs(&run).await.expect("logs"), Logs { logs: vec![log("fan.0.1.log", "x!"), log("fan.1.1.log", "y!")] });
    let silent = server.create(WAITS).await.id.to_string();
    assert_eq!(server.client.logs(&silent).await.expect("logs"), Logs::default());
    server.stop().await;
}
