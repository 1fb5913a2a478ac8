//! `gorgon-scripted-server [--script FILE] [--witness FILE] [--port N] [--until-stdin-ends]`: the scripted model server as a process of its own.
//!
//! It prints one line of JSON, `{"address", "base_url", "effect_url"}`, when it listens. `/__requests` and `/__bill` tell what it saw and charged.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use gorgon_testkit::scripted::{Script, ScriptedServer, Witness};
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gorgon-scripted-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let (mut script, mut witness, mut port, mut until_stdin_ends) = (Script::default(), None, 0, false);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--script" => script = serde_json::from_slice(&std::fs::read(value()?)?)?,
            "--witness" => witness = Some(Witness::open(Path::new(&value()?))?),
            "--port" => port = value()?.parse()?,
            "--until-stdin-ends" => until_stdin_ends = true,
            _ => return Err(format!("unknown argument {arg}").into()),
        }
    }
    let server = ScriptedServer::start_with(script, witness, port).await?;
    let hello = serde_json::json!({
        "address": server.address().to_string(), "base_url": server.base_url(), "effect_url": server.effect_url(""),
    });
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{hello}")?;
    stdout.flush()?;
    if until_stdin_ends {
        let mut stdin = tokio::io::stdin();
        while stdin.read(&mut [0; 64]).await? > 0 {}
    } else {
        std::future::pending::<()>().await;
    }
    // What went off the script is for whoever reads `/__bill`, and for the exit code.
    let failures = server.take_failures();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
