//! `gorgon runs tree`

use clap::Args;
use gorgon_api::Time;

use crate::board::Board;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::session::{Purpose, Session};
use crate::view::render;

/// Columns of the tree where there is no terminal.
const WIDTH: usize = 100;

/// Show the steps of a run as a tree.
#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    #[arg(default_value = "@last")]
    run: String,
}

impl Tree {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let run = session.ask(async |client| client.run(&self.run).await).await;
        session.close().await;
        let run = run?;
        if context.printer.json {
            context.printer.document(&run.steps);
            return Ok(Exit::Done);
        }
        let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(WIDTH, |size| usize::from(size.ws_col).max(20));
        for line in render(&Board::of(&run), Time::now(), width, context.printer.color()) {
            context.printer.data(line.trim_end());
        }
        Ok(Exit::Done)
    }
}
