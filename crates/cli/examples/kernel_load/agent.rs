//! Agents: what their machinery adds to the model, and what a long conversation weighs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gorgon_client::Frame;
use gorgon_testkit::scripted::{Delivery, Reply, Rule, Script, ScriptedServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::disk::body_bytes;
use crate::holder::{Holder, Workflow};
use crate::loads::{middle, say};

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(120);

/// A model that asks for one file after the other, and then has done; `last`: not before its last answer has been on its way for so long.
async fn model(folder: &Path, turns: usize, last: Option<Delivery>) -> Result<ScriptedServer> {
    let mut script = Script::default();
    for turn in 1..turns {
        let path = folder.join(format!("notes/{turn}.txt"));
        let path = path.strip_prefix("/").unwrap_or(&path).display().to_string();
        script = script.rule(Rule::new(Reply::tool("files_read", &json!({ "path": path }).to_string())).times(1));
    }
    if let Some(late) = last {
        script = script.rule(Rule::new(Reply::text("never heard")).times(1).deliver(late));
    }
    Ok(ScriptedServer::start(script.rule(Rule::new(Reply::text("done")))).await?)
}

fn settings(folder: &Path, server: &ScriptedServer) -> Result<()> {
    let text = format!(
        "[http]\nallow_private = [\"127.0.0.1\"]\n[providers.scripted]\nkind = \"openai\"\nbase_url = \"{}\"\n[models.m]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\n",
        server.base_url()
    );
    Ok(std::fs::write(folder.join("gorgon.toml"), text)?)
}

/// Files of text that hardly compresses, so that what is stored twice shows.
fn notes(folder: &Path, count: usize, bytes: usize) -> Result<()> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::fs::create_dir_all(folder.join("notes"))?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for n in 1..=count {
        let text: String = (0..bytes)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(LETTERS[(state >> 58) as usize])
            })
            .collect();
        std::fs::write(folder.join(format!("notes/{n}.txt")), text)?;
    }
    Ok(())
}

fn workflow(turns: usize) -> Result<Workflow> {
    Workflow::load(&format!(
        "name: talk\nsteps:\n  - id: work\n    type: agent\n    provider: scripted\n    model: m\n    prompt: Read the notes.\n    tools: [files.read]\n    max_turns: {turns}\n    max_tokens: 200\n    timeout_seconds: 900\n"
    ))
}

/// Asks a server by itself, over one connection: what the model costs in time without Gorgon.
struct Direct {
    stream: TcpStream,
    host: String,
}

impl Direct {
    async fn to(server: &ScriptedServer) -> Result<Self> {
        let stream = TcpStream::connect(server.address()).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: server.address().to_string() })
    }

    /// The time to the first byte of the answer's body, and to its end.
    async fn ask(&mut self, body: &[u8]) -> Result<(Duration, Duration)> {
        let started = Instant::now();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body).await?;
        let (mut answer, mut first) = (Vec::new(), None);
        loop {
            let read = self.stream.read_buf(&mut answer).await?;
            ensure!(read > 0, "the server closed the connection");
            let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            if answer.len() > end + 4 {
                first.get_or_insert_with(|| started.elapsed());
            }
            if answer.ends_with(b"\r\n0\r\n\r\n") || is_whole(&answer, end) {
                return Ok((first.unwrap_or_else(|| started.elapsed()), started.elapsed()));
            }
        }
    }
}

/// Whether an answer with a length has come whole.
fn is_whole(answer: &[u8], head: usize) -> bool {
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= head + 4 + length)
}

/// A conversation of 200 turns with a tool each, and the same requests without Gorgon, in turn.
pub(crate) async fn turns(binary: &Path, folder: &Path) -> Result<()> {
    const TURNS: usize = 200;
    notes(folder, TURNS, 300)?;
    let mut added = Vec::new();
    for round in 0..4 {
        let server = model(folder, TURNS, None).await?;
        settings(folder, &server)?;
        let holder = Holder::start(binary, folder).await?;
        let started = Instant::now();
        holder.run(&workflow(TURNS)?, json!({})).await?;
        let with = started.elapsed();
        holder.stop()?;
        let bodies: Vec<Vec<u8>> = server.requests().iter().map(|request| request.body.to_string().into_bytes()).collect();
        ensure!(bodies.len() == TURNS, "{} questions for {TURNS} turns", bodies.len());
        // Another server with the same script: the first has played its own.
        let other = model(folder, TURNS, None).await?;
        let mut direct = Direct::to(&other).await?;
        let started = Instant::now();
        for body in &bodies {
            direct.ask(body).await?;
        }
        let without = started.elapsed();
        // The first round warms up.
        if round > 0 {
            added.push((with.as_secs_f64() - without.as_secs_f64()) * 1e3 / TURNS as f64);
        }
    }
    say(&json!({ "measure": "turns", "turns": TURNS, "added_ms_a_turn": middle(added.clone()), "all_ms": added }));
    Ok(())
}

/// From the request to the first text of the answer: a new run, streamed to a watcher, beside the same question without Gorgon.
pub(crate) async fn first_token(binary: &Path, folder: &Path) -> Result<()> {
    const RUNS: usize = 50;
    let server = ScriptedServer::start(Script::always(Reply::text("some words of an answer"))).await?;
    settings(folder, &server)?;
    let holder = Holder::start(binary, folder).await?;
    let yaml = Workflow::load("name: ask\nsteps:\n  - {id: a, type: agent, provider: scripted, model: m, prompt: hello, max_tokens: 50}\n")?;
    holder.run(&yaml, json!({})).await?;
    let body = server.requests().first().context("a question")?.body.to_string().into_bytes();
    let mut direct = Direct::to(&server).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        without.push(direct.ask(&body).await?.0.as_secs_f64() * 1e3);
        let started = Instant::now();
        let run = holder.create(&yaml, json!({})).await?;
        let mut frames = holder.client.events(&run, 0).await?;
        let first = loop {
            match frames.next().await? {
                Some(Frame::Output(_)) => break started.elapsed(),
                // It was over before the stream was open: then its end is what the watcher saw first.
                Some(Frame::Done) => break started.elapsed(),
                Some(Frame::Append(_)) => {}
                None => bail!("the stream ended"),
            }
        };
        with.push(first.as_secs_f64() * 1e3);
    }
    holder.stop()?;
    let (with, without) = (middle(with), middle(without));
    say(&json!({ "measure": "first_token", "added_ms": with - without, "with_ms": with, "without_ms": without }));
    Ok(())
}

/// A conversation of 1,000 turns: what it weighs on disk beside what was said, and how long until a new process has had its last turn.
pub(crate) async fn conversation(binary: &Path, folder: &Path) -> Result<()> {
    const TURNS: usize = 1_000;
    notes(folder, TURNS, 1_000)?;
    let late = Delivery { delay_ms: NEVER.as_secs() * 1_000, ..Delivery::default() };
    let server = model(folder, TURNS, Some(late)).await?;
    settings(folder, &server)?;
    let holder = Holder::start(binary, folder).await?;
    let run = holder.create(&workflow(TURNS)?, json!({})).await?;
    let asked = Instant::now();
    loop {
        let now = holder.client.run(&run).await?;
        ensure!(!now.status.is_terminal() && asked.elapsed() < NEVER, "the conversation does not come to its last turn: {}", now.status.word());
        if now.calls == (TURNS - 1) as u64 && now.in_flight == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let data = holder.kill()?;
    let said = server.requests().last().map(|request| request.body["messages"].to_string().len()).context("a question")?;
    let stored = body_bytes(&data)?;
    let started = Instant::now();
    let holder = Holder::start(binary, folder).await?;
    let answers = started.elapsed();
    while holder.client.run(&run).await?.status.word() != "completed" {
        ensure!(started.elapsed() < NEVER, "the conversation does not go on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let resumed = started.elapsed();
    holder.stop()?;
    let ratio = stored as f64 / said as f64;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let line: Value = json!({
        "measure": "conversation", "turns": TURNS, "said_bytes": said, "stored_bytes": stored, "ratio": ratio,
        "resume_ms": ms(resumed), "of_it_start_ms": ms(answers),
    });
    say(&line);
    Ok(())
}
