//! Requests to a scripted server on the loopback address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gorgon_core::call::{FailureClass, HttpBody, HttpRequest, Outcome, Request};
use gorgon_tools::guard::{Lookup, Lookups};
use gorgon_tools::{AllowPrivate, HttpExecutor, HttpOptions};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::call::{Call, assert_failed, failure, value};

/// What a server does after it has read a request.
#[derive(Clone)]
enum Act {
    Say(Vec<u8>),
    /// Says nothing more, and keeps the connection.
    Hang,
}

/// Answers the n-th request with the n-th script, and keeps what it was asked.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(scripts: Vec<Vec<Act>>) -> Self {
        Self::with(|_| scripts).await
    }

    async fn with(scripts: impl FnOnce(SocketAddr) -> Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (scripts, seen) = (scripts(address), Arc::new(Mutex::new(Vec::new())));
        let log = seen.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for script in scripts {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                log.lock().unwrap().push(request);
                for act in script {
                    match act {
                        // Who asked may have gone.
                        Act::Say(bytes) => drop(stream.write_all(&bytes).await),
                        Act::Hang => {
                            kept.push(stream);
                            break;
                        }
                    }
                }
            }
            std::future::pending::<()>().await;
        });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text.into_owned();
            }
        }
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap();
        if n == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes.extend_from_slice(&chunk[..n]);
    }
}

fn answer(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<Act> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for header in headers {
        bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    vec![Act::Say(bytes)]
}

fn request(method: &str, url: String) -> HttpRequest {
    HttpRequest { method: method.to_owned(), url, headers: Vec::new(), body: None, body_bytes_max: 1 << 20 }
}

fn with_headers(headers: &[(&str, &str)], request: HttpRequest) -> HttpRequest {
    HttpRequest { headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), ..request }
}

fn open(allow: &[&str]) -> HttpExecutor {
    HttpExecutor::new(HttpOptions { allow_private: AllowPrivate::parse(allow).unwrap(), ..HttpOptions::default() })
}

async fn perform(call: &Call, request: HttpRequest) -> Outcome {
    call.perform(&open(&["127.0.0.1"]), Request::Http(request)).await
}

/// Names as a test wants them, counted.
struct Names(Vec<(&'static str, Vec<SocketAddr>)>, Mutex<u32>);

impl Lookup for Names {
    fn lookup<'a>(&'a self, host: &'a str, _port: u16) -> Lookups<'a> {
        *self.1.lock().unwrap() += 1;
        let found = self.0.iter().find(|(name, _)| *name == host).map(|(_, addresses)| addresses.clone());
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such name")) })
    }
}

fn naming(names: Vec<(&'static str, Vec<SocketAddr>)>, allow: &[&str]) -> (HttpExecutor, Arc<Names>) {
    let lookup = Arc::new(Names(names, Mutex::new(0)));
    let options = HttpOptions { allow_private: AllowPrivate::parse(allow).unwrap(), lookup: lookup.clone() };
    (HttpExecutor::new(options), lookup)
}

#[tokio::test]
async fn a_get_gives_status_headers_and_body() {
    let server = Server::start(vec![answer("200 OK", &["X-Twice: a", "x-twice: b", "Content-Type: text/plain"], "héllo")]).await;
    let answer = value(perform(&Call::default(), request("GET", server.url("/a?b=c"))).await);
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("héllo")));
    assert_eq!(answer["headers"], json!({"content-length": "6", "x-twice": "a, b", "content-type": "text/plain"}));
    let seen = &server.requests()[0];
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n") && seen.contains(concat!("user-agent: gorgon/", env!("CARGO_PKG_VERSION"))), "{seen}");
    assert!(!seen.contains("idempotency-key"), "{seen}");
}

#[tokio::test]
async fn json_is_read_where_it_is_said_and_valid() {
    let cases = [
        ("application/json", "{\"a\":[1,null]}", json!({"a": [1, null]})),
        ("application/problem+json; charset=utf-8", "{\"a\":1}", json!({"a": 1})),
        ("APPLICATION/JSON", "null", json!(null)),
        ("application/json", "{broken", json!("{broken")),
        ("application/json", "", json!("")),
        ("text/plain", "{\"a\":1}", json!("{\"a\":1}")),
    ];
    for (content_type, body, expected) in cases {
        let server = Server::start(vec![answer("200 OK", &[&format!("content-type: {content_type}")], body)]).await;
        assert_eq!(value(perform(&Call::default(), request("GET", server.url("/"))).await)["body"], expected, "{content_type} {body}");
    }
    let server = Server::start(vec![answer("200 OK", &[], b"a\xffb")]).await;
    assert_eq!(value(perform(&Call::default(), request("GET", server.url("/"))).await)["body"], "a\u{fffd}b");
}

#[tokio::test]
async fn every_status_is_a_value() {
    for status in ["204 No Content", "304 Not Modified", "404 Not Found", "429 Too Many Requests", "500 Oh"] {
        let server = Server::start(vec![answer(status, &[], "")]).await;
        let answer = value(perform(&Call::default(), request("GET", server.url("/"))).await);
        assert_eq!(answer["status"].to_string(), status[..3]);
    }
}

#[tokio::test]
async fn bodies_say_what_they_are_and_carry_the_key() {
    let ok = || answer("200 OK", &[], "");
    let server = Server::start(vec![ok(), ok(), ok()]).await;
    let json = HttpRequest { body: Some(HttpBody::Json(json!({"a": 1}))), ..request("POST", server.url("/")) };
    let text = HttpRequest { body: Some(HttpBody::Text("text".to_owned())), ..request("PUT", server.url("/")) };
    let own = with_headers(&[("content-type", "text/csv"), ("Idempotency-Key", "mine")], HttpRequest { method: "PATCH".to_owned(), ..text.clone() });
    for request in [json, text, own] {
        value(perform(&Call::default(), request).await);
    }
    let seen = server.requests();
    assert!(
        seen[0].contains("content-type: application/json\r\n")
            && seen[0].contains("idempotency-key: key-of-the-step\r\n")
            && seen[0].ends_with("\r\n\r\n{\"a\":1}")
    );
    assert!(seen[1].contains("content-type: text/plain; charset=utf-8\r\n") && seen[1].ends_with("\r\n\r\ntext"));
    assert!(seen[2].contains("content-type: text/csv\r\n") && seen[2].contains("idempotency-key: mine\r\n") && !seen[2].contains("key-of-the-step"));
}

#[tokio::test]
async fn no_header_breaks_the_frame() {
    let call = Call::default();
    let to = || request("GET", "http://127.0.0.1:1/".to_owned());
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"] {
        assert_failed(perform(&call, with_headers(&[("x-a", value)], to())).await, FailureClass::Invalid, "`x-a` holds a line break");
    }
    for name in ["x a", "x:a", "x\r\na", "", "é"] {
        assert_failed(perform(&call, with_headers(&[(name, "v")], to())).await, FailureClass::Invalid, "no name of a header");
    }
    for name in ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "upgrade", "TE", "Proxy-Authorization", "expect"] {
        assert_failed(perform(&call, with_headers(&[(name, "v")], to())).await, FailureClass::Invalid, "set by the connection");
    }
    for method in ["CONNECT", "TRACE", "GET /x", "", "G\r\n"] {
        assert_failed(perform(&call, request(method, "http://127.0.0.1:1/".to_owned())).await, FailureClass::Invalid, "no method");
    }
    for url in ["", "/relative", "http://", "http://a b/", "http://[::1/", "127.0.0.1:80"] {
        let failure = failure(perform(&call, request("GET", url.to_owned())).await);
        assert_eq!(failure.class, FailureClass::Invalid, "{url}: {failure:?}");
    }
}

#[tokio::test]
async fn private_addresses_are_closed_by_default() {
    let server = Server::start(vec![answer("200 OK", &[], "secret")]).await;
    let port = server.address.port();
    let closed = open(&[]);
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::1]:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let outcome = Call::default().perform(&closed, Request::Http(request("GET", url))).await;
        assert_failed(outcome, FailureClass::Denied, "[http] allow_private = [");
    }
    assert_failed(
        Call::default().perform(&closed, Request::Http(request("GET", "file:///etc/passwd".to_owned()))).await,
        FailureClass::Invalid,
        "`file:`",
    );
    assert!(server.requests().is_empty());
    // The same, opened.
    let outcome = Call::default().perform(&open(&["localhost"]), Request::Http(request("GET", format!("http://localhost:{port}/")))).await;
    assert_eq!(value(outcome)["body"], "secret");
}

#[tokio::test]
async fn a_name_is_resolved_once_and_connected_to_as_checked() {
    let server = Server::start(vec![answer("200 OK", &[], "here")]).await;
    let (executor, names) = naming(vec![("api.example", vec![server.address])], &["127.0.0.1"]);
    let url = format!("http://api.example:{}/", server.address.port());
    assert_eq!(value(Call::default().perform(&executor, Request::Http(request("GET", url))).await)["body"], "here");
    assert_eq!(*names.1.lock().unwrap(), 1);
    assert!(server.requests()[0].contains(&format!("host: api.example:{}\r\n", server.address.port())));
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused() {
    let public: SocketAddr = "93.184.215.14:80".parse().unwrap();
    let private: SocketAddr = "10.1.2.3:80".parse().unwrap();
    let (executor, _) = naming(vec![("rebound.example", vec![public, private])], &["127.0.0.1"]);
    let outcome = Call::default().perform(&executor, Request::Http(request("POST", "http://rebound.example/".to_owned()))).await;
    assert_failed(outcome, FailureClass::Denied, "`rebound.example` is 10.1.2.3");
    let outcome = Call::default().perform(&executor, Request::Http(request("POST", "http://unknown.example/".to_owned()))).await;
    assert_failed(outcome, FailureClass::Transport, "`unknown.example` could not be resolved");
}

#[tokio::test]
async fn redirects_are_followed_as_browsers_do() {
    let cases = [
        ("301", "POST", "GET"),
        ("302", "POST", "GET"),
        ("303", "POST", "GET"),
        ("307", "POST", "POST"),
        ("308", "POST", "POST"),
        ("301", "PUT", "PUT"),
        ("303", "PUT", "GET"),
        ("302", "HEAD", "HEAD"),
        ("303", "HEAD", "HEAD"),
    ];
    for (status, method, then) in cases {
        let server = Server::start(vec![answer(&format!("{status} x"), &["location: /next?x=1"], ""), answer("200 OK", &[], "")]).await;
        let first = HttpRequest { body: (method != "HEAD").then(|| HttpBody::Text("text".to_owned())), ..request(method, server.url("/first")) };
        assert_eq!(value(perform(&Call::default(), first).await)["status"], 200);
        let second = &server.requests()[1];
        assert!(second.starts_with(&format!("{then} /next?x=1 ")), "{status} {method}: {second}");
        assert_eq!(second.ends_with("text"), then == "POST" || then == "PUT", "{second}");
    }
}

#[tokio::test]
async fn each_redirect_passes_the_guard() {
    for location in ["http://10.0.0.1/", "http://[::1]:1/", "//169.254.169.254/latest", "http://0x7f.2/"] {
        let server = Server::start(vec![answer("302 Found", &[&format!("location: {location}")], "")]).await;
        let outcome = perform(&Call::default(), request("GET", server.url("/"))).await;
        assert_failed(outcome, FailureClass::Denied, "not reachable from a workflow");
    }
    let server = Server::start(vec![answer("302 Found", &["location: file:///etc/passwd"], "")]).await;
    assert_failed(perform(&Call::default(), request("GET", server.url("/"))).await, FailureClass::Invalid, "`file:`");
}

#[tokio::test]
async fn a_redirect_to_a_name_is_resolved_and_checked() {
    let server = Server::start(vec![answer("302 Found", &["location: http://internal.example/"], "")]).await;
    let (executor, names) = naming(vec![("internal.example", vec!["192.168.0.9:80".parse().unwrap()])], &["127.0.0.1"]);
    let outcome = Call::default().perform(&executor, Request::Http(request("GET", server.url("/")))).await;
    assert_failed(outcome, FailureClass::Denied, "`internal.example` is 192.168.0.9");
    assert_eq!(*names.1.lock().unwrap(), 1);
}

#[tokio::test]
async fn keys_do_not_follow_to_another_host() {
    let second = Server::start(vec![answer("200 OK", &[], "")]).await;
    let first = Server::start(vec![answer("307 x", &[&format!("location: {}", second.url("/"))], "")]).await;
    let headers = [("Authorization", "Bearer x"), ("Cookie", "a=b"), ("X-Api-Key", "k"), ("Accept", "text/html")];
    value(perform(&Call::default(), with_headers(&headers, request("GET", first.url("/")))).await);
    let (seen, then) = (first.requests()[0].clone(), second.requests()[0].clone());
    assert!(["authorization: ", "cookie: ", "x-api-key: "].iter().all(|name| seen.contains(name) && !then.contains(name)), "{then}");
    assert!(then.contains("accept: text/html\r\n"), "{then}");
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let server = Server::start(vec![answer("302 Found", &["location: /again"], ""); 7]).await;
    assert_failed(perform(&Call::default(), request("GET", server.url("/"))).await, FailureClass::Refused, "more than 5 times");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_long_answer_is_refused_while_it_comes() {
    let endless = {
        let mut acts = vec![Act::Say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec())];
        acts.extend(vec![Act::Say([b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat()); 64]);
        acts.push(Act::Hang);
        acts
    };
    for script in [answer("200 OK", &[], vec![b'x'; 10_001]), endless] {
        let server = Server::start(vec![script]).await;
        let request = HttpRequest { body_bytes_max: 10_000, ..request("GET", server.url("/")) };
        assert_failed(perform(&Call::default(), request).await, FailureClass::Refused, "longer than 10000 bytes");
    }
    let server = Server::start(vec![answer("200 OK", &[], vec![b'x'; 10_000])]).await;
    let exact = HttpRequest { body_bytes_max: 10_000, ..request("GET", server.url("/")) };
    assert_eq!(value(perform(&Call::default(), exact).await)["body"].as_str().unwrap().len(), 10_000);
}

fn gzip(chunk: &[u8], times: usize) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..times).for_each(|_| encoder.write_all(chunk).unwrap());
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_answers_are_bounded_by_what_they_unfold_to() {
    let bomb = gzip(&[0; 1 << 20], 32);
    assert!(bomb.len() < 1 << 18);
    let server = Server::start(vec![answer("200 OK", &["content-encoding: gzip"], &bomb)]).await;
    assert_failed(perform(&Call::default(), request("GET", server.url("/"))).await, FailureClass::Refused, "longer than 1048576 bytes");

    let server = Server::start(vec![answer("200 OK", &["content-encoding: gzip"], gzip(b"hello ", 3))]).await;
    assert_eq!(value(perform(&Call::default(), request("GET", server.url("/"))).await)["body"], "hello hello hello ");

    let server = Server::start(vec![answer("200 OK", &["content-encoding: gzip"], "this is no gzip")]).await;
    assert_failed(perform(&Call::default(), request("GET", server.url("/"))).await, FailureClass::Refused, "cannot be decompressed");

    let server = Server::start(vec![answer("200 OK", &["content-encoding: br"], "x")]).await;
    assert_failed(perform(&Call::default(), request("GET", server.url("/"))).await, FailureClass::Refused, "not asked for");
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_left() {
    let head = || Act::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome".to_vec());
    for script in [vec![Act::Hang], vec![head(), Act::Hang]] {
        let server = Server::start(vec![script.clone(), script]).await;
        let call = Call::within(Duration::from_millis(150));
        let started = Instant::now();
        assert_failed(perform(&call, request("GET", server.url("/"))).await, FailureClass::TimedOut, "took too long");
        // Of what may have changed something, nobody knows.
        let outcome = perform(&call, request("POST", server.url("/x?token=secret"))).await;
        let Outcome::InDoubt { evidence } = outcome else { panic!("{outcome:?}") };
        assert!(evidence.contains("POST http://127.0.0.1") && evidence.contains("was sent") && !evidence.contains("secret"), "{evidence}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_drip_does_not_outlast_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let started = Instant::now();
    assert_failed(perform(&Call::within(Duration::from_millis(200)), request("GET", url)).await, FailureClass::TimedOut, "took too long");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn cancelling_leaves_the_exchange_at_once() {
    let server = Server::start(vec![vec![Act::Hang], vec![Act::Hang]]).await;
    for (method, in_doubt) in [("GET", false), ("DELETE", true)] {
        let call = Call::default();
        let outcome = {
            let performing = perform(&call, request(method, server.url("/")));
            tokio::pin!(performing);
            let expected = server.requests().len() + 1;
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut performing => break outcome,
                    () = tokio::task::yield_now() => if server.requests().len() == expected { call.cancel.cancel() },
                }
            }
        };
        assert_eq!(matches!(outcome, Outcome::InDoubt { .. }), in_doubt, "{outcome:?}");
        if !in_doubt {
            assert_failed(outcome, FailureClass::Cancelled, "was cancelled");
        }
    }
}

#[tokio::test]
async fn what_was_never_sent_is_no_doubt() {
    let call = Call::default();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_failed(perform(&call, request("POST", format!("http://127.0.0.1:{port}/"))).await, FailureClass::Transport, "no connection");
    // A server that does not speak TLS: the handshake fails before the request.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    let greeter = async { plain.accept().await.unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await };
    let (outcome, _) = tokio::join!(perform(&call, request("POST", url)), greeter);
    assert_failed(outcome, FailureClass::Transport, "no connection");
    // One that never finishes the handshake.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    assert_failed(perform(&Call::within(Duration::from_millis(150)), request("POST", url)).await, FailureClass::TimedOut, "took too long");
    call.cancel.cancel();
    assert_failed(perform(&call, request("POST", format!("http://127.0.0.1:{port}/"))).await, FailureClass::Cancelled, "was cancelled");
}

#[tokio::test]
async fn an_exchange_that_breaks_off_is_not_tried_again() {
    let cut = || vec![Act::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome".to_vec())];
    let mut half = gzip(b"hello ", 100_000);
    half.truncate(half.len() / 2);
    let cut_in_gzip = || vec![Act::Say([b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 100000\r\n\r\n".as_slice(), &half].concat())];
    for (script, part) in
        [(vec![], "broke off"), (cut(), "answered 200 and broke off after 4 bytes"), (cut_in_gzip(), "answered 200 and broke off after")]
    {
        let server = Server::start(vec![script.clone(), script]).await;
        assert_failed(perform(&Call::default(), request("GET", server.url("/"))).await, FailureClass::Transport, part);
        let outcome = perform(&Call::default(), request("POST", server.url("/"))).await;
        assert!(matches!(&outcome, Outcome::InDoubt { evidence } if evidence.contains(part)), "{outcome:?}");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_post_whose_redirect_leads_nowhere_is_in_doubt() {
    let server = Server::start(vec![answer("303 See Other", &["location: /slow"], ""), vec![Act::Hang]]).await;
    let outcome = perform(&Call::within(Duration::from_millis(150)), request("POST", server.url("/"))).await;
    assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
}
