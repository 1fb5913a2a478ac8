//! `gorgon runs logs`

use std::io::IsTerminal;

use clap::Args;
use gorgon_api::Log;
use gorgon_core::diagnostic::Code;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::report::shown;
use crate::session::{Purpose, Session};

/// Print what the steps of a run wrote.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// Only of this step.
    step: Option<String>,
    /// Only the last lines of each.
    #[arg(long, short = 'n', value_name = "LINES")]
    lines: Option<usize>,
}

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let result = self.print(&mut session).await;
        session.close().await;
        result
    }

    async fn print(self, session: &mut Session<'_>) -> Result<Exit, Fault> {
        let printer = &session.context.printer;
        let mut logs = session.ask(async |client| client.logs(&self.run).await).await?;
        if let Some(step) = &self.step {
            let run = session.ask(async |client| client.run(&self.run).await).await?;
            if !run.steps.iter().any(|known| known.id.as_str() == step) {
                let ids: Vec<&str> = run.steps.iter().map(|step| step.id.as_str()).collect();
                let fault = Fault::new(Code::UnknownStep, format!("the run has no step `{step}`"));
                return Err(match gorgon_core::template::nearest(step, ids.iter().copied()) {
                    Some(near) => fault.help(format!("did you mean `{near}`?")),
                    None => fault.help(format!("its steps are: {}", ids.join(", "))),
                });
            }
            logs.logs.retain(|log| step_of(log) == step);
        }
        if printer.json {
            printer.document(&logs);
            return Ok(Exit::Done);
        }
        if logs.logs.is_empty() {
            printer.say("nothing was written");
        }
        for log in &logs.logs {
            printer.say(format!("== {}", log.name.strip_suffix(".log").unwrap_or(&log.name)));
            let lines: Vec<&str> = log.text.lines().collect();
            let first = self.lines.map_or(0, |last| lines.len().saturating_sub(last));
            // A terminal would obey what it says; a file gets it as it is.
            let on_terminal = std::io::stdout().is_terminal();
            lines[first..].iter().for_each(|line| printer.data(if on_terminal { shown(line) } else { (*line).to_owned() }));
        }
        Ok(Exit::Done)
    }
}

/// `STEP.ITEM.ATTEMPT.log`
fn step_of(log: &Log) -> &str {
    log.name.rsplitn(4, '.').nth(3).unwrap_or(&log.name)
}
