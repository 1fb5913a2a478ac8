//! `gorgon runs list`

use clap::Args;
use gorgon_api::{RunQuery, Time};

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::session::{Purpose, Session};
use crate::workflow::shorten;

/// List runs, newest first.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only runs in these states, with commas between them.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only runs of the workflow of this name.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only runs of this file.
    #[arg(long, value_name = "FILE")]
    file: Option<std::path::PathBuf>,
    /// At most so many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: u32,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let result = self.list(&mut session).await;
        session.close().await;
        result
    }

    async fn list(self, session: &mut Session<'_>) -> Result<Exit, Fault> {
        let context = session.context;
        let file = self.file.map(|file| {
            let path = context.cwd.join(file);
            path.canonicalize().unwrap_or(path).display().to_string()
        });
        let query = RunQuery { status: self.status, workflow: self.workflow, file, before: None, limit: Some(self.limit) };
        let list = session.ask(async |client| client.runs(&query).await).await?;
        if context.printer.json {
            context.printer.document(&list);
            return Ok(Exit::Done);
        }
        if list.runs.is_empty() {
            context.printer.say("no runs");
        }
        for run in &list.runs {
            let file = run.file.as_deref().map(|file| shorten(context, std::path::Path::new(file))).unwrap_or_default();
            context
                .printer
                .data(format!("{}  {:<10} {:<20}  {}  {file}", run.id, run.status.word(), minute(run.created_at), run.workflow).trim_end());
        }
        Ok(Exit::Done)
    }
}

fn minute(at: Time) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
