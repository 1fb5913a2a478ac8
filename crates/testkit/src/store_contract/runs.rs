//! The rows of runs.

use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use gorgon_ports::{NewRun, RunFilter, RunNo, RunRow, TenantScope};

use super::{AnyStore, Pen, committed, new_run};

fn scope() -> TenantScope {
    TenantScope("t".into())
}

fn ids(rows: &[RunRow]) -> Vec<u128> {
    rows.iter().map(|row| row.id.0).collect()
}

pub(super) async fn row(store: AnyStore) {
    let new = NewRun {
        id: RunId(1),
        tenant: "t".into(),
        workflow: "report".into(),
        file: Some("/w/report.yaml".into()),
        definition: ContentHash::of(b"d"),
    };
    let mut pen = Pen::of(new);
    committed(pen.write_status(&store, RunStatus::Running, None).await);
    committed(pen.write(&store, "[]").await);
    let expected = RunRow {
        no: pen.key().no(),
        id: RunId(1),
        tenant: "t".into(),
        workflow: "report".into(),
        file: Some("/w/report.yaml".into()),
        definition: ContentHash::of(b"d"),
        status: RunStatus::Running,
        created_at: Timestamp(1_001),
        updated_at: Timestamp(1_001),
        wake_at: None,
    };
    let read = async || store.find(&scope(), RunId(1)).await.expect("reads").expect("is there").1;
    assert_eq!(read().await, expected, "an append without a row leaves it as it is");

    committed(pen.write_status(&store, RunStatus::Waiting, Some(5_000)).await);
    let waiting = RunRow { status: RunStatus::Waiting, updated_at: Timestamp(1_003), wake_at: Some(Timestamp(5_000)), ..expected.clone() };
    assert_eq!(read().await, waiting);
    for status in RunStatus::ALL {
        committed(pen.write_status(&store, status, None).await);
        let row = read().await;
        assert_eq!((row.status, row.wake_at, row.created_at), (status, None, Timestamp(1_001)));
    }
    committed(pen.write(&store, "[\"late\"]").await);
    assert_eq!(store.find(&scope(), RunId(2)).await, Ok(None));
}

pub(super) async fn list(store: AnyStore) {
    let mut pens = Vec::new();
    for id in 1..=6 {
        let workflow = if id % 2 == 0 { "even" } else { "odd" };
        let file = (id > 4).then(|| "/w/late.yaml".to_owned());
        let mut pen = Pen::of(NewRun { workflow: workflow.into(), file, ..new_run(id, "t") });
        committed(pen.write(&store, "[]").await);
        pens.push(pen);
    }
    committed(pens[1].write_status(&store, RunStatus::Completed, None).await);
    committed(pens[3].write_status(&store, RunStatus::Failed, None).await);

    let all = RunFilter { limit: 100, ..RunFilter::default() };
    let list = async |filter: RunFilter| ids(&store.list(&scope(), &filter).await.expect("lists"));
    assert_eq!(list(all.clone()).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(list(RunFilter { limit: 2, ..all.clone() }).await, [6, 5]);
    assert_eq!(list(RunFilter { limit: 0, ..all.clone() }).await, [0_u128; 0]);
    assert_eq!(list(RunFilter { before: Some(pens[4].key().no()), limit: 2, ..all.clone() }).await, [4, 3]);
    assert_eq!(list(RunFilter { workflow: Some("even".into()), ..all.clone() }).await, [6, 4, 2]);
    assert_eq!(list(RunFilter { workflow: Some("eve".into()), ..all.clone() }).await, [0_u128; 0]);
    assert_eq!(list(RunFilter { file: Some("/w/late.yaml".into()), ..all.clone() }).await, [6, 5]);
    assert_eq!(list(RunFilter { statuses: vec![RunStatus::Failed, RunStatus::Completed], ..all.clone() }).await, [4, 2]);
    assert_eq!(list(RunFilter { statuses: vec![RunStatus::Queued], workflow: Some("odd".into()), ..all }).await, [5, 3, 1]);
}

pub(super) async fn unfinished(store: AnyStore) {
    let mut expected = Vec::new();
    for (id, status) in (1_u128..).zip(RunStatus::ALL.into_iter().chain(RunStatus::ALL)) {
        let mut pen = Pen::of(new_run(id, if id % 3 == 0 { "t" } else { "other" }));
        committed(pen.write(&store, "[]").await);
        committed(pen.write_status(&store, status, None).await);
        if !status.is_terminal() {
            expected.push(id);
        }
    }
    let mut found = Vec::new();
    let mut after = RunNo(0);
    loop {
        let page = store.unfinished(after, 5).await.expect("reads");
        let Some((key, _)) = page.last() else { break };
        after = key.no();
        for (key, row) in page {
            assert_eq!((key.no(), key.id()), (row.no, row.id));
            found.push(row.id.0);
        }
    }
    assert_eq!(found, expected);
}

pub(super) async fn search(store: AnyStore) {
    // Digits of base 32: the first ends in `…0000b`, the second in `…0001b`, the third begins with `7`.
    let wanted = [11, 32 + 11, 7 << 125];
    for id in wanted {
        Pen::begin(&store, id).await;
    }
    let search = async |text: &str| ids(&store.search(&scope(), text, 10).await.expect("searches"));
    for id in wanted {
        let text = RunId(id).to_string();
        assert_eq!(search(&text).await, [id], "the whole id");
        assert_eq!(search(&text["run_".len()..]).await, [id], "the whole id without `run_`");
        assert_eq!(search(&text.to_uppercase()).await, [id], "in capitals");
        assert_eq!(search(&format!("{text}0")).await, [0_u128; 0], "more than an id");
    }
    assert_eq!(search("run_").await, [7 << 125, 43, 11], "newest first");
    assert_eq!(search("run_7").await, [7 << 125]);
    assert_eq!(search("7").await, [7 << 125]);
    assert_eq!(search("B").await, [43, 11]);
    assert_eq!(search("0b").await, [11]);
    assert_eq!(search("1b").await, [43]);
    for text in ["", "_", "un_7", "x", "%", "run_%", "_00", "ä", "\0", "' OR 1=1 --"] {
        assert_eq!(search(text).await, [0_u128; 0], "{text:?}");
    }
    assert_eq!(ids(&store.search(&scope(), "run_", 2).await.expect("searches")), [7 << 125, 43]);
}
