use std::time::Duration;

use gorgon_core::call::{FailureClass, Metering};
use gorgon_core::money::{ModelPrice, TokenUsage};
use gorgon_ports::{CallCx, Progress};
use gorgon_providers::{MaxTokensField, OpenAiConfig, Provider};
use gorgon_testkit::scripted::{AnswerReply, Counts, Delivery, Expect, Price, Reply, Rule, Script, ScriptedServer, Usage};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{KEY, ask, config, cx, cx_for, cx_heard, failed, provider, provider_of, reported, request, succeeded};

async fn server(script: Script) -> ScriptedServer {
    ScriptedServer::start(script).await.expect("a free port")
}

async fn answering(reply: Reply) -> ScriptedServer {
    server(Script::always(reply)).await
}

fn delivered(reply: Reply, deliver: Delivery) -> Script {
    Script::default().rule(Rule::new(reply).deliver(deliver))
}

#[tokio::test]
async fn a_question_is_asked_and_answered() {
    let counts = Counts { prompt: 40, completion: 12, cached: 16, cache_write: 8, reasoning: 5 };
    let expect = Expect {
        max_tokens_le: Some(50),
        max_tokens_ge: Some(50),
        fields: [
            ("n".to_owned(), json!(1)),
            ("stream".to_owned(), json!(true)),
            ("stream_options".to_owned(), json!({"include_usage": true})),
            ("max_completion_tokens".to_owned(), json!(50)),
            ("max_tokens".to_owned(), Value::Null),
            ("service_tier".to_owned(), Value::Null),
            ("temperature".to_owned(), Value::Null),
            ("messages".to_owned(), json!([{"role": "system", "content": "Be short."}, {"role": "user", "content": "Wie spät?"}])),
        ]
        .into(),
        headers: [
            ("authorization".to_owned(), Some(format!("Bearer {KEY}"))),
            ("content-type".to_owned(), Some("application/json".to_owned())),
            ("transfer-encoding".to_owned(), None),
            ("openai-organization".to_owned(), None),
        ]
        .into(),
    };
    let server = server(Script::default().rule(Rule::new(Reply::text_with("Zwölf.", Usage::Is(counts))).expect(expect))).await;
    let (cx, heard) = cx_heard();
    let (value, metering) = succeeded(provider(&server.base_url()).ask(&request("Wie spät?"), &cx).await);
    assert_eq!(value, json!({"text": "Zwölf.", "model": "gpt-test", "finish_reason": "stop"}));
    let usage = TokenUsage { input_uncached: 16, input_cache_read: 16, input_cache_write: 8, output_text: 7, output_reasoning: 5 };
    assert_eq!(reported(metering), usage);
    assert_eq!(*heard.lock().expect("not poisoned"), [Progress::Output { stream: "text", bytes: "Zwölf.".into() }]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn settings_shape_the_request() {
    let expect = Expect {
        fields: [
            ("max_completion_tokens".to_owned(), Value::Null),
            ("max_tokens".to_owned(), json!(50)),
            ("service_tier".to_owned(), json!("flex")),
            ("temperature".to_owned(), json!(0.25)),
        ]
        .into(),
        headers: [
            ("authorization".to_owned(), None),
            ("openai-organization".to_owned(), Some("org-1".to_owned())),
            ("openai-project".to_owned(), Some("proj-1".to_owned())),
        ]
        .into(),
        ..Expect::default()
    };
    let server = server(Script::default().rule(Rule::new(Reply::text("yes")).expect(expect))).await;
    let provider = provider_of(&OpenAiConfig {
        base_url: Some(format!("{}/", server.base_url())),
        organization: Some("org-1".to_owned()),
        project: Some("proj-1".to_owned()),
        max_tokens_field: MaxTokensField::MaxTokens,
        service_tier: Some("flex".to_owned()),
        ..OpenAiConfig::default()
    });
    let request = gorgon_core::call::ModelRequest { temperature: Some(0.25), ..request("x") };
    succeeded(provider.ask(&request, &cx()).await);
}

#[tokio::test]
async fn an_answer_in_the_smallest_pieces_is_the_same_answer() {
    let text = "Grüße aus Zürich – 日本語 🦀";
    let server = server(delivered(Reply::text(text), Delivery { chunk_bytes: Some(1), ..Delivery::default() })).await;
    let (value, metering) = succeeded(ask(&server, "x").await);
    assert_eq!(value["text"], text);
    assert_eq!(reported(metering).output_text, (text.len() as u64).div_ceil(4));
}

#[tokio::test]
async fn the_cap_is_always_sent() {
    let server = answering(Reply::text_with("yes", Usage::Seeded(7))).await;
    let provider = provider(&server.base_url());
    for cap in [1, 17, 4_096, 9_007_199_254_740_993] {
        let request = gorgon_core::call::ModelRequest { output_tokens_max: cap, ..request("x") };
        let (_, metering) = succeeded(provider.ask(&request, &cx()).await);
        let usage = reported(metering);
        assert!(usage.output_text + usage.output_reasoning <= cap, "{usage:?}");
    }
    let caps: Vec<Value> = server.requests().iter().map(|request| request.body["max_completion_tokens"].clone()).collect();
    assert_eq!(caps, [json!(1), json!(17), json!(4_096), json!(9_007_199_254_740_993_u64)]);
}

#[tokio::test]
async fn what_is_reported_costs_what_the_server_charges() {
    let price = Price {
        input_nano_usd_per_mtok: 2_500_000_007,
        cache_read_nano_usd_per_mtok: 250_000_003,
        cache_write_nano_usd_per_mtok: 3_125_000_001,
        output_nano_usd_per_mtok: 10_000_000_019,
    };
    let ours = ModelPrice {
        input_nano_usd_per_mtok: price.input_nano_usd_per_mtok,
        cache_read_nano_usd_per_mtok: price.cache_read_nano_usd_per_mtok,
        cache_write_nano_usd_per_mtok: price.cache_write_nano_usd_per_mtok,
        output_nano_usd_per_mtok: price.output_nano_usd_per_mtok,
        long: None,
    };
    let server = server(Script::always(Reply::text_with("yes", Usage::Seeded(1))).at(price)).await;
    let provider = provider(&server.base_url());
    let mut sum = 0;
    for n in 0..200 {
        let request = request(&format!("question {n} {}", "word ".repeat(n % 40)));
        let (_, metering) = succeeded(provider.ask(&request, &cx()).await);
        let cost = ours.cost_nano_usd(&reported(metering));
        assert!(cost <= ours.worst_nano_usd(request.input_tokens_bound(), request.output_tokens_max));
        sum += cost;
    }
    let bill = server.billed();
    assert_eq!((bill.nano_usd, bill.calls), (sum, 200));
}

#[tokio::test]
async fn usage_that_lies_is_passed_on_as_told() {
    let counts = Counts { prompt: 9_000, completion: 5_000, ..Counts::default() };
    let server = answering(Reply::text_with("yes", Usage::Is(counts))).await;
    let (_, metering) = succeeded(ask(&server, "x").await);
    assert_eq!(reported(metering), TokenUsage { input_uncached: 9_000, output_text: 5_000, ..TokenUsage::default() });
}

#[tokio::test]
async fn usage_that_cannot_be_is_not_known_and_the_answer_is_kept() {
    for usage in [
        Usage::Missing,
        Usage::Raw(Value::Null),
        Usage::Raw(json!({"prompt_tokens": -4, "completion_tokens": 2})),
        Usage::Raw(json!({"prompt_tokens": 4.5, "completion_tokens": 2})),
        Usage::Raw(json!({"prompt_tokens": 4, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 9}})),
        Usage::Raw(json!({"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 7})),
    ] {
        let server = answering(Reply::text_with("kept", usage.clone())).await;
        let (value, metering) = succeeded(ask(&server, "x").await);
        assert_eq!((value["text"].as_str(), metering), (Some("kept"), Metering::Unknown), "{usage:?}");
    }
}

#[tokio::test]
async fn another_model_than_asked_is_named() {
    let reply = Reply::Answer(AnswerReply { text: "yes".to_owned(), model: Some("gpt-other".to_owned()), ..AnswerReply::default() });
    let server = answering(reply).await;
    assert_eq!(succeeded(ask(&server, "x").await).0["model"], "gpt-other");
}

#[tokio::test]
async fn an_answer_cut_by_the_cap_says_so() {
    let reply = Reply::Answer(AnswerReply { text: "Once upon".to_owned(), finish_reason: Some("length".to_owned()), ..AnswerReply::default() });
    let server = answering(reply).await;
    assert_eq!(succeeded(ask(&server, "x").await).0["finish_reason"], "length");
}

#[tokio::test]
async fn no_answer_is_a_failure_that_was_paid_for() {
    let usage = Usage::Is(Counts { prompt: 9, completion: 4, ..Counts::default() });
    let text = |text: &str| AnswerReply { text: text.to_owned(), usage: usage.clone(), ..AnswerReply::default() };
    for (reply, says) in [
        (AnswerReply { refusal: Some("I can't.".to_owned()), ..text("") }, "refuses"),
        (AnswerReply { finish_reason: Some("content_filter".to_owned()), ..text("half") }, "content filter"),
        (AnswerReply { content: Some(Value::Null), ..text("") }, "empty answer"),
        (text(""), "empty answer"),
        (AnswerReply { finish_reason: Some("length".to_owned()), ..text("") }, "max_tokens"),
        (AnswerReply { finish_reason: Some("tool_calls".to_owned()), ..text("") }, "tool"),
    ] {
        let server = answering(Reply::Answer(reply)).await;
        let (failure, metering) = failed(ask(&server, "x").await);
        assert_eq!(failure.class, FailureClass::Refused, "{}", failure.message);
        assert!(failure.message.contains(says) && failure.message.contains("[request req_1]"), "{}", failure.message);
        assert_eq!(reported(metering), TokenUsage { input_uncached: 9, output_text: 4, ..TokenUsage::default() });
    }
}

#[tokio::test]
async fn errors_cost_nothing_and_say_whether_to_come_back() {
    for (reply, class, retry_after_ms) in [
        (Reply::error(400, "invalid_value"), FailureClass::Invalid, None),
        (Reply::error(401, "invalid_api_key"), FailureClass::Denied, None),
        (Reply::error(404, "model_not_found"), FailureClass::Invalid, None),
        (Reply::error(408, "timeout"), FailureClass::TimedOut, None),
        (Reply::error(409, "conflict"), FailureClass::Overloaded, None),
        (Reply::error(429, "rate_limit_exceeded"), FailureClass::RateLimited, None),
        (Reply::error(429, "rate_limit_exceeded").header("retry-after", "2"), FailureClass::RateLimited, Some(2_000)),
        (Reply::error(429, "rate_limit_exceeded").header("retry-after-ms", "350"), FailureClass::RateLimited, Some(350)),
        (Reply::error(429, "rate_limit_exceeded").header("retry-after", "600"), FailureClass::Denied, None),
        (Reply::error(429, "insufficient_quota").header("retry-after", "2"), FailureClass::Denied, None),
        (Reply::error(500, "server_error"), FailureClass::Overloaded, None),
        (Reply::error(503, "server_error").header("retry-after", "1"), FailureClass::Overloaded, Some(1_000)),
        (Reply::error(500, "server_error").header("x-should-retry", "false"), FailureClass::Denied, None),
        (Reply::raw(502, "<html>bad gateway</html>"), FailureClass::Overloaded, None),
    ] {
        let server = answering(reply.clone()).await;
        let (failure, metering) = failed(ask(&server, "x").await);
        assert_eq!((failure.class, failure.retry_after_ms, metering), (class, retry_after_ms, Metering::None), "{reply:?}");
        assert_eq!((server.requests().len(), server.billed().nano_usd), (1, 0));
    }
}

#[tokio::test]
async fn an_error_never_shows_the_key() {
    let echo = Reply::raw(401, &json!({"error": {"message": format!("Incorrect API key provided: {KEY}"), "code": "invalid_api_key"}}).to_string());
    let server = answering(echo.header("x-request-id", "req_k")).await;
    let (failure, _) = failed(ask(&server, "x").await);
    assert_eq!(
        failure.message,
        "`openai` answered 401 (invalid_api_key): Incorrect API key provided: [key]; the key of `TEST_KEY` was sent [request req_k]"
    );

    let server = answering(Reply::error(401, "invalid_api_key")).await;
    let keyless = provider_of(&OpenAiConfig { api_key_env: None, ..config(&server.base_url()) });
    let (failure, _) = failed(keyless.ask(&request("x"), &cx()).await);
    assert!(failure.message.contains("name the variable that holds it by `api_key_env`"), "{}", failure.message);

    let server = answering(Reply::raw(200, &format!("garbage {KEY}"))).await;
    let (failure, _) = failed(ask(&server, "x").await);
    assert_eq!(failure.detail.as_deref(), Some("garbage [key]"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = answering(Reply::raw(status, "").header("location", "/v1/elsewhere")).await;
        let (failure, metering) = failed(ask(&server, "x").await);
        assert_eq!((failure.class, metering, server.requests().len()), (FailureClass::Invalid, Metering::None, 1), "{status}");
        assert!(failure.message.contains("base_url"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_costs_nothing() {
    let base = answering(Reply::text("")).await.base_url();
    let (failure, metering) = failed(provider(&base).ask(&request("x"), &cx()).await);
    assert_eq!((failure.class, metering), (FailureClass::Transport, Metering::None), "{}", failure.message);
    assert!(failure.message.starts_with("`openai` was not reached: "), "{}", failure.message);
}

#[tokio::test]
async fn a_handshake_that_fails_costs_nothing() {
    let server = answering(Reply::text("")).await;
    let base = server.base_url().replace("http://", "https://");
    let (failure, metering) = failed(provider(&base).ask(&request("x"), &cx()).await);
    assert_eq!((failure.class, metering, server.requests().len()), (FailureClass::Transport, Metering::None, 0), "{}", failure.message);
}

#[tokio::test]
async fn time_that_runs_out_before_anything_was_sent_costs_nothing() {
    // The kernel takes the connection, and nobody ever speaks TLS on it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("https://{}/v1", listener.local_addr().expect("an address"));
    let (failure, metering) = failed(provider(&base).ask(&request("x"), &cx_for(Duration::from_millis(100))).await);
    assert_eq!((failure.class, metering), (FailureClass::TimedOut, Metering::None), "{}", failure.message);
    let config = OpenAiConfig { connect_timeout_seconds: Some(0.1), ..config(&base) };
    let (failure, metering) = failed(provider_of(&config).ask(&request("x"), &cx()).await);
    assert_eq!((failure.class, metering), (FailureClass::Transport, Metering::None), "{}", failure.message);
}

#[tokio::test]
async fn what_was_sent_and_not_answered_may_have_cost_everything() {
    let slow = Delivery { delay_ms: 60_000, ..Delivery::default() };
    let dripping = Delivery { chunk_bytes: Some(1), chunk_delay_ms: 10_000, ..Delivery::default() };
    for deliver in [slow, dripping] {
        let server = server(delivered(Reply::text("never seen"), deliver)).await;
        let own = provider_of(&OpenAiConfig { timeout_seconds: Some(0.2), ..config(&server.base_url()) });
        for (provider, cx) in [(provider(&server.base_url()), cx_for(Duration::from_millis(200))), (own, cx())] {
            let (failure, metering) = failed(provider.ask(&request("x"), &cx).await);
            assert_eq!((failure.class, metering), (FailureClass::TimedOut, Metering::Unknown), "{}", failure.message);
        }
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_may_have_cost_everything() {
    let mut scripts = vec![Script::always(Reply::HangUp { billed: None })];
    for after in [0, 1, 100] {
        scripts.push(delivered(Reply::text("never whole"), Delivery { break_after_bytes: Some(after), ..Delivery::default() }));
    }
    for script in scripts {
        let server = server(script.clone()).await;
        let (failure, metering) = failed(ask(&server, "x").await);
        assert_eq!((failure.class, metering), (FailureClass::Transport, Metering::Unknown), "{script:?}: {}", failure.message);
        assert_eq!(server.requests().len(), 1, "nothing is sent twice");
    }
}

#[tokio::test]
async fn an_error_whose_text_breaks_off_is_still_that_error() {
    let server = server(delivered(Reply::error(429, "rate_limit_exceeded"), Delivery { break_after_bytes: Some(5), ..Delivery::default() })).await;
    let (failure, metering) = failed(ask(&server, "x").await);
    assert_eq!((failure.class, metering), (FailureClass::RateLimited, Metering::None), "{}", failure.message);
}

#[tokio::test]
async fn a_cancelled_question_ends_at_once() {
    let server = server(delivered(Reply::text("never seen"), Delivery { delay_ms: 60_000, ..Delivery::default() })).await;
    let before = CallCx { cancel: CancellationToken::new(), ..cx() };
    before.cancel.cancel();
    let (failure, metering) = failed(provider(&server.base_url()).ask(&request("x"), &before).await);
    assert_eq!((failure.class, metering, server.requests().len()), (FailureClass::Cancelled, Metering::None, 0));

    let during = cx();
    let cancel = async {
        while server.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        during.cancel.cancel();
    };
    let provider = provider(&server.base_url());
    let request = request("x");
    let (outcome, ()) = tokio::join!(provider.ask(&request, &during), cancel);
    let (failure, metering) = failed(outcome);
    assert_eq!((failure.class, metering), (FailureClass::Cancelled, Metering::Unknown));
}

#[tokio::test]
async fn an_answer_that_is_none_may_have_cost_everything() {
    for body in ["", "<html>", "{\"choices\": [", "[1]", "\u{0}"] {
        let server = answering(Reply::raw(200, body)).await;
        let (failure, metering) = failed(ask(&server, "x").await);
        assert_eq!((failure.class, metering), (FailureClass::Refused, Metering::Unknown), "{body:?}");
    }
    let server = answering(Reply::raw(200, r#"{"error": {"message": "overloaded", "type": "server_error"}}"#)).await;
    let (failure, metering) = failed(ask(&server, "x").await);
    assert_eq!((failure.class, metering), (FailureClass::Overloaded, Metering::Unknown));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let Reply::Raw(raw) = Reply::raw(200, &" ".repeat(1024)) else { panic!("raw") };
    let server = answering(Reply::Raw(gorgon_testkit::scripted::RawReply { repeat: 17 * 1024, ..raw })).await;
    let (failure, metering) = failed(ask(&server, "x").await);
    assert_eq!((failure.class, metering), (FailureClass::Refused, Metering::Unknown), "{}", failure.message);
    assert!(failure.message.contains("longer than 16 MiB"), "{}", failure.message);
}

#[tokio::test]
async fn a_conversation_goes_by_its_script() {
    let script = Script::default()
        .rule(Rule::new(Reply::error(503, "server_error")).prompt("alpha").times(1))
        .rule(Rule::new(Reply::text("second")).prompt("alpha"))
        .rule(Rule::new(Reply::text("beta")).prompt("beta"));
    let server = server(script).await;
    failed(ask(&server, "alpha").await);
    assert_eq!(succeeded(ask(&server, "beta").await).0["text"], "beta");
    assert_eq!(succeeded(ask(&server, "alpha").await).0["text"], "second");
    let rules: Vec<_> = server.requests().iter().map(|request| request.rule).collect();
    assert_eq!(rules, [Some(0), Some(2), Some(1)]);

    let (failure, _) = failed(ask(&server, "gamma").await);
    assert!(failure.message.contains("off script"), "{}", failure.message);
    let failures = server.take_failures();
    assert!(failures.len() == 1 && failures[0].contains("gamma"), "{failures:?}");
}
