//! The release binary, holding a folder in the background.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gorgon_api::{CreateRun, Start};
use gorgon_client::Client;
use gorgon_core::definition::Definition;
use gorgon_core::run::RunStatus;
use serde_json::Value;

pub(crate) struct Holder {
    child: Child,
    pub(crate) client: Client,
    pub(crate) data: PathBuf,
}

/// What a process has used.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    pub(crate) resident_kib: u64,
}

impl Holder {
    /// Starts it and waits until it answers.
    pub(crate) async fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let data = folder.join("data");
        let log = std::fs::File::options().create(true).append(true).open(folder.join("holder.log"))?;
        let child = Command::new(binary)
            .arg("--data-dir")
            .arg(&data)
            .args(["holder", "--idle-seconds", "600"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let client = Client::unix(data.join("gorgon.sock"));
        let started = Instant::now();
        while client.holder().await.is_err() {
            if started.elapsed() > Duration::from_secs(60) {
                bail!("the holder does not answer; see {}", folder.join("holder.log").display());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Self { child, client, data })
    }

    /// Starts a run.
    pub(crate) async fn create(&self, workflow: &Workflow, inputs: Value) -> Result<String> {
        Ok(self.client.create(&workflow.run_of(inputs)?).await?.id.to_string())
    }

    /// Starts a run and waits for its end. What happens in between is not sent.
    pub(crate) async fn run(&self, workflow: &Workflow, inputs: Value) -> Result<()> {
        const LONGEST: Duration = Duration::from_secs(600);
        let run = self.client.create_and_wait(&workflow.run_of(inputs)?, LONGEST).await?;
        ensure!(run.status == RunStatus::Completed, "run {} is {}", run.id, run.status.word());
        Ok(())
    }

    pub(crate) fn used(&self) -> Result<Used> {
        let pid = self.child.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|place| fields.get(*place)?.parse::<u64>().ok()).sum();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let resident_kib = resident.trim().trim_end_matches(" kB").trim().parse()?;
        // A tick is 10 ms on Linux whatever the kernel's own frequency is.
        Ok(Used { cpu: Duration::from_millis(ticks * 10), resident_kib })
    }

    /// Ends it as a power cut would, and waits.
    pub(crate) fn kill(mut self) -> Result<PathBuf> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.data)
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) -> Result<PathBuf> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(self.data)
    }
}

/// A workflow that was loaded from YAML, once for all of its runs.
#[derive(Clone)]
pub(crate) struct Workflow {
    definition: Definition,
    yaml: String,
}

impl Workflow {
    pub(crate) fn load(yaml: &str) -> Result<Self> {
        let loaded = gorgon_language::load(yaml);
        let Some(definition) = loaded.definition else { bail!("{}", gorgon_language::render("load.yaml", yaml, &loaded.diagnostics)) };
        Ok(Self { definition, yaml: yaml.to_owned() })
    }

    fn run_of(&self, inputs: Value) -> Result<CreateRun> {
        let start = Start { by: "bench".to_owned(), folder: "/".to_owned(), file: None, env: Default::default(), models: Default::default() };
        Ok(CreateRun {
            definition: self.definition.clone(),
            source: Some(self.yaml.clone()),
            goals: Vec::new(),
            inputs: serde_json::from_value(inputs)?,
            limits: Default::default(),
            start,
        })
    }
}
