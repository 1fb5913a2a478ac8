//! An append, judged and applied.

use gorgon_core::run::RunStatus;
use gorgon_ports::journal::{Append, Commit, NewRun, Receipt, Refusal};
use gorgon_ports::{RunNo, RunRow, StoredAppend};

use crate::state::{CLOSED, Run, State};

impl State {
    pub(crate) fn commit(&mut self, append: Append) -> Commit {
        match self.judge_and_apply(append) {
            Ok(receipt) => Commit::Committed(receipt),
            Err(refusal) => Commit::Refused(refusal),
        }
    }

    fn judge_and_apply(&mut self, append: Append) -> Result<Receipt, Refusal> {
        if self.closed {
            return Err(Refusal::Closed(CLOSED.to_owned()));
        }
        if append.epoch < self.epoch {
            return Err(Refusal::Fenced);
        }
        let no = self.judge_place(&append)?;
        let tenant = match (&append.create, self.run(no)) {
            (Some(new), _) => new.tenant.clone(),
            (None, Some(run)) => run.row.tenant.clone(),
            (None, None) => return Err(Refusal::Conflict { head: 0 }),
        };
        let moved = self.judge_ledger(&append, no, &tenant)?;

        self.budgets.extend(moved);
        self.blobs.extend(append.blobs.into_iter().map(|blob| ((tenant.clone(), blob.hash), blob.bytes)));
        if let Some(new) = append.create {
            self.runs.push(Run { row: row_of(no, new, append.at), appends: Vec::new() });
        }
        let place = self.log.len();
        let pos = place as u64 + 1;
        self.log.push(StoredAppend { pos, run_no: no, seq: append.seq, count: append.count, at: append.at, hash: append.hash, body: append.body });
        let Some(run) = self.run_mut(no) else { return Err(Refusal::Conflict { head: 0 }) };
        run.appends.push(place);
        if let Some((status, wake_at)) = append.row {
            run.row.status = status;
            run.row.wake_at = wake_at;
            run.row.updated_at = append.at;
        }
        Ok(Receipt::on_disk(run.key(), pos, append.seq))
    }

    /// The run that the append goes to, if its number is the next one there.
    fn judge_place(&self, append: &Append) -> Result<RunNo, Refusal> {
        let (no, head) = match (&append.create, append.run) {
            (Some(new), None) => {
                if let Some(taken) = self.runs.iter().find(|run| run.row.id == new.id) {
                    return Err(Refusal::Conflict { head: taken.head() });
                }
                (self.next_run_no(), 0)
            }
            (None, Some(no)) => match self.run(no) {
                Some(run) => (no, run.head()),
                None => return Err(Refusal::Conflict { head: 0 }),
            },
            (None, None) | (Some(_), Some(_)) => return Err(Refusal::Conflict { head: 0 }),
        };
        if append.seq == head + 1 { Ok(no) } else { Err(Refusal::Conflict { head }) }
    }
}

fn row_of(no: RunNo, new: NewRun, at: gorgon_core::time::Timestamp) -> RunRow {
    RunRow {
        no,
        id: new.id,
        tenant: new.tenant,
        workflow: new.workflow,
        file: new.file,
        definition: new.definition,
        status: RunStatus::Queued,
        created_at: at,
        updated_at: at,
        wake_at: None,
    }
}
