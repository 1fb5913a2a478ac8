//! A run as its watcher sees it: folded from the events that come, so nothing has to be asked again for each of them.
//!
//! It is a picture, not the truth: whatever is printed at the end comes from the run itself.

use std::collections::{BTreeSet, HashMap};

use gorgon_api::{OutputFrame, Run, Time};
use gorgon_core::call::{ModelRequest, Outcome, Request};
use gorgon_core::event::{ChargeSource, DoubtVerdict, Event, ItemRef, Resolution, Settlement, SkipReason};
use gorgon_core::ids::{CallId, RunId, StepId};
use gorgon_core::money::Amounts;
use gorgon_core::run::{RunStatus, StepStatus};
use gorgon_core::step::Wait;

use crate::asked::{was_cut_off, whom, why_again};

/// Most of a line of live output that is kept: its end.
const LINE_BYTES_MAX: usize = 400;

/// A run as its watcher sees it.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    pub(crate) id: RunId,
    pub(crate) workflow: String,
    pub(crate) status: RunStatus,
    pub(crate) rows: Vec<Row>,
    pub(crate) charged: Amounts,
    pub(crate) created_at: Time,
    pub(crate) ended_at: Option<Time>,
    /// How many events it has seen.
    pub(crate) events: u64,
    places: HashMap<StepId, usize>,
}

/// A step as its watcher sees it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: StepId,
    pub(crate) parent: Option<usize>,
    pub(crate) status: StepStatus,
    /// Elements: how many there are, ended well, failed. A plain step has none.
    pub(crate) items: Option<(u32, u32, u32)>,
    pub(crate) attempt: u32,
    /// The last attempt of the rounds before, for a step in a loop.
    attempts_before: u32,
    pub(crate) charged: Amounts,
    /// Its calls that were charged without a known price.
    pub(crate) unpriced: u64,
    /// Its calls in flight without one.
    unpriced_open: BTreeSet<CallId>,
    /// Its calls that were charged all that was held for them, as nobody knows what was used.
    pub(crate) assumed: u64,
    pub(crate) simulated: bool,
    /// Whether its result was kept of another run.
    pub(crate) kept: bool,
    /// What there is to know in a few words.
    pub(crate) note: String,
    /// How its last call failed, if it did: why the next one waits.
    pub(crate) failed: Option<String>,
    /// Its elements that go on with another model, until that is asked.
    hopped: BTreeSet<u32>,
    /// What its last question to a model was, where that is not just the next one: why it is asked again, or who is asked now.
    pub(crate) asked: Option<String>,
    /// How its last answer was cut off, if it was.
    pub(crate) cut_off: Option<&'static str>,
    /// The last line of its live output, as far as it has come.
    pub(crate) tail: String,
    /// The line that is being written, and by which element to which stream.
    written: String,
    written_by: (u32, String),
    pub(crate) started_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
}

impl Board {
    /// The board of a run before its first event: its steps, and nothing of what they did.
    pub(crate) fn empty(run: &Run) -> Self {
        let places: HashMap<StepId, usize> = run.steps.iter().enumerate().map(|(place, step)| (step.id.clone(), place)).collect();
        let rows = run.steps.iter().map(|step| Row {
            id: step.id.clone(),
            parent: step.parent.as_ref().and_then(|parent| places.get(parent).copied()),
            status: StepStatus::Pending,
            items: step.items.map(|_| (0, 0, 0)),
            attempt: 0,
            attempts_before: 0,
            charged: Amounts::ZERO,
            unpriced: 0,
            unpriced_open: BTreeSet::new(),
            assumed: 0,
            failed: None,
            hopped: BTreeSet::new(),
            asked: None,
            cut_off: None,
            simulated: false,
            kept: false,
            note: String::new(),
            tail: String::new(),
            written: String::new(),
            written_by: (0, String::new()),
            started_at: None,
            ended_at: None,
        });
        let rows = rows.collect();
        let (id, workflow, created_at) = (run.id, run.workflow.clone(), run.created_at);
        Self { id, workflow, status: RunStatus::Queued, rows, charged: Amounts::ZERO, created_at, ended_at: None, events: 0, places }
    }

    /// The board of a run as it stands.
    pub(crate) fn of(run: &Run) -> Self {
        let mut board = Self::empty(run);
        board.refresh(run);
        board
    }

    /// Takes over what the run itself says.
    pub(crate) fn refresh(&mut self, run: &Run) {
        self.status = run.status;
        self.charged = Amounts { cost_nano_usd: run.cost_nano_usd, tokens: run.tokens, calls: run.calls };
        self.ended_at = run.ended_at;
        self.events = self.events.max(run.events);
        for (row, step) in self.rows.iter_mut().zip(&run.steps) {
            row.status = step.status;
            row.items = step.items.map(|items| (items.total, items.succeeded, items.failed));
            row.attempt = step.attempts;
            row.charged = Amounts { cost_nano_usd: step.cost_nano_usd, tokens: step.tokens, calls: step.calls };
            row.simulated = step.simulated;
            row.kept = step.kept;
            (row.started_at, row.ended_at) = (step.started_at, step.ended_at);
            if let Some(error) = step.error.as_ref().filter(|_| step.status != StepStatus::Succeeded) {
                row.note = first_line(&error.message);
            }
            if let Some(reason) = step.skipped {
                row.note = reason.sentence().to_owned();
            }
        }
        for waiting in &run.waiting_for {
            if let Some((step, note)) = crate::report::waiting_note(waiting)
                && let Some(row) = self.row(step)
            {
                row.note = note;
            }
        }
    }

    /// A piece of live output. Models write theirs a few characters at a time: those of a line are put together.
    pub(crate) fn output(&mut self, piece: &OutputFrame) {
        let Some(row) = self.row(&StepId::from(piece.step.as_str())) else { return };
        let by = (piece.item, piece.stream.clone());
        if row.written_by != by {
            row.written.clear();
            row.written_by = by;
        }
        for part in piece.text.split_inclusive('\n') {
            row.written.extend(part.chars().filter(|c| !c.is_control()));
            let far = row.written.floor_char_boundary(row.written.len().saturating_sub(LINE_BYTES_MAX));
            row.written.drain(..far);
            if !row.written.trim().is_empty() {
                row.tail.clone_from(&row.written);
            }
            if part.ends_with('\n') {
                row.written.clear();
            }
        }
    }

    /// A step of it.
    pub(crate) fn find(&self, step: &StepId) -> Option<&Row> {
        self.places.get(step).map(|&place| &self.rows[place])
    }

    fn row(&mut self, step: &StepId) -> Option<&mut Row> {
        self.places.get(step).map(|&place| &mut self.rows[place])
    }

    /// Something happened.
    pub(crate) fn apply(&mut self, at: Time, event: &Event) {
        self.events += 1;
        match event {
            Event::RunCreated(created) => {
                self.status = RunStatus::Running;
                created.fork.iter().flat_map(|fork| &fork.kept).for_each(|step| self.change(step, |row| row.kept = true));
            }
            Event::StatusChanged { status } => self.status = *status,
            Event::StepSkipped { step, reason } => self.skip(step, *reason, at),
            Event::GroupOpened { step, .. } => self.start(step, at),
            Event::RoundStarted { step, round } => self.begin_round(step, *round),
            Event::RoundEnded { .. } => {}
            Event::Hopped { at: item, hop: 0, .. } => self.change(&item.step, |row| row.status = StepStatus::Running),
            Event::Hopped { at: item, failure, .. } => {
                let note = format!("another one is asked: {}", first_line(&failure.message));
                self.change(&item.step, |row| {
                    (row.status, row.note) = (StepStatus::Running, note);
                    row.hopped.insert(item.item);
                });
            }
            Event::FannedOut { step, count, .. } => {
                self.start(step, at);
                self.change(step, |row| row.items = Some((*count, 0, 0)));
            }
            Event::AttemptStarted { at: item, attempt, .. } => {
                self.start(&item.step, at);
                self.change(&item.step, |row| row.attempt = attempt.saturating_sub(row.attempts_before));
            }
            Event::CallStarted(started) => {
                let model = if let Request::Model(model) = &started.request { Some(model) } else { None };
                let simulated = model.is_some_and(ModelRequest::is_simulated);
                self.start(&started.call.step, at);
                let unpriced = !simulated && started.hold.is_some_and(|hold| hold.price.is_none());
                self.change(&started.call.step, |row| {
                    row.simulated |= simulated;
                    let asked = model.and_then(|model| {
                        let again = why_again(model).map(|why| format!("the answer does not hold ({}); asked again", first_line(&why)));
                        again.or_else(|| row.hopped.remove(&started.call.item).then(|| format!("now {} is asked", whom(model))))
                    });
                    if asked.is_some() || row.asked.is_some() {
                        row.note = asked.clone().unwrap_or_default();
                    }
                    row.asked = asked;
                    if unpriced {
                        row.unpriced_open.insert(started.call.clone());
                    }
                });
            }
            Event::CallSettled { call, settlement, outcome } => {
                self.charge(call, *settlement);
                // Only what a model is asked is held for.
                let cut_off = settlement.and_then(|_| was_cut_off(outcome));
                let failed = if let Outcome::Failed { failure, .. } = outcome { Some(first_line(&failure.message)) } else { None };
                self.change(&call.step, |row| (row.failed, row.cut_off) = (failed, cut_off));
            }
            Event::CallDoubted { call, verdict, settlement, .. } => {
                self.charge(call, *settlement);
                if *verdict == DoubtVerdict::Ask {
                    self.change(&call.step, |row| (row.status, row.note) = (StepStatus::InDoubt, "somebody has to say what became of it".to_owned()));
                }
            }
            Event::DoubtResolved { at: item, resolution, .. } => {
                if *resolution == Resolution::Redo {
                    self.change(&item.step, |row| (row.status, row.note) = (StepStatus::Running, String::new()));
                }
            }
            Event::WaitStarted { at: item, wait, .. } => self.wait(item, wait, at),
            Event::WaitEnded { at: item, .. } | Event::BackoffEnded { at: item } => {
                self.change(&item.step, |row| (row.status, row.note) = (StepStatus::Running, String::new()));
            }
            Event::ApprovalDecided { at: item, approved, by, .. } => {
                let word = if *approved { "approved" } else { "rejected" };
                self.change(&item.step, |row| row.note = format!("{word} by {by}"));
            }
            Event::AttemptFailed { at: item, failure, retry_at, .. } => {
                let status = if retry_at.is_some() { StepStatus::Waiting } else { StepStatus::Running };
                self.change(&item.step, |row| {
                    row.note = first_line(&failure.message);
                    if row.items.is_none() {
                        row.status = status;
                    }
                });
            }
            Event::ItemSucceeded { step, .. } => self.change(step, |row| count(row, 1, 0)),
            Event::ItemFailed { step, failure, .. } => self.change(step, |row| {
                count(row, 0, 1);
                row.note = first_line(&failure.message);
            }),
            Event::StepSucceeded { step, .. } => self.end(step, StepStatus::Succeeded, "", at),
            Event::StepFailed { step, failure, .. } => self.end(step, StepStatus::Failed, &failure.message, at),
            Event::FallbackChosen { step, fallback, .. } => self.change(step, |row| row.note = format!("{fallback} takes its place")),
            Event::Reopened { steps, keep, .. } => {
                for step in steps {
                    self.change(step, |row| {
                        (row.status, row.note, row.started_at, row.ended_at, row.kept) = (StepStatus::Pending, String::new(), None, None, false);
                    });
                }
                for step in keep {
                    self.change(step, |row| (row.status, row.note, row.ended_at) = (StepStatus::Running, String::new(), None));
                }
                (self.status, self.ended_at) = (RunStatus::Running, None);
            }
            Event::RunFinished { status, .. } => {
                (self.status, self.ended_at) = (*status, Some(at));
                // What was under way is stopped, as the run itself says of its steps.
                for row in &mut self.rows {
                    let stands = row.status.shown_in(*status);
                    if stands != row.status {
                        (row.status, row.ended_at) = (stands, row.started_at.and(Some(at)));
                    }
                }
            }
            Event::SignalReceived { .. } | Event::TakenOver { .. } | Event::Halted { .. } | Event::LimitSet { .. } => {}
            Event::Paused { .. } => self.status = RunStatus::Paused,
            // Whether it runs now is said by what follows: one that its budget stops again at once has not changed its status.
            Event::Resumed { .. } => {
                self.ended_at = None;
                for row in self.rows.iter_mut().filter(|row| row.status == StepStatus::Cancelled) {
                    (row.status, row.ended_at) = (StepStatus::Running, None);
                }
            }
        }
    }

    /// A round of a loop: what is inside of it stands as if it had never run.
    fn begin_round(&mut self, step: &StepId, round: u32) {
        let Some(&place) = self.places.get(step) else { return };
        self.rows[place].note = format!("round {}", round + 1);
        let mut inside = vec![false; self.rows.len()];
        inside[place] = true;
        // Steps stand after the group that they are in.
        for at in place + 1..self.rows.len() {
            inside[at] = self.rows[at].parent.is_some_and(|parent| inside[parent]);
            if inside[at] {
                let row = &mut self.rows[at];
                (row.status, row.note, row.started_at, row.ended_at) = (StepStatus::Pending, String::new(), None, None);
                row.items = row.items.map(|_| (0, 0, 0));
                row.attempts_before += std::mem::take(&mut row.attempt);
            }
        }
    }

    /// The number of an attempt in the round at hand.
    pub(crate) fn attempt_in_round(&self, step: &StepId, attempt: u32) -> u32 {
        self.places.get(step).map_or(attempt, |&place| attempt.saturating_sub(self.rows[place].attempts_before))
    }

    fn change(&mut self, step: &StepId, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.row(step) {
            change(row);
        }
    }

    fn start(&mut self, step: &StepId, at: Time) {
        self.change(step, |row| {
            row.status = StepStatus::Running;
            row.started_at.get_or_insert(at);
        });
    }

    fn end(&mut self, step: &StepId, status: StepStatus, note: &str, at: Time) {
        self.change(step, |row| {
            (row.status, row.note, row.ended_at) = (status, first_line(note), Some(at));
            row.started_at.get_or_insert(at);
            row.tail.clear();
            row.written.clear();
            if row.kept && row.note.is_empty() {
                "kept".clone_into(&mut row.note);
            }
        });
    }

    fn skip(&mut self, step: &StepId, reason: SkipReason, at: Time) {
        self.change(step, |row| (row.status, row.note, row.ended_at) = (StepStatus::Skipped, reason.sentence().to_owned(), Some(at)));
    }

    fn wait(&mut self, item: &ItemRef, wait: &Wait, at: Time) {
        let failed = self.rows.iter().find(|row| row.id == item.step).and_then(|row| row.failed.clone());
        let note = match wait {
            Wait::Timer { .. } => failed.map_or_else(|| "waits".to_owned(), |why| format!("waits: {why}")),
            Wait::Signal { name, .. } => format!("waits for the signal `{name}`"),
            Wait::Approval { prompt, .. } => format!("waits for approval: {}", first_line(prompt)),
        };
        self.start(&item.step, at);
        self.change(&item.step, |row| (row.status, row.note) = (StepStatus::Waiting, note));
    }

    fn charge(&mut self, call: &CallId, settlement: Option<Settlement>) {
        let Some(Settlement { charged, source, .. }) = settlement else { return };
        self.charged = self.charged.plus(charged);
        self.change(&call.step, |row| {
            row.charged = row.charged.plus(charged);
            if row.unpriced_open.remove(call) {
                row.unpriced = row.unpriced.saturating_add(charged.calls);
            }
            if source == ChargeSource::AssumedMax {
                row.assumed = row.assumed.saturating_add(charged.calls);
            }
        });
    }
}

fn count(row: &mut Row, succeeded: u32, failed: u32) {
    if let Some((_, well, badly)) = &mut row.items {
        *well += succeeded;
        *badly += failed;
    }
}

/// The first line of a text, without what a terminal would obey.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}
