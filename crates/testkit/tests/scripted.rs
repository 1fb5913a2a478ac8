//! The scripted server and the witnesses, in process and as binaries.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use gorgon_testkit::scripted::{Counts, Delivery, Expect, Price, Reply, Rule, Script, ScriptedServer, Usage, Witness};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a request and reads everything that comes back: the status and the body.
async fn send(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn ask(address: &str, prompt: &str) -> (u16, Value) {
    let body = json!({"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": prompt}]});
    send(address, "POST", "/v1/chat/completions", "", &body.to_string()).await
}

fn lines(witness: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(witness).expect("a witness");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn price() -> Price {
    Price { input_nano_usd_per_mtok: 1_000_000, output_nano_usd_per_mtok: 3_000_001, ..Price::default() }
}

#[tokio::test]
async fn answers_go_by_the_script_and_are_billed() {
    let usage = Usage::Is(Counts { prompt: 10, completion: 2, ..Counts::default() });
    let script = Script::always(Reply::text_with("yes", usage)).at(price());
    let server = ScriptedServer::start(script).await.expect("a server");
    let address = server.address().to_string();
    let (status, body) = ask(&address, "really?").await;
    assert_eq!((status, &body["choices"][0]["message"]["content"], &body["usage"]["total_tokens"]), (200, &json!("yes"), &json!(12)));
    let bill = server.billed();
    assert_eq!((bill.nano_usd, bill.calls), (17, 1));
    let (status, told) = send(&address, "GET", "/__bill", "", "").await;
    assert_eq!((status, told), (200, json!({"nano_usd": 17, "calls": 1, "failures": []})));
}

#[tokio::test]
async fn the_nth_request_is_counted_by_its_other_conditions() {
    let nth = |nth: u64, text: &str| {
        let mut rule = Rule::new(Reply::text(text)).prompt("a");
        rule.when.nth = Some(nth);
        rule
    };
    let script = Script::default().rule(nth(2, "second")).rule(nth(3, "third")).rule(Rule::new(Reply::text("any")));
    let server = ScriptedServer::start(script).await.expect("a server");
    let mut texts = Vec::new();
    for prompt in ["a", "b", "a", "a", "a"] {
        let (_, body) = ask(&server.address().to_string(), prompt).await;
        texts.push(body["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(texts, ["any", "any", "second", "third", "any"]);
}

#[tokio::test]
async fn what_is_off_the_script_fails_the_test() {
    let expect = Expect { max_tokens_le: Some(10), ..Expect::default() };
    let server = ScriptedServer::start(Script::default().rule(Rule::new(Reply::text("x")).prompt("known").expect(expect))).await.expect("a server");
    let address = server.address().to_string();
    assert_eq!(ask(&address, "stranger").await.0, 500);
    assert_eq!(ask(&address, "known").await.0, 500);
    assert_eq!(send(&address, "POST", "/v1/chat/completions", "", "{}").await.0, 500);
    assert_eq!(send(&address, "GET", "/v1/models", "", "").await.0, 500);
    let failures = server.take_failures();
    for (failure, says) in failures.iter().zip(["no rule", "the cap is Some(20), expected at most Some(10)", "no `model`", "GET /v1/models"]) {
        assert!(failure.contains(says), "{failure}");
    }
    assert_eq!(failures.len(), 4);
}

#[tokio::test]
#[should_panic(expected = "off its script")]
async fn a_failure_that_nobody_took_is_not_lost() {
    let server = ScriptedServer::start(Script::default()).await.expect("a server");
    ask(&server.address().to_string(), "unknown").await;
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_billed() {
    let usage = Usage::Is(Counts { prompt: 10, completion: 2, ..Counts::default() });
    let rule = Rule::new(Reply::text_with("yes", usage)).deliver(Delivery { delay_ms: 20, ..Delivery::default() });
    let server = ScriptedServer::start(Script::default().rule(rule).at(price())).await.expect("a server");
    let address = server.address().to_string();
    let impatient = tokio::spawn(async move { ask(&address, "x").await });
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    impatient.abort();
    assert!(impatient.await.is_err_and(|error| error.is_cancelled()));
    while server.billed().calls == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(server.billed().nano_usd, 17);
}

#[tokio::test]
async fn effects_are_counted_by_name_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("witness");
    let witness = Witness::open(&path).expect("a witness");
    let server = ScriptedServer::start_with(Script::default(), Some(witness), 0).await.expect("a server");
    let address = server.address().to_string();
    for (key, count, count_of_key) in [("a", 1, 1), ("b", 2, 1), ("a", 3, 2)] {
        let (status, body) = send(&address, "POST", "/effect/mail?delay_ms=1", &format!("idempotency-key: {key}\r\n"), "{\"to\":1}").await;
        let expected = json!({"effect": "mail", "count": count, "idempotency_key": key, "count_of_key": count_of_key});
        assert_eq!((status, body), (200, expected));
    }
    let (status, body) = send(&address, "GET", "/effect/other?status=503", "", "").await;
    assert_eq!((status, &body["count"]), (503, &json!(1)));
    let lines = lines(&path);
    assert_eq!(lines.len(), 8);
    assert_eq!((&lines[0]["event"], &lines[0]["path"], &lines[0]["body"]), (&json!("request"), &json!("/effect/mail?delay_ms=1"), &json!({"to": 1})));
    assert_eq!((&lines[1]["event"], &lines[1]["n"], &lines[1]["status"]), (&json!("answer"), &json!(1), &json!(200)));
}

/// The server as a process of its own. It ends with its standard input.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    address: String,
}

fn spawn(script: &Path, witness: &Path) -> Process {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gorgon-scripted-server"))
        .args(["--until-stdin-ends", "--script"])
        .arg(script)
        .arg("--witness")
        .arg(witness)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut hello = String::new();
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut hello).expect("a line");
    let hello: Value = serde_json::from_str(&hello).expect("JSON");
    let address = hello["address"].as_str().expect("an address").to_owned();
    assert_eq!(hello["base_url"], format!("http://{address}/v1"));
    assert_eq!(hello["effect_url"], format!("http://{address}/effect/"));
    Process { stdin: child.stdin.take(), child, address }
}

#[tokio::test]
async fn the_binary_writes_down_what_it_does_before_it_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, witness) = (folder.path().join("script.json"), folder.path().join("witness"));
    let text = json!({
        "price": {"input_nano_usd_per_mtok": 1_000_000, "output_nano_usd_per_mtok": 3_000_001},
        "rules": [
            {"when": {"prompt_contains": "hello"}, "times": 2, "expect": {"max_tokens_le": 20}, "reply": {"answer": {"text": "hi", "usage": {"seeded": 7}}}},
            {"when": {"prompt_contains": "busy"}, "reply": {"error": {"status": 429, "code": "rate_limit_exceeded", "headers": {"retry-after": "1"}}}},
            {"when": {"prompt_contains": "gone"}, "reply": {"hang_up": {}}, "deliver": {"delay_ms": 1}},
        ],
    });
    std::fs::write(&script, text.to_string()).expect("a script");
    let mut server = spawn(&script, &witness);
    assert_eq!(ask(&server.address, "hello").await.0, 200);
    let seen = lines(&witness);
    assert_eq!(seen.iter().map(|line| line["event"].as_str().unwrap_or_default()).collect::<Vec<_>>(), ["request", "answer"]);
    assert_eq!(ask(&server.address, "busy").await.0, 429);
    assert_eq!(ask(&server.address, "gone").await.0, 0);
    let (_, bill) = send(&server.address, "GET", "/__bill", "", "").await;
    assert_eq!((&bill["nano_usd"], &bill["calls"]), (&seen[1]["charged_nano_usd"], &json!(1)));
    let (_, requests) = send(&server.address, "GET", "/__requests", "", "").await;
    assert_eq!(requests.as_array().map(Vec::len), Some(3));
    assert_eq!(lines(&witness).len(), 6);
    drop(server.stdin.take());
    assert!(server.child.wait().expect("an end").success());

    let mut server = spawn(&script, &witness);
    assert_eq!(ask(&server.address, "unknown").await.0, 500);
    drop(server.stdin.take());
    assert!(!server.child.wait().expect("an end").success(), "a failure of the script is a failure of the process");
    assert_eq!(lines(&witness).len(), 8, "the witness remembers across processes");
}

#[test]
fn the_witness_binary_appends_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("witness");
    for words in [&["step", "one"][..], &["two\nlines", "--sleep-ms", "1"], &[]] {
        let status = Command::new(env!("CARGO_BIN_EXE_gorgon-witness")).arg(&path).args(words).status().expect("a process");
        assert!(status.success());
    }
    let text = std::fs::read_to_string(&path).expect("a file");
    let (times, words): (Vec<&str>, Vec<&str>) = text.lines().filter_map(|line| line.split_once(' ')).unzip();
    assert_eq!(words, ["step one", "two lines", ""]);
    assert!(times.iter().all(|time| time.parse::<u64>().is_ok()) && times.is_sorted(), "{times:?}");

    let missing = folder.path().join("no/such/folder");
    for args in [vec![], vec![missing.as_os_str()]] {
        let output = Command::new(env!("CARGO_BIN_EXE_gorgon-witness")).args(args).output().expect("a process");
        assert!(!output.status.success() && !output.stderr.is_empty());
    }
}

#[test]
fn lines_of_many_processes_never_mix() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("witness");
    let children: Vec<Child> = (0..16)
        .map(|n| Command::new(env!("CARGO_BIN_EXE_gorgon-witness")).arg(&path).arg(format!("{n}").repeat(2_000)).spawn().expect("a process"))
        .collect();
    for mut child in children {
        assert!(child.wait().expect("an end").success());
    }
    let text = std::fs::read_to_string(&path).expect("a file");
    let mut words: Vec<String> = text.lines().filter_map(|line| line.split_once(' ')).map(|(_, words)| words.to_owned()).collect();
    words.sort();
    let mut expected: Vec<String> = (0..16).map(|n| format!("{n}").repeat(2_000)).collect();
    expected.sort();
    assert_eq!(words, expected);
}

#[test]
fn a_binary_says_what_is_wrong_with_its_arguments() {
    for args in [&["--port"][..], &["--port", "x"], &["--script", "/no/such/file"], &["--what"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_gorgon-scripted-server")).args(args).output().expect("a process");
        assert!(!output.status.success() && !output.stderr.is_empty(), "{args:?}");
    }
}
