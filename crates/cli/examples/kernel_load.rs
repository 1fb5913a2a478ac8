//! The load behind `cargo xtask bench kernel`: starts the release binary as a background holder on an empty folder, drives it over its socket from YAML, stops it,
//! and checks what it left on disk. Prints one JSON object a line.
//!
//! `kernel_load BINARY FOLDER (w1|w2|w3|calls|history|sleep|one|turns|first_token|conversation)`

#[path = "kernel_load/agent.rs"]
mod agent;
#[path = "kernel_load/disk.rs"]
mod disk;
#[path = "kernel_load/holder.rs"]
mod holder;
#[path = "kernel_load/loads.rs"]
mod loads;

use std::path::PathBuf;

use anyhow::{Result, bail};

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [binary, folder, measure] = args.as_slice() else {
        bail!("usage: kernel_load BINARY FOLDER (w1|w2|w3|calls|history|sleep|one|turns|first_token|conversation)")
    };
    let (binary, folder) = (PathBuf::from(binary), std::path::absolute(folder)?);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    match measure.as_str() {
        "w1" => loads::chain(&binary, &folder).await,
        "w2" => loads::many(&binary, &folder).await,
        "w3" => loads::wide(&binary, &folder).await,
        "calls" => loads::calls(&binary, &folder).await,
        "history" => loads::history(&binary, &folder).await,
        "sleep" => loads::sleep(&binary, &folder).await,
        "turns" => agent::turns(&binary, &folder).await,
        "first_token" => agent::first_token(&binary, &folder).await,
        "conversation" => agent::conversation(&binary, &folder).await,
        "one" => loads::one(&binary, &folder),
        other => bail!("no load is called `{other}`"),
    }
}
