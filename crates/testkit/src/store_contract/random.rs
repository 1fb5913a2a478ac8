//! Random sequences of everything that the ports offer, for the comparison of two stores.
//!
//! A [`Script`] is drawn from a seed alone; a store is [played](Player) a step at a time, and says after each what it answered and how it looks. Two
//! stores that keep the contract say the same.

use gorgon_core::budget::{LedgerOp, Limits, Scope};
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::money::{Amounts, Meter};
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use gorgon_ports::{Append, Blob, BudgetRow, Commit, NewRun, RunFilter, RunKey, RunNo, RunRow, StoreError, StoredAppend, TenantScope};

use super::{AnyStore, Pen, new_run};

/// A small generator of numbers (SplitMix64): the same seed, the same numbers, on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Begins with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    /// True one time in `of`.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

const TENANTS: [&str; 2] = ["a", "b"];
const PROJECTS: [&str; 2] = ["p", "q"];
const RUNS: u64 = 6;

/// What is done to a store.
#[derive(Debug, Clone)]
pub enum Step {
    /// An append to the run of this index, with what is wrong about it.
    Append(Box<Draft>),
    /// A limit of a tenant or project.
    Limit {
        /// Whose.
        tenant: &'static str,
        /// Of which project.
        project: Option<&'static str>,
        /// In what.
        meter: Meter,
        /// How much.
        limit: u64,
    },
    /// The store is taken over.
    TakeOver,
    /// The store is closed and opened again; a store in memory stays.
    Reopen,
}

/// An append without what depends on the answers before.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Which run.
    pub run: usize,
    /// Added to the right number.
    pub seq_off: i64,
    /// Taken from the right epoch.
    pub epoch_off: u64,
    /// Whether it names a run that does not exist.
    pub stray: bool,
    /// Whether it creates the run although it exists.
    pub again: bool,
    body: Vec<u8>,
    blobs: Vec<Vec<u8>>,
    ledger: Vec<LedgerOp>,
    scopes: Vec<Scope>,
    row: Option<(RunStatus, Option<Timestamp>)>,
}

/// Draws the steps of this seed.
#[must_use]
pub fn script(seed: u64, steps: usize) -> Vec<Step> {
    let mut dice = Dice::seeded(seed);
    (0..steps).map(|_| step(&mut dice)).collect()
}

fn step(dice: &mut Dice) -> Step {
    match dice.below(40) {
        0 => Step::TakeOver,
        1 => Step::Reopen,
        2..=5 => Step::Limit {
            tenant: TENANTS[dice.below(2) as usize],
            project: if dice.one_in(2) { Some(*dice.pick(&PROJECTS)) } else { None },
            meter: *dice.pick(&Meter::ALL),
            limit: amount(dice, 400),
        },
        _ => Step::Append(Box::new(draft(dice))),
    }
}

/// Mostly small; sometimes nothing, sometimes more than any database counts.
fn amount(dice: &mut Dice, end: u64) -> u64 {
    match dice.below(40) {
        0 => u64::MAX - dice.below(2),
        1 => i64::MAX as u64,
        2..=5 => 0,
        _ => dice.below(end),
    }
}

fn amounts(dice: &mut Dice, end: u64) -> Amounts {
    Amounts { cost_nano_usd: amount(dice, end), tokens: amount(dice, end), calls: amount(dice, 3) }
}

fn draft(dice: &mut Dice) -> Draft {
    let ledger = (0..dice.below(4)).map(|_| ledger_op(dice)).collect();
    let scopes = (0..dice.below(4)).map(|_| match dice.below(3) {
        0 => Scope::Tenant((*dice.pick(&TENANTS)).to_owned()),
        1 => Scope::Project((*dice.pick(&PROJECTS)).to_owned()),
        _ => Scope::Run,
    });
    let scopes = scopes.collect();
    let text = |dice: &mut Dice| {
        let length = if dice.one_in(8) { dice.below(5_000) } else { dice.below(40) };
        let alphabet = if dice.one_in(2) { 2 } else { 256 };
        (0..length).map(|_| dice.below(alphabet) as u8).collect::<Vec<u8>>()
    };
    Draft {
        run: dice.below(RUNS) as usize,
        seq_off: if dice.one_in(8) { dice.below(4) as i64 - 2 } else { 0 },
        epoch_off: u64::from(dice.one_in(12)),
        stray: dice.one_in(40),
        again: dice.one_in(40),
        body: text(dice),
        blobs: (0..dice.below(6) / 4).map(|_| text(dice)).collect(),
        ledger,
        scopes,
        row: dice.one_in(3).then(|| (*dice.pick(&RunStatus::ALL), dice.one_in(2).then(|| Timestamp(dice.below(9_999) as i64)))),
    }
}

fn ledger_op(dice: &mut Dice) -> LedgerOp {
    match dice.below(10) {
        0 => {
            let limit = |dice: &mut Dice| dice.one_in(2).then(|| amount(dice, 200));
            LedgerOp::OpenRun { limits: Limits { cost_nano_usd: limit(dice), tokens: limit(dice), calls: limit(dice) } }
        }
        1 => LedgerOp::SetRunLimit { meter: *dice.pick(&Meter::ALL), limit: amount(dice, 200), spent: amount(dice, 50), reserved: 0 },
        2..=4 => LedgerOp::Settle { held: amounts(dice, 60), charged: amounts(dice, 60) },
        _ => LedgerOp::Hold { amounts: amounts(dice, 60) },
    }
}

/// Plays a script on one store.
pub struct Player {
    pens: Vec<Pen>,
    epoch: u64,
    hashes: Vec<ContentHash>,
}

impl Default for Player {
    fn default() -> Self {
        let new = |index: u64| NewRun {
            workflow: PROJECTS[index as usize % 2].to_owned(),
            ..new_run(u128::from(index) << 70 | u128::from(index), TENANTS[index as usize % 2])
        };
        Self { pens: (0..RUNS).map(|index| Pen::of(new(index))).collect(), epoch: 0, hashes: vec![ContentHash::of(b"never stored")] }
    }
}

impl Player {
    /// Makes one step, and answers what the store answered. `Reopen` is the caller's.
    pub async fn play(&mut self, store: &AnyStore, step: &Step) -> String {
        match step {
            Step::Append(draft) => self.append(store, draft).await,
            Step::Limit { tenant, project, meter, limit } => {
                format!("{:?}", store.set_limit(&TenantScope((*tenant).to_owned()), *project, *meter, *limit).await)
            }
            Step::TakeOver => {
                let epoch = store.take_over().await;
                self.epoch = epoch.clone().unwrap_or(self.epoch);
                format!("{epoch:?}")
            }
            Step::Reopen => String::new(),
        }
    }

    async fn append(&mut self, store: &AnyStore, draft: &Draft) -> String {
        let pen = &mut self.pens[draft.run];
        pen.epoch = self.epoch.saturating_sub(draft.epoch_off);
        pen.scopes.clone_from(&draft.scopes);
        let mut append = pen.append(draft.body.clone());
        append.seq = append.seq.saturating_add_signed(draft.seq_off);
        append.blobs = draft.blobs.iter().map(|text| Blob { hash: ContentHash::of(text), bytes: text.clone().into() }).collect();
        append.ledger.clone_from(&draft.ledger);
        append.row = draft.row;
        if draft.stray {
            append.run = Some(RunNo(1_000));
        }
        if draft.again {
            append.create = Some(new_run(u128::from(RUNS - 1) << 70 | u128::from(RUNS - 1), "a"));
            append.run = None;
        }
        let (is_usual, hashes) = (!draft.stray && !draft.again, append.blobs.iter().map(|blob| blob.hash).collect::<Vec<_>>());
        let commit = if is_usual { pen.send(store, append).await } else { store.commit(Append { seq: 1, ..append }).await };
        if let (Commit::Committed(receipt), false) = (&commit, is_usual) {
            // The last run was created by an append that was meant to fail: its own pen goes on from there.
            let appends = store.load(receipt.run(), 0).await.unwrap_or_default();
            if let Some(last) = appends.last() {
                self.pens[RUNS as usize - 1].wrote(receipt, last.seq, last.hash);
            }
        }
        self.hashes.extend(hashes);
        format!("{commit:?}")
    }

    /// Everything that the read sides show.
    pub async fn look(&self, store: &AnyStore) -> Look {
        let mut look = Look { feed: store.feed(0, 1_000).await, unfinished: store.unfinished(RunNo(0), 100).await, ..Look::default() };
        for tenant in TENANTS {
            let scope = TenantScope(tenant.to_owned());
            let waiting = RunFilter { statuses: vec![RunStatus::Waiting, RunStatus::Failed], limit: 3, ..RunFilter::default() };
            let named = RunFilter { workflow: Some("p".to_owned()), before: Some(RunNo(4)), limit: 9, ..RunFilter::default() };
            for filter in [RunFilter { limit: 100, ..RunFilter::default() }, waiting, named] {
                look.lists.push(store.list(&scope, &filter).await);
            }
            look.lists.push(store.search(&scope, "2", 100).await);
            look.budgets.push(store.of_tenant(&scope).await);
            look.found.push(store.find(&scope, RunId(1 << 70 | 1)).await);
        }
        for pen in self.pens.iter().filter(|pen| pen.seq() > 0) {
            look.logs.push(store.load(pen.key(), 0).await);
            look.budgets.push(store.of_run(pen.key()).await);
            // The youngest and, now and then, older ones: a look is taken often.
            for hash in self.hashes.iter().rev().step_by(1 + self.hashes.len() / 4) {
                // Messages may differ; what kind of error it is may not.
                look.blobs.push(store.blobs(pen.key(), &[*hash]).await.map_err(|error| matches!(error, StoreError::Damaged(_))));
            }
        }
        look
    }
}

/// What a store shows.
#[derive(Debug, PartialEq)]
pub struct Look {
    feed: Result<Vec<StoredAppend>, StoreError>,
    unfinished: Result<Vec<(RunKey, RunRow)>, StoreError>,
    lists: Vec<Result<Vec<RunRow>, StoreError>>,
    found: Vec<Result<Option<(RunKey, RunRow)>, StoreError>>,
    budgets: Vec<Result<Vec<BudgetRow>, StoreError>>,
    logs: Vec<Result<Vec<StoredAppend>, StoreError>>,
    blobs: Vec<Result<Vec<Blob>, bool>>,
}

impl Default for Look {
    fn default() -> Self {
        let (lists, found, budgets, logs, blobs) = Default::default();
        Self { feed: Ok(Vec::new()), unfinished: Ok(Vec::new()), lists, found, budgets, logs, blobs }
    }
}
