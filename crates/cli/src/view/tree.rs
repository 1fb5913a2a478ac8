//! The live tree: each step on a line, drawn over the last picture without clearing the screen first, so nothing flickers.

use std::io::Write;
use std::time::{Duration, Instant};

use gorgon_api::Time;
use gorgon_core::money::show_usd;
use gorgon_core::run::StepStatus;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::board::{Board, Row};
use crate::report::{Simulated, Unsure, cost, elapsed, glyph, style};

/// Shortest time between two pictures.
const FRAME: Duration = Duration::from_millis(80);

/// Below this width a line has room for its time and nothing else.
const NARROW: usize = 60;

/// The live tree.
#[derive(Debug)]
pub(crate) struct Tree {
    color: bool,
    /// How many lines the last picture took.
    drawn: usize,
    last: Option<Instant>,
    touched: bool,
}

impl Tree {
    pub(crate) fn new(color: bool) -> Self {
        Self { color, drawn: 0, last: None, touched: true }
    }

    /// Something changed.
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    /// Further lines were written below the picture; the next one is drawn over them as well. A line that is too long takes several.
    pub(crate) fn wrote(&mut self, lines: &[String]) {
        let (width, _) = size();
        self.drawn += lines.iter().map(|line| visible(line).div_ceil(width).max(1)).sum::<usize>();
    }

    pub(super) fn draw(&mut self, board: &Board, now: Time) {
        if self.last.is_none_or(|last| last.elapsed() >= FRAME) {
            self.picture(board, now);
        }
    }

    pub(super) fn settle(&mut self, board: &Board, now: Time) {
        self.picture(board, now);
        self.drawn = 0;
    }

    /// Draws, and keeps the place for the next picture.
    pub(crate) fn picture(&mut self, board: &Board, now: Time) {
        let (width, height) = size();
        let mut lines = render(board, now, width, self.color);
        // What has left the screen at the top cannot be drawn over.
        let room = height.saturating_sub(1).max(3);
        if lines.len() > room {
            lines = fitting(board, lines, room, width);
        }
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn.min(height.saturating_sub(1))));
        }
        for line in &lines {
            text.push('\r');
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        let mut err = std::io::stderr().lock();
        // A terminal that has gone needs no picture.
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        (self.drawn, self.last, self.touched) = (lines.len(), Some(Instant::now()), false);
    }
}

/// Columns and rows of the terminal.
pub(crate) fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (usize::from(size.ws_col), usize::from(size.ws_row)),
        _ => (80, 24),
    }
}

/// Head and foot stay; of the steps those that move or failed come first, and a line says how many are not shown.
fn fitting(board: &Board, lines: Vec<String>, room: usize, width: usize) -> Vec<String> {
    let steps = lines.len().saturating_sub(2);
    let keep = room.saturating_sub(3);
    let weight = |place: usize| match board.rows.get(place).map(|row| row.status) {
        Some(StepStatus::Running | StepStatus::Waiting | StepStatus::InDoubt | StepStatus::Failed) => 0,
        Some(StepStatus::Pending | StepStatus::Ready) => 1,
        _ => 2,
    };
    let mut places: Vec<usize> = (0..steps).collect();
    places.sort_by_key(|&place| (weight(place), place));
    places.truncate(keep);
    places.sort_unstable();
    let mut kept = vec![lines[0].clone()];
    kept.extend(places.iter().map(|&place| lines[place + 1].clone()));
    kept.push(cut(&format!("  … {} more steps", steps - places.len()), width));
    kept.extend(lines.last().cloned());
    kept
}

/// The picture: the run, its steps, what it cost.
pub(crate) fn render(board: &Board, now: Time, width: usize, color: bool) -> Vec<String> {
    let end = board.ended_at.unwrap_or(now);
    let mut lines = Vec::with_capacity(board.rows.len() + 2);
    let right = format!("{} {}", board.status.word(), elapsed(board.created_at, end));
    let head = if width < NARROW { board.workflow.clone() } else { format!("{}  {}", board.workflow, board.id) };
    lines.push(line(&head, "", &right, width, ("1", ""), color));
    for (place, row) in board.rows.iter().enumerate() {
        lines.push(step(board, place, row, now, width, color));
    }
    let simulated = Simulated::of(board.rows.iter().map(|row| (row.simulated, row.charged.calls)));
    let unsure = Unsure::of(board.rows.iter().map(|row| (row.unpriced, row.assumed)));
    lines.push(cut(&cost(&board.charged, simulated, unsure), width));
    lines
}

fn step(board: &Board, place: usize, row: &Row, now: Time, width: usize, color: bool) -> String {
    let mut left = format!("{}{} {}", branches(board, place), glyph(row.status), row.id);
    if let Some((total, well, badly)) = row.items {
        left.push_str(&format!(" {}/{total}", well + badly));
        if badly > 0 {
            left.push_str(&format!(" ({badly} failed)"));
        }
    }
    if row.attempt > 1 && row.items.is_none() {
        left.push_str(&format!(" (attempt {})", row.attempt));
    }
    let live = matches!(row.status, StepStatus::Running | StepStatus::Waiting);
    let writes = live && !row.tail.is_empty() && row.note.is_empty();
    let note = if writes { &row.tail } else { &row.note };
    let mut right = Vec::new();
    if width >= NARROW && row.charged.calls > 0 {
        let word = if row.simulated { " simulated" } else { "" };
        right.push(format!("{} tok {}{word}", row.charged.tokens, show_usd(row.charged.cost_nano_usd)));
    }
    if let Some(started) = row.started_at {
        right.push(elapsed(started, row.ended_at.unwrap_or(now)));
    }
    let right = right.join("  ");
    // Of what is being written the end is new.
    let room = width.saturating_sub(left.width() + right.width() + usize::from(!right.is_empty()) + 2);
    let end = if writes { cut_front(note, room) } else { note.clone() };
    line(&left, &end, &right, width, (style(row.status), "2"), color)
}

/// The lines that join a step to the group that it stands in.
fn branches(board: &Board, place: usize) -> String {
    let mut parts = vec![if is_last(board, place) { "└─ " } else { "├─ " }];
    let mut above = board.rows[place].parent;
    while let Some(parent) = above {
        parts.push(if is_last(board, parent) { "   " } else { "│  " });
        above = board.rows[parent].parent;
    }
    parts.reverse();
    parts.concat()
}

fn is_last(board: &Board, place: usize) -> bool {
    let parent = board.rows[place].parent;
    !board.rows[place + 1..].iter().any(|row| row.parent == parent)
}

/// Left text, a note in what room there is, and the right text at the edge.
fn line(left: &str, note: &str, right: &str, width: usize, (left_style, note_style): (&str, &str), color: bool) -> String {
    let room = width.saturating_sub(right.width() + usize::from(!right.is_empty()));
    let left = cut(left, room);
    let mut used = left.width();
    let mut text = paint(&left, left_style, color);
    if !note.is_empty() && room > used + 8 {
        let note = cut(note, room - used - 2);
        used += 2 + note.width();
        text.push_str("  ");
        text.push_str(&paint(&note, note_style, color));
    }
    if !right.is_empty() {
        text.push_str(&" ".repeat(width.saturating_sub(used + right.width())));
        text.push_str(&paint(right, "2", color));
    }
    text
}

fn paint(text: &str, style: &str, color: bool) -> String {
    if color && !style.is_empty() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The columns of a line, without its styles.
fn visible(line: &str) -> usize {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().width();
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, text)| text.width())).sum::<usize>()
}

/// As much of the end of the text as fits, with an ellipsis where something is missing.
fn cut_front(text: &str, width: usize) -> String {
    let backwards: String = text.chars().rev().collect();
    cut(&backwards, width).chars().rev().collect()
}

/// As much of the text as fits, with an ellipsis where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn styles_take_no_columns() {
        assert_eq!(visible("\x1b[1;33mab\x1b[0m日c"), 5);
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal() {
        for width in 1..100 {
            let text = line(
                "└─ ✓ a rather long name of a step",
                "a note that is longer than what is left of the line",
                "12 tok $0.00  1m02s",
                width,
                ("", ""),
                false,
            );
            assert!(text.width() <= width.max("12 tok $0.00  1m02s".width()), "{width}: {text}");
        }
    }
}
