//! `gorgon watch` and `gorgon runs watch`

use clap::Args;

use super::going::{tell, view};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::follow::{End, Follow, Told, follow};
use crate::session::{Purpose, Session};

/// Follow a run that was started elsewhere. Ctrl-C ends the watching, not the run; nothing runs because of it, and where nobody works on the run that is said.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    #[arg(default_value = "@last")]
    run: String,
    /// Stay when nothing moves without somebody, or nobody works on the run, instead of ending with 4.
    #[arg(long)]
    wait: bool,
    /// Print each event as JSON on a line of stdout.
    #[arg(long)]
    events: bool,
}

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let result = self.watch(&mut session).await;
        session.close().await;
        result
    }

    async fn watch(&self, session: &mut Session<'_>) -> Result<Exit, Fault> {
        let context = session.context;
        let run = session.ask(async |client| client.run(&self.run).await).await?;
        let stays = self.wait || context.printer.is_interactive();
        let how = Follow { view: view(context, self.events), owned: false, stays, asks: context.printer.is_interactive(), told: Told::Nothing };
        let (run, end) = follow(session, run, how).await?;
        if matches!(end, End::Interrupted | End::Unread) {
            return Ok(end.exit(&run));
        }
        tell(session, &run, end, self.events);
        Ok(end.exit(&run))
    }
}
