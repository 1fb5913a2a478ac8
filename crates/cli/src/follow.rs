//! Following a run until it ends, until it needs somebody who is not here, or until this command is interrupted.

mod how;

use std::time::{Duration, Instant};

use gorgon_api::{CommandName, Pause, Run, Time};
use gorgon_client::{Client, Error, Frame, Frames};
use gorgon_core::run::RunStatus;

pub(crate) use self::how::{End, Follow, Told};
use crate::board::Board;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::prompt::{Answer, Keyboard, Question};
use crate::report;
use crate::session::Session;
use crate::view::View;

/// How often the picture is drawn while nothing happens: times go on.
const REDRAW: Duration = Duration::from_millis(200);

/// Follows a run.
pub(crate) async fn follow(session: &mut Session<'_>, run: Run, how: Follow) -> Result<(Run, End), Fault> {
    session.listen()?;
    let keyboard = how.asks.then(Keyboard::listen);
    let id = run.id.to_string();
    let mut follower = Follower {
        board: Board::empty(&run),
        how,
        id,
        known: run.events,
        interrupt: Interrupt::No,
        question: None,
        asked_at: Instant::now(),
        said_waiting: false,
    };
    follower.until_the_end(session, keyboard).await
}

struct Follower {
    board: Board,
    how: Follow,
    id: String,
    /// Events that the run had when it was last asked: before the board has seen them, it stands in the past.
    known: u64,
    interrupt: Interrupt,
    question: Option<Question>,
    /// When it was asked.
    asked_at: Instant,
    said_waiting: bool,
}

/// Whether somebody wants this command to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interrupt {
    No,
    /// They said so.
    Said,
    /// The run knows.
    Recorded,
}

impl Follower {
    async fn until_the_end(&mut self, session: &mut Session<'_>, mut keyboard: Option<Keyboard>) -> Result<(Run, End), Fault> {
        let mut after = 0;
        loop {
            let mut frames = match session.once(async |client| client.events(&self.id, after).await).await {
                Ok(frames) => frames,
                Err(error) => {
                    self.reconnect(session, error).await?;
                    continue;
                }
            };
            match self.watch(session, &mut frames, &mut after, &mut keyboard).await {
                Ok(end) => return Ok(end),
                Err(Stop::Gone(error)) => self.reconnect(session, error).await?,
                Err(Stop::Again) => {}
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
    }

    async fn reconnect(&mut self, session: &mut Session<'_>, error: Error) -> Result<(), Fault> {
        match error {
            Error::Unreachable { .. } | Error::Broken(_) => {}
            Error::Problem(_) | Error::Unreadable(_) => return Err(error.into()),
        }
        // Nobody is there to hear the answer.
        self.withdraw(session);
        if self.interrupt == Interrupt::Said {
            session.only_record();
        }
        // Whoever watches from somewhere has other settings, and other keys, than the run was started with, and does not take the holder's place.
        if !self.how.owned && !session.wait_for_others().await? {
            std::process::exit(i32::from(Exit::Interrupted.number()));
        }
        session.again().await?;
        if session.is_holder() && !session.is_alone() && !session.context.printer.json && matches!(self.how.view, View::Lines) {
            session.context.printer.say("the process that held the data directory went away; this one goes on");
        }
        Ok(())
    }

    async fn watch(
        &mut self,
        session: &mut Session<'_>,
        frames: &mut Frames,
        after: &mut u64,
        keyboard: &mut Option<Keyboard>,
    ) -> Result<(Run, End), Stop> {
        // The holder went away before it could be told.
        if self.interrupt == Interrupt::Said
            && let Some(end) = self.pause(session).await?
        {
            return Ok(end);
        }
        // Where the stream was cut the run may have come to rest with its last append: then nothing more comes, and nobody would look.
        if *after > 0
            && let Some(end) = self.look(session).await?
        {
            return Ok(end);
        }
        let mut redraw = tokio::time::interval(REDRAW);
        redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let line = async {
                match keyboard.as_mut() {
                    Some(keyboard) => keyboard.line().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                frame = frames.next() => match frame.map_err(Stop::Gone)? {
                    None => return Err(Stop::Gone(Error::Broken("the holder closed the stream".to_owned()))),
                    Some(frame) => if let Some(end) = self.take(session, frame, after).await? {
                        return Ok(end);
                    },
                },
                () = session.interrupted() => if let Some(end) = self.interrupt(session).await? {
                    return Ok(end);
                },
                (typed_at, line) = line => if let Some(end) = self.answer(session, typed_at, &line).await? {
                    return Ok(end);
                },
                _ = redraw.tick() => if self.question.is_none() {
                    self.how.view.draw(&self.board, Time::now());
                },
            }
            // A run of this command goes on when nobody reads of it any more.
            if !self.how.owned && session.context.printer.is_gone() {
                let run = self.now(session).await?;
                return Ok((run, End::Unread));
            }
        }
    }

    /// The run as it stands.
    async fn now(&self, session: &mut Session<'_>) -> Result<Run, Error> {
        session.once(async |client| client.run(&self.id).await).await
    }

    async fn take(&mut self, session: &mut Session<'_>, frame: Frame, after: &mut u64) -> Result<Option<(Run, End)>, Stop> {
        match frame {
            Frame::Output(piece) => {
                self.board.output(&piece);
                Ok(None)
            }
            Frame::Append(append) => {
                *after = append.pos;
                let events = append
                    .events()
                    .map_err(|error| Fault::new(gorgon_core::diagnostic::Code::StoreTooNew, format!("an event cannot be read: {error}")))?;
                for event in &events {
                    self.board.apply(append.at, event);
                    if !self.how.told.covers(self.board.events, append.at) {
                        self.how.view.event(&session.context.printer, &self.board, &append, event);
                    }
                }
                if self.question.is_none() {
                    self.how.view.draw(&self.board, Time::now());
                }
                self.look(session).await
            }
            Frame::Done => {
                let run = self.now(session).await?;
                if !run.status.is_terminal() {
                    // Somebody opened it again in between.
                    return Err(Stop::Again);
                }
                Ok(Some(self.end(run, End::Ended)))
            }
        }
    }

    /// Whether the run stands still now, and what that means here.
    async fn look(&mut self, session: &mut Session<'_>) -> Result<Option<(Run, End)>, Stop> {
        // Nothing moves in a store that this process only looks into.
        let is_left = !self.how.owned && session.is_alone();
        if self.board.events < self.known
            || !(is_left || self.is_interrupted() || matches!(self.board.status, RunStatus::Waiting | RunStatus::Paused))
        {
            self.withdraw(session);
            self.said_waiting = false;
            return Ok(None);
        }
        let run = self.now(session).await?;
        self.known = run.events;
        if run.events > self.board.events {
            return Ok(None);
        }
        if self.is_interrupted() && run.in_flight == 0 && !run.status.is_terminal() {
            return Ok(Some(self.end(run, End::Interrupted)));
        }
        if is_left && !run.status.is_terminal() {
            if !run.needs_somebody() && !self.said_waiting {
                self.say_below(session, &format!("nobody works on the run: gorgon resume {}", last_six(&self.id)));
            } else if self.how.stays && !self.said_waiting {
                self.below(session, &run);
            }
            self.said_waiting = true;
            // It is looked at again and again: somebody may have moved it meanwhile, and be gone.
            if self.how.stays {
                return Err(Stop::Gone(Error::Broken("nobody holds the data directory".to_owned())));
            }
            return Ok(Some(self.end(run, End::Waiting)));
        }
        let asked = self.ask(session, &run);
        if !run.needs_somebody() || asked || self.is_interrupted() {
            return Ok(None);
        }
        if !self.how.stays {
            return Ok(Some(self.end(run, End::Waiting)));
        }
        if !self.said_waiting {
            self.said_waiting = true;
            self.below(session, &run);
        }
        Ok(None)
    }

    /// Asks what can be decided here; answers whether there is such a thing.
    fn ask(&mut self, session: &Session<'_>, run: &Run) -> bool {
        let found = if self.how.asks && run.status == RunStatus::Waiting { Question::of(run) } else { None };
        let Some((question, waiting)) = found else {
            self.withdraw(session);
            return false;
        };
        if self.question.as_ref() == Some(&question) {
            return true;
        }
        self.board.refresh(run);
        self.withdraw(session);
        let printer = &session.context.printer;
        match &mut self.how.view {
            View::Tree(tree) => {
                tree.picture(&self.board, Time::now());
                let mut lines = question.ask(printer, waiting);
                // The answer ends with a line break of its own.
                lines.push(String::new());
                tree.wrote(&lines);
            }
            View::Lines | View::Events | View::Silent => drop(question.ask(printer, waiting)),
        }
        self.question = Some(question);
        self.asked_at = Instant::now();
        true
    }

    /// What was asked has been decided elsewhere.
    fn withdraw(&mut self, session: &Session<'_>) {
        if self.question.take().is_some() {
            session.context.printer.say("");
        }
    }

    async fn answer(&mut self, session: &mut Session<'_>, typed_at: Instant, line: &str) -> Result<Option<(Run, End)>, Stop> {
        // What was typed before the question was put answers something else.
        if typed_at <= self.asked_at {
            return Ok(None);
        }
        let Some(question) = self.question.take() else { return Ok(None) };
        let answer = question.answer(line, &session.context.user);
        let ask = async |client: &Client| match &answer {
            Answer::Decide(name, decide) => client.command(&self.id, *name, decide).await,
            Answer::Resolve(resolve) => client.command(&self.id, CommandName::Resolve, resolve).await,
            Answer::Unclear => client.run(&self.id).await,
        };
        match session.once(ask).await {
            Ok(run) => self.known = run.events,
            // Somebody else was faster: the run goes on as they said.
            Err(Error::Problem(problem)) => self.say_below(session, &problem.detail),
            Err(error) => return Err(Stop::Gone(error)),
        }
        self.look(session).await
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt != Interrupt::No
    }

    async fn interrupt(&mut self, session: &mut Session<'_>) -> Result<Option<(Run, End)>, Stop> {
        if self.is_interrupted() {
            let printer = &session.context.printer;
            session.abandon();
            printer.say(if session.is_ephemeral() {
                "left at once; nothing of the run is kept, and what was in flight may have been done".to_owned()
            } else if !session.is_holder() {
                format!("left; the run pauses once what is in flight has ended. To go on: gorgon resume {}", last_six(&self.id))
            } else {
                format!("left at once; what was in flight is in doubt. To go on: gorgon resume {}", last_six(&self.id))
            });
            std::process::exit(i32::from(Exit::Interrupted.number()));
        }
        self.interrupt = Interrupt::Said;
        self.pause(session).await
    }

    /// Nothing more is to begin.
    async fn pause(&mut self, session: &mut Session<'_>) -> Result<Option<(Run, End)>, Stop> {
        let run = self.now(session).await?;
        if !self.how.owned || run.status == RunStatus::Paused && run.in_flight == 0 {
            return Ok(Some(self.end(run, End::Interrupted)));
        }
        let pause = Pause { interrupt: true, by: session.context.user.clone() };
        let sent = session.once(async |client| client.command(&self.id, CommandName::Pause, &pause).await).await;
        if let Ok(_) | Err(Error::Problem(_)) = sent {
            self.interrupt = Interrupt::Recorded;
        }
        match sent {
            Ok(run) if run.in_flight == 0 && !run.status.is_terminal() => return Ok(Some(self.end(run, End::Interrupted))),
            Ok(run) => {
                self.known = run.events;
                let calls = report::counted(u64::from(run.in_flight), "call");
                let then = if session.is_holder() { "leave them in doubt" } else { "leave at once" };
                self.say_below(session, &format!("interrupted: waiting for {calls} in flight (once more to {then})"));
            }
            // It is ending by itself, or somebody else paused it.
            Err(Error::Problem(problem)) => self.say_below(session, &problem.detail),
            Err(error) => return Err(Stop::Gone(error)),
        }
        Ok(None)
    }

    fn say_below(&mut self, session: &Session<'_>, line: &str) {
        session.context.printer.say(line);
        if let View::Tree(tree) = &mut self.how.view {
            tree.wrote(&[line.to_owned()]);
        }
    }

    /// Why the run stands still, for somebody who stays.
    fn below(&mut self, session: &Session<'_>, run: &Run) {
        self.board.refresh(run);
        self.how.view.settle(&self.board, Time::now());
        if !session.context.printer.json {
            for line in report::way_on(run) {
                session.context.printer.say(line);
            }
        }
    }

    fn end(&mut self, run: Run, end: End) -> (Run, End) {
        self.board.refresh(&run);
        self.how.view.settle(&self.board, Time::now());
        (run, end)
    }
}

fn last_six(id: &str) -> &str {
    &id[id.len().saturating_sub(6)..]
}

/// Why watching stopped before the end.
enum Stop {
    /// The holder went away: whoever takes its place is asked.
    Gone(Error),
    /// The stream ended, and the run did not: it is watched on.
    Again,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Gone(error)
    }
}
