//! How a run is shown while it moves.

mod lines;
mod tree;

use gorgon_api::{AppendFrame, Time};
use gorgon_core::event::Event;

pub(crate) use self::tree::{Tree, render};
use crate::board::Board;
use crate::printer::Printer;

/// How a run is shown while it moves.
pub(crate) enum View {
    /// A tree on the terminal, drawn over and over.
    Tree(Tree),
    /// A line for whatever happens.
    Lines,
    /// Each event as JSON on a line of stdout.
    Events,
    /// Not at all.
    Silent,
}

impl View {
    /// An event that nobody has been told of.
    pub(crate) fn event(&mut self, printer: &Printer, board: &Board, frame: &AppendFrame, event: &Event) {
        match self {
            Self::Tree(tree) => tree.touch(),
            Self::Lines => lines::tell(printer, board, frame.at, event),
            Self::Events => printer.row(&serde_json::json!({ "pos": frame.pos, "seq": frame.seq, "at": frame.at, "event": event })),
            Self::Silent => {}
        }
    }

    /// Whether what the run cost stands on the screen already.
    pub(crate) fn shows_cost(&self) -> bool {
        matches!(self, Self::Tree(_))
    }

    /// Time has passed, or something changed.
    pub(crate) fn draw(&mut self, board: &Board, now: Time) {
        if let Self::Tree(tree) = self {
            tree.draw(board, now);
        }
    }

    /// The run stands still or has ended: what is drawn stays, and what is printed comes below.
    pub(crate) fn settle(&mut self, board: &Board, now: Time) {
        if let Self::Tree(tree) = self {
            tree.settle(board, now);
        }
    }
}
