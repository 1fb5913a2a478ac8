//! Processes, also those that do not want to end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gorgon_core::call::{FailureClass, Outcome, ProcessRequest, Request};
use gorgon_ports::{Progress, Steer};
use gorgon_tools::{ProcessExecutor, ProcessOptions};
use serde_json::json;

use crate::call::{Call, assert_failed, failure, value};

fn request(argv: &[&str]) -> ProcessRequest {
    let argv = argv.iter().map(|&text| text.to_owned()).collect();
    ProcessRequest { argv, env: [].into(), stdin: None, cwd: None, output_bytes_max: 1 << 20 }
}

fn shell(command: &str) -> ProcessRequest {
    request(&["/bin/sh", "-c", command])
}

async fn perform(call: &Call, request: ProcessRequest) -> Outcome {
    call.perform(&ProcessExecutor::new(ProcessOptions::default()), Request::Process(request)).await
}

/// With little patience for those that do not end.
async fn perform_hastily(call: &Call, request: ProcessRequest) -> Outcome {
    let options = ProcessOptions { grace: Duration::from_millis(100), ..ProcessOptions::default() };
    call.perform(&ProcessExecutor::new(options), Request::Process(request)).await
}

fn exit(exit_code: i32, stdout: &str, stderr: &str) -> serde_json::Value {
    json!({"exit_code": exit_code, "stdout": stdout, "stderr": stderr, "truncated": false})
}

/// Whether the process whose id stands in a file lives.
fn lives(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.trim_start().starts_with(['Z', 'X']))
}

#[tokio::test]
async fn exit_codes_and_outputs_are_values() {
    let call = Call::default();
    assert_eq!(value(perform(&call, shell("echo out; echo err >&2; exit 3")).await), exit(3, "out\n", "err\n"));
    assert_eq!(value(perform(&call, shell("kill -9 $$")).await), exit(137, "", ""));
    assert_eq!((call.output("stdout"), call.output("stderr")), ("out\n".to_owned(), "err\n".to_owned()));
}

#[tokio::test]
async fn its_start_and_end_are_told() {
    let call = Call::default();
    let stdout = value(perform(&call, shell("echo $$")).await)["stdout"].as_str().unwrap().trim().parse::<u32>().unwrap();
    let told = call.told.lock().unwrap();
    assert_eq!(told.first(), Some(&Progress::Started { process_group: stdout }));
    assert_eq!(told.last(), Some(&Progress::Ended { process_group: stdout }));
}

#[tokio::test]
async fn arguments_are_passed_as_they_are() {
    let call = Call::default();
    let hostile = ["a b", "$(id)", "`id`", "'; id #", "\"", "*", "", "é\n"];
    let argv: Vec<&str> = ["printf", "[%s]"].into_iter().chain(hostile).collect();
    assert_eq!(value(perform(&call, request(&argv)).await)["stdout"], hostile.iter().map(|text| format!("[{text}]")).collect::<String>());
}

#[tokio::test]
async fn the_environment_is_that_of_the_call_alone() {
    let mut call = Call::default();
    call.env.insert("LEVEL".to_owned(), "run".to_owned());
    call.env.insert("KEPT".to_owned(), "yes".to_owned());
    let mut request = request(&["env"]);
    request.env.insert("LEVEL".to_owned(), "step".to_owned());
    let stdout = value(perform(&call, request).await)["stdout"].as_str().unwrap().to_owned();
    let mut lines: Vec<_> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["GORGON_IDEMPOTENCY_KEY=key-of-the-step", "KEPT=yes", "LEVEL=step", "PATH=/usr/local/bin:/usr/bin:/bin"]);
}

#[tokio::test]
async fn input_is_fed_while_output_is_read() {
    let call = Call::default();
    let text = "0123456789abcdef".repeat(64 * 1024);
    let answer = value(perform(&call, ProcessRequest { stdin: Some(text.clone()), output_bytes_max: 2 << 20, ..request(&["cat"]) }).await);
    assert!(answer["stdout"] == text && answer["truncated"] == false);
    // Nobody reads it, and there is none.
    assert_eq!(value(perform(&call, ProcessRequest { stdin: Some(text), ..request(&["true"]) }).await), exit(0, "", ""));
    assert_eq!(value(perform(&call, request(&["cat"])).await), exit(0, "", ""));
}

#[tokio::test]
async fn it_runs_below_the_folder_of_the_run() {
    let call = Call::default();
    std::fs::create_dir_all(call.path().join("a/b")).unwrap();
    let root = call.path().canonicalize().unwrap();
    for (cwd, expected) in [(None, root.clone()), (Some("a/b"), root.join("a/b")), (Some("a/../a/./b"), root.join("a/b")), (Some("."), root)] {
        let request = ProcessRequest { cwd: cwd.map(str::to_owned), ..request(&["pwd", "-P"]) };
        assert_eq!(value(perform(&call, request).await)["stdout"], format!("{}\n", expected.display()));
    }
}

#[tokio::test]
async fn no_folder_outside_is_entered() {
    let call = Call::default();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), call.path().join("link")).unwrap();
    std::fs::write(call.path().join("file"), "").unwrap();
    for (cwd, part) in [
        ("..", "not below"),
        ("a/../..", "not below"),
        ("/", "not below"),
        ("/tmp", "not below"),
        ("link", "not below"),
        ("./link/.", "not below"),
        ("missing", "cannot be entered"),
        ("file", "is not a folder"),
        ("nul\0", "cannot be entered"),
    ] {
        let request = ProcessRequest { cwd: Some(cwd.to_owned()), ..shell("touch was-here") };
        assert_failed(perform(&call, request).await, FailureClass::Invalid, part);
    }
    assert!(call.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let call = Call::default();
    std::fs::write(call.path().join("text"), "x").unwrap();
    assert_failed(perform(&call, request(&["no-such-program-anywhere"])).await, FailureClass::Refused, "`no-such-program-anywhere` was not found");
    assert_failed(perform(&call, request(&["./text"])).await, FailureClass::Refused, "may not be run");
    assert_failed(perform(&call, request(&["echo", "a\0b"])).await, FailureClass::Invalid, "NUL");
    assert_failed(perform(&call, request(&[])).await, FailureClass::Invalid, "no program");
    assert_failed(perform(&call, request(&[""])).await, FailureClass::Invalid, "no program");
    assert_failed(perform(&call, request(&["echo", &"x".repeat(4 << 20)])).await, FailureClass::Invalid, "longer than the system takes");
    for (name, text) in [("A=B", "x"), ("", "x"), ("A", "x\0"), ("A\0", "x")] {
        let request = ProcessRequest { env: [(name.to_owned(), text.to_owned())].into(), ..request(&["true"]) };
        assert_failed(perform(&call, request).await, FailureClass::Invalid, "cannot be set");
    }
    assert!(call.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_flood_is_bounded_and_does_not_delay_the_deadline() {
    let mut call = Call::within(Duration::from_millis(300));
    call.told = Arc::default();
    let most = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = most.clone();
    call.on_progress = Arc::new(move |progress| {
        if let Progress::Output { bytes, .. } = progress {
            seen.fetch_max(bytes.len(), std::sync::atomic::Ordering::Relaxed);
        }
        Steer::Continue
    });
    let started = Instant::now();
    let outcome = perform(&call, ProcessRequest { output_bytes_max: 1_000, ..shell("yes; echo end") }).await;
    assert!(started.elapsed() < Duration::from_secs(2));
    let failure = failure(outcome);
    assert_eq!(failure.class, FailureClass::TimedOut);
    assert!(failure.detail.unwrap().len() < 1_100);
    assert!(most.load(std::sync::atomic::Ordering::Relaxed) <= 64 * 1024);
}

#[tokio::test]
async fn of_a_long_output_both_ends_are_kept() {
    let call = Call::default();
    let request = ProcessRequest { output_bytes_max: 20, ..shell("echo begin; seq 1 100000; echo the-end") };
    let answer = value(perform(&call, request).await);
    let stdout = answer["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("begin\n1\n2\n") && stdout.ends_with("\nthe-end\n") && stdout.contains("bytes left out]"), "{stdout}");
    assert_eq!((&answer["truncated"], &answer["stderr"]), (&json!(true), &json!("")));
}

#[tokio::test]
async fn a_deadline_ends_grandchildren_too() {
    let call = Call::within(Duration::from_millis(300));
    let outcome = perform(&call, shell("(sleep 600 & echo $! > inner; wait) & echo $! > outer; echo said >&2; wait")).await;
    let failure = failure(outcome);
    assert_eq!((failure.class, failure.detail.as_deref()), (FailureClass::TimedOut, Some("said\n")));
    assert!(!lives(&call.path().join("inner")) && !lives(&call.path().join("outer")));
    assert!(matches!(call.told.lock().unwrap().last(), Some(Progress::Ended { .. })));
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed() {
    let call = Call::within(Duration::from_millis(200));
    let started = Instant::now();
    let outcome =
        perform_hastily(&call, shell("trap '' TERM; (trap '' TERM; echo $$ > inner; while :; do sleep 1; done) & while :; do sleep 1; done")).await;
    assert_failed(outcome, FailureClass::TimedOut, "took too long");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(!lives(&call.path().join("inner")));
}

#[tokio::test]
async fn who_cleans_up_on_sigterm_may() {
    let call = Call::within(Duration::from_millis(200));
    // The leader dies at once; what counts is that its child had the time.
    let outcome = perform(&call, shell("(trap 'sleep 0.2; echo clean > cleaned; exit' TERM; while :; do sleep 0.01; done) & wait")).await;
    assert_eq!(failure(outcome).class, FailureClass::TimedOut);
    assert_eq!(std::fs::read_to_string(call.path().join("cleaned")).unwrap(), "clean\n");
}

#[tokio::test]
async fn a_background_child_that_keeps_the_pipes_does_not_hold_up_the_step() {
    let call = Call::default();
    let started = Instant::now();
    // Twice forked, so that nobody waits for it.
    let outcome = perform(&call, shell("(sleep 600 & echo $! > inner) & wait; echo done")).await;
    assert_eq!(value(outcome), exit(0, "done\n", ""));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!lives(&call.path().join("inner")));
}

#[tokio::test]
async fn what_a_background_child_writes_soon_is_kept() {
    let call = Call::default();
    assert_eq!(value(perform(&call, shell("(sleep 0.1; echo late) & echo early")).await), exit(0, "early\nlate\n", ""));
}

#[tokio::test]
async fn a_child_that_leaves_the_group_does_not_hold_up_the_step() {
    let call = Call::default();
    let started = Instant::now();
    let outcome = perform(&call, shell("setsid sleep 5 & echo done")).await;
    assert_eq!(value(outcome), exit(0, "done\n", ""));
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_cancelled_process_is_ended() {
    let call = Call::default();
    let cancel = call.cancel.clone();
    let canceller = Call {
        on_progress: Arc::new(move |progress| {
            if matches!(progress, Progress::Output { .. }) {
                cancel.cancel();
            }
            Steer::Continue
        }),
        ..call
    };
    let outcome = perform(&canceller, shell("echo $$ > pid; echo ready; sleep 600")).await;
    assert_failed(outcome, FailureClass::Cancelled, "was cancelled");
    assert!(!lives(&canceller.path().join("pid")));
    // Whose call was cancelled before does not start.
    canceller.told.lock().unwrap().clear();
    assert_failed(perform(&canceller, shell("touch started")).await, FailureClass::Cancelled, "was cancelled");
    assert_failed(perform(&Call { timeout: Duration::ZERO, ..Call::default() }, shell("exit 0")).await, FailureClass::TimedOut, "took too long");
    assert!(!canceller.path().join("started").exists());
}

#[tokio::test]
async fn the_listener_can_stop_it() {
    let call = Call {
        on_progress: Arc::new(|progress| if matches!(progress, Progress::Output { .. }) { Steer::Stop } else { Steer::Continue }),
        ..Call::default()
    };
    assert_failed(perform(&call, shell("echo enough; sleep 600")).await, FailureClass::Cancelled, "was cancelled");
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let call = Call::default();
    let ready = Arc::new(tokio::sync::Notify::new());
    let told = ready.clone();
    let call = Call {
        on_progress: Arc::new(move |progress| {
            if matches!(progress, Progress::Output { .. }) {
                told.notify_one();
            }
            Steer::Continue
        }),
        ..call
    };
    tokio::select! {
        outcome = perform(&call, shell("sleep 600 & echo $! > inner; echo ready; wait")) => panic!("{outcome:?}"),
        () = ready.notified() => {}
    }
    let until = Instant::now() + Duration::from_secs(5);
    while lives(&call.path().join("inner")) {
        assert!(Instant::now() < until);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_at_once_each_get_their_own() {
    let call = Call::default();
    let calls = (0..40).map(|n| {
        let call = &call;
        async move { (n, value(perform(call, shell(&format!("echo {n}; exit {n}"))).await)) }
    });
    for (n, answer) in futures_join(calls).await {
        assert_eq!(answer, exit(n, &format!("{n}\n"), ""));
    }
}

/// All of them, at the same time on this thread.
async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in pending.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(cx) {
                *output = Some(value);
            }
        }
        if pending.iter().all(|(_, output)| output.is_some()) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}
