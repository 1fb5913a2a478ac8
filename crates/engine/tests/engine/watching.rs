//! Whoever watches a run sees each of its appends once, in order, and is told once when it has ended.

use std::fmt::Write as _;

use gorgon_core::ids::RunId;
use gorgon_engine::{Engine, Frame};
use serde_json::json;

use crate::support::{Bench, completed, ended, patiently, retry, run, signal, start, tell, until};

/// What a watcher saw: the numbers of the appends, and how often it was told that this is the end.
async fn watched(engine: &Engine, run: RunId, after: u64, slowly: bool) -> (Vec<u64>, u32) {
    let mut watch = engine.watch(run, after).await.expect("the run can be watched");
    let (mut seqs, mut dones) = (Vec::new(), 0);
    loop {
        if slowly {
            // Everybody else goes on as far as they can first.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        match patiently("there is a frame", watch.next()).await.expect("the past can be read").expect("the engine lasts") {
            Frame::Append { seq, .. } => seqs.push(seq),
            Frame::Output(_) => {}
            Frame::Done => {
                dones += 1;
                break;
            }
        }
    }
    // Nothing comes after the end.
    assert!(futures_util::poll!(Box::pin(watch.next()).as_mut()).is_pending());
    (seqs, dones)
}

fn chain(steps: usize) -> String {
    (0..steps).fold("name: chain\nsteps:\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "  - {{id: s{n}, type: noop}}");
        text
    })
}

#[tokio::test(start_paused = true)]
async fn watchers_that_come_at_any_time_see_every_append_once_and_in_order() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.hold("s50");
    let run = start(&engine, &chain(100)).await;
    let watch = |slowly| {
        let engine = engine.clone();
        tokio::spawn(async move { watched(&engine, run, 0, slowly).await })
    };
    let mut watchers = vec![watch(false), watch(true)];
    bench.world.until_in_flight("s50", 1).await;
    watchers.extend([watch(false), watch(true)]);
    bench.world.let_go("s50");
    ended(&engine, run).await;
    watchers.push(watch(false));
    for watcher in watchers {
        assert_eq!(watcher.await.expect("it watches"), ((1..=101).collect(), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_is_far_behind_misses_nothing() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.hold("s0");
    let run = start(&engine, &chain(3_000)).await;
    let mut watch = engine.watch(run, 0).await.expect("the run can be watched");
    bench.world.let_go("s0");
    // More frames than are kept for a watcher pass by before it looks once.
    ended(&engine, run).await;
    let mut seqs = Vec::new();
    while let Frame::Append { seq, .. } = patiently("there is a frame", watch.next()).await.expect("the past can be read").expect("the engine lasts")
    {
        seqs.push(seq);
    }
    assert_eq!(seqs, (1..=3_001).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_comes_back_sees_what_it_has_not_seen() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    run(&engine, &chain(3)).await;
    let state = run(&engine, &chain(10)).await;
    let id = state.created.as_ref().expect("it was created").id;
    let appends = engine.history(id).await.expect("it can be read");
    let after = appends[4].pos;
    assert_eq!(watched(&engine, id, after, false).await, ((6..=11).collect(), 1));
    assert_eq!(watched(&engine, id, u64::MAX, false).await, (vec![], 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_opened_again_ends_again() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.answer("a", |_| crate::support::failed(gorgon_core::call::FailureClass::Refused, gorgon_core::call::Metering::None));
    let state = run(&engine, "name: again\nsteps:\n  - {id: a, type: noop}\n").await;
    let id = state.created.as_ref().expect("it was created").id;
    let mut watch = engine.watch(id, u64::MAX).await.expect("it can be watched");
    assert!(matches!(patiently("it ends", watch.next()).await, Ok(Some(Frame::Done))));
    tell(&engine, id, retry()).await;
    until(&engine, id, "it fails again", |state| state.status.is_terminal()).await;
    let mut dones = 0;
    while let std::task::Poll::Ready(frame) = futures_util::poll!(Box::pin(watch.next()).as_mut()) {
        dones += u32::from(matches!(frame, Ok(Some(Frame::Done))));
    }
    assert_eq!(dones, 1);
}

#[tokio::test(start_paused = true)]
async fn runs_do_not_show_up_in_each_others_watches() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let text = "name: s\nsteps:\n  - {id: a, type: signal, params: {name: go}}\n";
    let (one, two) = (start(&engine, text).await, start(&engine, text).await);
    let watching = {
        let engine = engine.clone();
        tokio::spawn(async move { watched(&engine, one, 0, false).await })
    };
    for id in [two, one] {
        tell(&engine, id, signal("go", json!(null))).await;
        completed(&*ended(&engine, id).await);
    }
    assert_eq!(watching.await.expect("it watches"), (vec![1, 2], 1));
}
