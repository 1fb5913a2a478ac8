use gorgon_core::call::{FailureClass, Metering};
use gorgon_providers::{MaxTokensField, OpenAiConfig, Provider, ProviderConfig, Simulated, SimulatedConfig, Unavailable, build};

use crate::support::{cx, failed, request, succeeded};

fn read(text: &str) -> Result<ProviderConfig, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn a_table_is_read() {
    assert_eq!(read("kind = 'simulated'"), Ok(ProviderConfig::Simulated(SimulatedConfig { latency_ms: 0 })));
    assert_eq!(read("kind = 'simulated'\nlatency_ms = 20"), Ok(ProviderConfig::Simulated(SimulatedConfig { latency_ms: 20 })));
    assert_eq!(read("kind = 'openai'"), Ok(ProviderConfig::Openai(OpenAiConfig::default())));
    let all = "
        kind = 'openai'
        base_url = 'https://api.example.com/v1'
        api_key_env = 'EXAMPLE_KEY'
        organization = 'org'
        project = 'proj'
        max_tokens_field = 'max_tokens'
        service_tier = 'flex'
        timeout_seconds = 90.5
        connect_timeout_seconds = 3
        idle_timeout_seconds = 20
        stream = false
    ";
    let expected = OpenAiConfig {
        base_url: Some("https://api.example.com/v1".to_owned()),
        api_key_env: Some("EXAMPLE_KEY".to_owned()),
        organization: Some("org".to_owned()),
        project: Some("proj".to_owned()),
        max_tokens_field: MaxTokensField::MaxTokens,
        service_tier: Some("flex".to_owned()),
        timeout_seconds: Some(90.5),
        connect_timeout_seconds: Some(3.0),
        idle_timeout_seconds: Some(20.0),
        stream: Some(false),
    };
    assert_eq!(read(all), Ok(ProviderConfig::Openai(expected)));
}

#[test]
fn a_table_that_makes_no_sense_is_refused() {
    for (text, says) in [
        ("", "kind"),
        ("kind = 'nobody'", "nobody"),
        ("kind = 'openai'\nbase_ulr = 'x'", "base_ulr"),
        ("kind = 'simulated'\nbase_url = 'x'", "base_url"),
        ("kind = 'openai'\nmax_tokens_field = 'cap'", "cap"),
        ("kind = 'openai'\nlatency_ms = 1", "latency_ms"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_provider_is_built_or_the_way_out_is_told() {
    let none = |_: &str| None;
    assert!(build("simulated", &ProviderConfig::Simulated(SimulatedConfig::default()), &none).is_ok());
    let config = ProviderConfig::Openai(OpenAiConfig::default());
    assert!(build("openai", &config, &|name| (name == "OPENAI_API_KEY").then(|| "sk".to_owned())).is_ok());
    let error = build("openai", &config, &none).err().expect("no key");
    assert!(error.message.contains("`OPENAI_API_KEY` is not set") && error.help.contains("[providers.openai]"), "{error:?}");
}

#[tokio::test]
async fn a_provider_that_could_not_be_built_fails_only_the_calls_that_need_it() {
    let error = build("openai", &ProviderConfig::Openai(OpenAiConfig::default()), &|_| None).err().expect("no key");
    let (failure, metering) = failed(Unavailable::because(error).ask(&request("x"), &cx()).await);
    assert_eq!((failure.class, metering), (FailureClass::Denied, Metering::None));
    assert!(failure.message.contains("OPENAI_API_KEY"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn the_simulator_takes_its_time_and_obeys() {
    let slow = Simulated::new(SimulatedConfig { latency_ms: 1_000 });
    let started = tokio::time::Instant::now();
    let (value, metering) = succeeded(slow.ask(&request("x"), &cx()).await);
    assert_eq!(started.elapsed().as_millis(), 1_000);
    assert!(value["text"].as_str().is_some_and(|text| text.starts_with("[simulated] ")), "{value}");
    assert!(matches!(metering, Metering::Reported(_)));

    let cancelled = cx();
    cancelled.cancel.cancel();
    let (failure, metering) = failed(slow.ask(&request("x"), &cancelled).await);
    assert_eq!((failure.class, metering), (FailureClass::Cancelled, Metering::None));

    let slower = Simulated::new(SimulatedConfig { latency_ms: 60_000 });
    let (failure, metering) = failed(slower.ask(&request("x"), &cx()).await);
    assert_eq!((failure.class, metering), (FailureClass::TimedOut, Metering::None));
}
