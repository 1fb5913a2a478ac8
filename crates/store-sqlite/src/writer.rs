//! The thread that writes. Everything that waits goes into one transaction; who asked is answered after its commit.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use gorgon_ports::StoreError;
use gorgon_ports::journal::Refusal;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use crate::batch::Memory;
use crate::error::{Failure, Guilt, of_write};
use crate::lock::Lock;
use crate::order::{Order, Verdict, Work};
use crate::rows;
use crate::stats::{Counters, add};
use crate::wal::Wal;

const BATCH_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 1 << 20;

/// How long an empty queue is polled before the thread parks. In a chain of steps the next append comes within this time, and waking a parked thread
/// takes longer than it. On one core the poll would keep the others from running; so it would where many runs are under way, whose owners need every core:
/// it is done only while appends come one at a time.
const POLL: Duration = Duration::from_micros(50);

pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) queue: Receiver<Order>,
    pub(crate) wal: Wal,
    pub(crate) counters: Arc<Counters>,
    /// Why nothing is taken any more. Set once; the readers look at it as well.
    pub(crate) closed: Arc<OnceLock<String>>,
    pub(crate) memory: Memory,
    /// Let go of when the connection is closed, not before.
    pub(crate) lock: Lock,
}

impl Writer {
    /// Works until it is told to close, or nobody is left who could ask.
    pub(crate) fn run(mut self) {
        let poll = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1).then_some(POLL);
        let mut told = None;
        let mut alone = true;
        while let Some(order) = self.next(poll.filter(|_| alone)) {
            let barrier = match order {
                Order::Write(first) => {
                    let (gathered, barrier) = self.gather_and_commit(first);
                    alone = gathered == 1;
                    barrier
                }
                other => Some(other),
            };
            match barrier {
                None => {}
                Some(Order::TakeOver(reply)) => {
                    let _ = reply.send(self.take_over());
                }
                Some(Order::Close(reply)) => {
                    self.queue.close();
                    told = Some(reply);
                }
                // A batch ends only at what is no work.
                Some(Order::Write(work)) => self.commit(vec![work]),
            }
        }
        self.finish();
        if let Some(reply) = told {
            let _ = reply.send(());
        }
    }

    fn next(&mut self, poll: Option<Duration>) -> Option<Order> {
        if let Some(poll) = poll {
            let begun = Instant::now();
            loop {
                match self.queue.try_recv() {
                    Ok(order) => return Some(order),
                    Err(TryRecvError::Disconnected) => return None,
                    Err(TryRecvError::Empty) if begun.elapsed() >= poll => break,
                    Err(TryRecvError::Empty) => std::hint::spin_loop(),
                }
            }
        }
        self.queue.blocking_recv()
    }

    /// Commits this and whatever else waits. Answers how much that was, and the order that ended the batch, if one did.
    fn gather_and_commit(&mut self, first: Work) -> (usize, Option<Order>) {
        let mut bytes = first.bytes();
        let mut works = vec![first];
        let mut barrier = None;
        while works.len() < BATCH_MAX && bytes < BATCH_BYTES_MAX {
            match self.queue.try_recv() {
                Ok(Order::Write(work)) => {
                    bytes += work.bytes();
                    works.push(work);
                }
                Ok(other) => {
                    barrier = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let gathered = works.len();
        self.commit(works);
        if let Err(error) = self.after_commit() {
            self.break_down(&format!("a checkpoint could not be made durable: {error}"));
        }
        self.memory.trim();
        (gathered, barrier)
    }

    fn after_commit(&mut self) -> rusqlite::Result<()> {
        if self.closed.get().is_some() { Ok(()) } else { self.wal.after_commit(&self.connection, &self.counters) }
    }

    fn commit(&mut self, works: Vec<Work>) {
        if let Some(why) = self.closed.get() {
            let why = why.clone();
            return refuse(works, &Refusal::Closed(why));
        }
        match self.transact(&works) {
            Ok(verdicts) => {
                for (work, verdict) in works.into_iter().zip(verdicts) {
                    work.answer(verdict);
                }
            }
            Err(Failure::Guilty(guilt)) => self.find_the_guilty(works, &guilt),
            Err(Failure::Full(why)) => refuse(works, &Refusal::Full(why)),
            Err(Failure::Broken(why)) => {
                self.break_down(&why);
                refuse(works, &Refusal::Closed(why));
            }
            Err(Failure::Unknown(why)) => {
                self.break_down(&why);
                for work in works {
                    work.answer(Verdict::Unknown(why.clone()));
                }
            }
        }
    }

    /// The database refused what the judge let pass: somebody else wrote to the file, or the judge is wrong. Each gets a transaction of its own, judged
    /// anew by what the database says now.
    fn find_the_guilty(&mut self, works: Vec<Work>, guilt: &Guilt) {
        tracing::error!(?guilt, works = works.len(), "the database refused a transaction that had been judged; its parts are tried one by one");
        for work in works {
            let alone = std::slice::from_ref(&work);
            match self.transact(alone) {
                Ok(verdicts) => verdicts.into_iter().zip([work]).for_each(|(verdict, work)| work.answer(verdict)),
                Err(Failure::Guilty(Guilt::Taken)) => work.answer(Verdict::Refused(Refusal::Conflict { head: 0 })),
                Err(Failure::Guilty(Guilt::OutOfOrder(why))) => {
                    tracing::error!(why, "the check of a budget refused what had been judged");
                    work.answer(Verdict::Refused(Refusal::Budget(Vec::new())));
                }
                Err(Failure::Guilty(Guilt::TooBig(why)) | Failure::Full(why)) => work.answer(Verdict::Refused(Refusal::Full(why))),
                Err(Failure::Broken(why)) => {
                    self.break_down(&why);
                    work.answer(Verdict::Refused(Refusal::Closed(why)));
                }
                Err(Failure::Unknown(why)) => {
                    self.break_down(&why);
                    work.answer(Verdict::Unknown(why));
                }
            }
        }
    }

    fn transact(&mut self, works: &[Work]) -> Result<Vec<Verdict>, Failure> {
        if let Some(why) = self.closed.get() {
            return Err(Failure::Broken(why.clone()));
        }
        let written = self.begin().and_then(|()| self.write(works));
        let verdicts = match written {
            Ok(verdicts) => verdicts,
            Err(error) => return Err(self.undo(&error, false)),
        };
        let (mut appends, mut refused) = (0, 0);
        for verdict in &verdicts {
            match verdict {
                Verdict::Appended(_) => appends += 1,
                Verdict::Set | Verdict::Unknown(_) => {}
                Verdict::Refused(_) => refused += 1,
            }
        }
        add(&self.counters.refused, refused);
        if refused as usize == verdicts.len() {
            self.end("ROLLBACK").map_err(|error| self.undo(&error, false))?;
            return Ok(verdicts);
        }
        self.end("COMMIT").map_err(|error| self.undo(&error, true))?;
        add(&self.counters.commits, 1);
        add(&self.counters.appends, appends);
        Ok(verdicts)
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        self.end("BEGIN IMMEDIATE")
    }

    fn end(&self, how: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(how)?.execute([]).map(|_| ())
    }

    fn write(&mut self, works: &[Work]) -> rusqlite::Result<Vec<Verdict>> {
        let connection = &self.connection;
        let mut verdicts = Vec::with_capacity(works.len());
        for work in works {
            verdicts.push(match work {
                Work::Append(ready, _) => self.memory.append(connection, ready)?,
                Work::Limit(limit, _) => self.memory.set_limit(connection, limit)?,
            });
        }
        let rows = self.memory.write_budgets(connection)?;
        add(&self.counters.budget_rows, rows);
        Ok(verdicts)
    }

    /// Rolls back, and says what the error means.
    fn undo(&mut self, error: &rusqlite::Error, at_commit: bool) -> Failure {
        add(&self.counters.rolled_back, 1);
        self.memory.forget();
        let failure = of_write(error, at_commit);
        // Some errors end the transaction by themselves.
        if !self.connection.is_autocommit()
            && let Err(second) = self.end("ROLLBACK")
        {
            return Failure::Broken(format!("{error}; and the transaction could not be rolled back: {second}"));
        }
        failure
    }

    fn take_over(&mut self) -> Result<u64, StoreError> {
        if let Some(why) = self.closed.get() {
            return Err(StoreError::Closed(why.clone()));
        }
        let raised = self.begin().and_then(|()| {
            self.connection.prepare_cached("UPDATE meta SET epoch = epoch + 1 RETURNING epoch")?.query_row([], |row| rows::count(row, 0))
        });
        let committed = match raised {
            Ok(epoch) => self.end("COMMIT").map(|()| epoch).map_err(|error| self.undo(&error, true)),
            Err(error) => Err(self.undo(&error, false)),
        };
        self.memory.forget();
        committed.map_err(|failure| match failure {
            Failure::Broken(why) | Failure::Unknown(why) => {
                self.break_down(&why);
                StoreError::Closed(why)
            }
            Failure::Full(why) => StoreError::Unavailable(format!("the store could not be taken over: {why}")),
            Failure::Guilty(guilt) => StoreError::Damaged(format!("the store could not be taken over: {guilt:?}")),
        })
    }

    /// After an error of the disk nothing is trusted to this file any more: the kernel may hold pages for written that are not.
    fn break_down(&self, why: &str) {
        if self.closed.set(why.to_owned()).is_ok() {
            tracing::error!(why, path = %self.path.display(), "the store is closed, since a write could not be made durable");
        }
    }

    fn finish(self) {
        if self.closed.get().is_some() {
            // The WAL may hold pages in memory that are not on the disk: nothing of it is copied into the database file any more.
            let kept = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            tracing::debug!(?kept, "the write-ahead log is left as it is");
        } else if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log stays beside the database; the next start takes it up");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the database could not be closed in order; the next start takes it up");
        }
        drop(self.lock);
    }
}

fn refuse(works: Vec<Work>, refusal: &Refusal) {
    for work in works {
        work.answer(Verdict::Refused(refusal.clone()));
    }
}
