//! Files below the folder of the run, and attempts to leave it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use gorgon_core::call::{FailureClass, FileRequest, Outcome, Request};
use gorgon_tools::{FileExecutor, FileOptions};
use serde_json::{Value, json};

use crate::call::{Call, assert_failed, value};

async fn perform(call: &Call, request: FileRequest) -> Outcome {
    call.perform(&FileExecutor::new(FileOptions::default()), Request::File(request)).await
}

fn read(path: &str) -> FileRequest {
    FileRequest::Read { path: path.to_owned(), bytes_max: 100 }
}

fn write(path: &str, content: &str) -> FileRequest {
    FileRequest::Write { path: path.to_owned(), content: content.to_owned(), append: false }
}

fn append(path: &str, content: &str) -> FileRequest {
    FileRequest::Write { path: path.to_owned(), content: content.to_owned(), append: true }
}

fn list(path: &str) -> FileRequest {
    FileRequest::List { path: path.to_owned() }
}

fn glob(pattern: &str) -> FileRequest {
    FileRequest::Glob { pattern: pattern.to_owned() }
}

fn tree(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
}

fn paths(value: &Value) -> Vec<&str> {
    value["entries"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_written_is_read() {
    let call = Call::default();
    assert_eq!(value(perform(&call, write("a/b/c.txt", "héllo\n")).await), json!({"path": "a/b/c.txt", "bytes": 7}));
    assert_eq!(value(perform(&call, read("a/b/c.txt")).await), json!({"content": "héllo\n"}));
    assert_eq!(value(perform(&call, write("a/b/c.txt", "")).await), json!({"path": "a/b/c.txt", "bytes": 0}));
    assert_eq!(value(perform(&call, read("./a/../a/b/c.txt")).await), json!({"content": ""}));
    assert_eq!(paths(&value(perform(&call, list("a/b")).await)), ["a/b/c.txt"], "nothing temporary is left");
}

#[tokio::test]
async fn a_written_file_is_a_new_one_with_the_old_permissions() {
    let call = Call::default();
    let path = call.path().join("run.sh");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
    let before = std::fs::metadata(&path).unwrap();
    value(perform(&call, write("run.sh", "new")).await);
    let after = std::fs::metadata(&path).unwrap();
    assert!(before.ino() != after.ino() && after.mode() & 0o777 == 0o750);
}

#[tokio::test]
async fn appending_adds() {
    let call = Call::default();
    assert_eq!(value(perform(&call, append("logs/a.log", "one\n")).await), json!({"path": "logs/a.log", "bytes": 4}));
    let before = std::fs::metadata(call.path().join("logs/a.log")).unwrap().ino();
    value(perform(&call, append("logs/a.log", "two\n")).await);
    assert_eq!(std::fs::metadata(call.path().join("logs/a.log")).unwrap().ino(), before);
    assert_eq!(value(perform(&call, read("logs/a.log")).await), json!({"content": "one\ntwo\n"}));
}

#[tokio::test]
async fn no_way_leads_out() {
    let call = Call::default();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let name = outside.path().file_name().unwrap().to_str().unwrap().to_owned();
    let here = call.path();
    std::fs::create_dir(here.join("a")).unwrap();
    symlink(outside.path(), here.join("link")).unwrap();
    symlink(outside.path().join("secret"), here.join("file")).unwrap();
    symlink(format!("../../{name}"), here.join("a/up")).unwrap();
    symlink("link", here.join("twice")).unwrap();
    symlink("/proc/self/root", here.join("magic")).unwrap();
    symlink("/proc/self/cwd", here.join("cwd")).unwrap();
    let absolute = outside.path().join("secret").to_str().unwrap().to_owned();
    let ways = [
        absolute.as_str(),
        "/etc/passwd",
        "../secret",
        &format!("../{name}/secret"),
        "a/../../x",
        "a/../..",
        "..",
        "link/secret",
        "file",
        "a/up/secret",
        "twice/secret",
        "link/../secret",
        "magic/etc/passwd",
        "cwd/x",
        "./link/./secret",
    ];
    for way in ways {
        for request in [read(way), write(way, "evil"), append(way, "evil"), list(way), glob(way)] {
            let outcome = perform(&call, request.clone()).await;
            if matches!(request, FileRequest::Glob { .. }) && matches!(outcome, Outcome::Succeeded { .. }) {
                assert!(paths(&value(outcome)).is_empty(), "{way}");
            } else {
                assert_failed(outcome, FailureClass::Denied, "not below the folder of the run");
            }
        }
    }
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    for pattern in ["**/*", "link/*", "*/secret", "{link,a}/**", "../*", "/etc/*", "a/../../*"] {
        match perform(&call, glob(pattern)).await {
            outcome @ Outcome::Succeeded { .. } => assert!(paths(&value(outcome)).is_empty(), "{pattern}"),
            outcome => assert_failed(outcome, FailureClass::Denied, "not below"),
        }
    }
}

#[tokio::test]
async fn links_within_are_followed() {
    let call = Call::default();
    tree(call.path(), &["real/file"]);
    symlink("real", call.path().join("link")).unwrap();
    symlink("real/file", call.path().join("alias")).unwrap();
    symlink("nowhere", call.path().join("dangling")).unwrap();
    assert_eq!(value(perform(&call, read("link/file")).await)["content"], "real/file");
    // A link that is written to stays one.
    value(perform(&call, write("alias", "new")).await);
    assert!(call.path().join("alias").is_symlink());
    assert_eq!(std::fs::read_to_string(call.path().join("real/file")).unwrap(), "new");
    assert_failed(perform(&call, write("dangling", "x")).await, FailureClass::Refused, "no such file");
    assert!(call.path().join("dangling").is_symlink());
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let call = Call::default();
    std::fs::write(call.path().join("long"), "x".repeat(101)).unwrap();
    std::fs::write(call.path().join("exact"), "x".repeat(100)).unwrap();
    std::fs::write(call.path().join("binary"), b"ab\xff").unwrap();
    std::fs::create_dir(call.path().join("dir")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(call.path().join("pipe")).status().unwrap().success());
    assert_eq!(value(perform(&call, read("exact")).await)["content"].as_str().unwrap().len(), 100);
    for (request, class, part) in [
        (read("long"), FailureClass::Refused, "`long` is longer than 100 bytes"),
        (read("binary"), FailureClass::Refused, "`binary` is no UTF-8 text: byte 2"),
        (read("dir"), FailureClass::Refused, "it is a folder"),
        (read("missing"), FailureClass::Refused, "there is no such file"),
        (read("exact/x"), FailureClass::Refused, "cannot read `exact/x`"),
        (read(""), FailureClass::Invalid, "no path"),
        (read("a\0b"), FailureClass::Invalid, "no path"),
        // A pipe without anybody at its other end would block for ever.
        (read("pipe"), FailureClass::Refused, "no regular file"),
        (append("pipe", "x"), FailureClass::Refused, "pipe"),
        (write("dir", "x"), FailureClass::Refused, "it is a folder"),
        (append("dir", "x"), FailureClass::Refused, "it is a folder"),
        (write(".", "x"), FailureClass::Invalid, "names no file"),
        (write("exact/x", "x"), FailureClass::Refused, "cannot write `exact/x`"),
        (list("missing"), FailureClass::Refused, "there is no such file or folder"),
        (list("exact"), FailureClass::Refused, "cannot list `exact`"),
    ] {
        assert_failed(perform(&call, request).await, class, part);
    }
    let gone = Call::default();
    std::fs::remove_dir(gone.path()).unwrap();
    assert_failed(perform(&gone, read("x")).await, FailureClass::Refused, "the folder of the run");
}

#[tokio::test]
async fn a_list_is_sorted_and_says_what_is_what() {
    let call = Call::default();
    tree(call.path(), &["d/b.txt", "d/a/x", "d/.hidden"]);
    symlink("b.txt", call.path().join("d/link")).unwrap();
    symlink("/etc/passwd", call.path().join("d/out")).unwrap();
    let expected = json!({"entries": [
        {"path": "d/.hidden", "kind": "file", "bytes": 9},
        {"path": "d/a", "kind": "dir", "bytes": 0},
        {"path": "d/b.txt", "kind": "file", "bytes": 7},
        {"path": "d/link", "kind": "symlink", "bytes": 7},
        {"path": "d/out", "kind": "symlink", "bytes": 0},
    ]});
    assert_eq!(value(perform(&call, list("./d/")).await), expected);
    assert_eq!(value(perform(&call, list("")).await), value(perform(&call, list(".")).await));
}

#[tokio::test]
async fn patterns_find_files() {
    let call = Call::default();
    tree(call.path(), &["a.rs", "b.txt", "src/c.rs", "src/d/e.rs", "src/d/f.md", ".git/config.rs", ".env", "src/.hidden.rs", "[x].rs"]);
    symlink("../a.rs", call.path().join("src/link.rs")).unwrap();
    symlink("..", call.path().join("src/loop")).unwrap();
    let table: &[(&str, &[&str])] = &[
        ("*.rs", &["[x].rs", "a.rs"]),
        ("**/*.rs", &["[x].rs", "a.rs", "src/c.rs", "src/d/e.rs", "src/link.rs"]),
        ("src/**/*.rs", &["src/c.rs", "src/d/e.rs", "src/link.rs"]),
        ("./src//*.rs", &["src/c.rs", "src/link.rs"]),
        ("src/**", &["src/c.rs", "src/d/e.rs", "src/d/f.md", "src/link.rs"]),
        ("?.{rs,txt}", &["a.rs", "b.txt"]),
        ("[a-b].*", &["a.rs", "b.txt"]),
        ("[!a].txt", &["b.txt"]),
        ("src/*/*.md", &["src/d/f.md"]),
        ("{src/d,src}/*.rs", &["src/c.rs", "src/d/e.rs", "src/link.rs"]),
        ("\\[x\\].rs", &["[x].rs"]),
        ("a.rs", &["a.rs"]),
        (".git/*", &[".git/config.rs"]),
        (".*", &[".env"]),
        ("**/.hidden.rs", &["src/.hidden.rs"]),
        ("missing/**", &[]),
        ("a.rs/*", &[]),
        ("src", &[]),
    ];
    for (pattern, expected) in table {
        assert_eq!(paths(&value(perform(&call, glob(pattern)).await)), *expected, "{pattern}");
    }
    for pattern in ["", "[a", "{a", "a\0"] {
        assert_eq!(crate::call::failure(perform(&call, glob(pattern)).await).class, FailureClass::Invalid, "{pattern}");
    }
    // Whatever the pattern, matching takes no longer than the path is long.
    tree(call.path(), &[&"a".repeat(200)]);
    assert_eq!(paths(&value(perform(&call, glob(&("*a".repeat(50) + "b"))).await)).len(), 0);
}

#[tokio::test]
async fn walks_are_bounded() {
    let call = Call::default();
    tree(call.path(), &["a", "b", "c/d", "c/e"]);
    let options = FileOptions { entries_max: 4, ..FileOptions::default() };
    let executor = FileExecutor::new(options);
    for request in [glob("**/*"), glob("**/d")] {
        assert_failed(call.perform(&executor, Request::File(request)).await, FailureClass::Refused, "more than 4 entries");
    }
    assert_eq!(paths(&value(call.perform(&executor, Request::File(glob("c/*"))).await)).len(), 2);
    tree(call.path(), &["f", "g"]);
    assert_failed(call.perform(&executor, Request::File(list("."))).await, FailureClass::Refused, "more than 4 entries");
}

#[tokio::test]
async fn a_cancelled_call_changes_nothing() {
    let call = Call::default();
    call.cancel.cancel();
    assert_failed(perform(&call, write("x", "x")).await, FailureClass::Cancelled, "was cancelled");
    assert!(!call.path().join("x").exists());
    let late = Call::within(Duration::ZERO);
    assert_failed(perform(&late, write("x", "x")).await, FailureClass::TimedOut, "took too long");
    assert!(!late.path().join("x").exists());
}

#[tokio::test]
async fn what_is_closed_is_neither_read_nor_written() {
    let call = Call::default();
    tree(
        call.path(),
        &["data/db", "data/logs/a.log", "other/x", ".gorgon/gorgon-state.db", ".env", "sub/.env", "sub/gorgon.toml", "sub/ok", "dataset"],
    );
    symlink("data", call.path().join("link")).unwrap();
    symlink("../sub/.env", call.path().join("other/innocent")).unwrap();
    let executor = FileExecutor::new(FileOptions { closed: vec![call.path().join("data")], ..FileOptions::default() });
    let perform = async |request| call.perform(&executor, Request::File(request)).await;
    let paths_closed = [
        "data/db",
        "./data/logs/a.log",
        "data/new",
        "other/../data/db",
        "nowhere/../data/db",
        "link/db",
        "link/new/deep",
        ".env",
        "sub/.env",
        "sub/.ENV",
        "other/innocent",
        "gorgon.toml",
        "sub/gorgon.toml",
        ".gorgon/gorgon-state.db",
        "sub/../.gorgon/new",
        "gorgon-state.db-wal",
    ];
    for path in paths_closed {
        for request in [read(path), write(path, "x"), append(path, "x")] {
            assert_failed(perform(request).await, FailureClass::Denied, "is closed");
        }
    }
    for folder in ["data", ".gorgon", "link", "data/logs"] {
        for request in [list(folder), glob(&format!("{folder}/*"))] {
            assert_failed(perform(request).await, FailureClass::Denied, "closed");
        }
    }
    assert_eq!(paths(&value(perform(glob("**/*")).await)), ["dataset", "other/innocent", "other/x", "sub/gorgon.toml", "sub/ok"]);
    assert_eq!(value(perform(read("sub/ok")).await), json!({"content": "sub/ok"}));
    value(perform(write("dataset", "x")).await);
    assert_eq!(std::fs::read_to_string(call.path().join("data/db")).unwrap(), "data/db");
}

#[tokio::test]
async fn whoever_runs_within_what_is_closed_has_opened_it() {
    let call = Call::default();
    let executor = FileExecutor::new(FileOptions { closed: vec![call.path().parent().unwrap().to_owned()], ..FileOptions::default() });
    value(call.perform(&executor, Request::File(write("x", "x"))).await);
    assert_failed(call.perform(&executor, Request::File(write("gorgon-state.db", "x"))).await, FailureClass::Denied, "closed");
}
