//! The one place that knows the script, what was asked so far, and what it cost.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::price::Counts;
use super::question::{Question, Wire};
use super::record::{Bill, Recorded};
use super::script::{Delivery, Reply, Rule, Script};
use super::wire::{self, Prepared};
use super::witness::Witness;

/// What the connections share.
#[derive(Debug)]
pub(super) struct Desk {
    script: Script,
    witness: Option<Arc<Witness>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Recorded>,
    failures: Vec<String>,
    /// By rule: requests that met its conditions but for the count, and requests that it answered.
    met: Vec<u64>,
    used: Vec<u64>,
}

impl Desk {
    pub(super) fn new(script: Script, witness: Option<Witness>) -> Self {
        let rules = script.rules.len();
        let state = State { met: vec![0; rules], used: vec![0; rules], ..State::default() };
        Self { script, witness: witness.map(Arc::new), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.state().records.clone()
    }

    pub(super) fn bill(&self) -> Bill {
        let state = self.state();
        let charged = state.records.iter().map(|record| record.charged_nano_usd).filter(|&charge| charge > 0);
        Bill { nano_usd: charged.clone().sum(), calls: charged.count() as u64, failures: state.failures.clone() }
    }

    pub(super) fn take_failures(&self) -> Vec<String> {
        std::mem::take(&mut self.state().failures)
    }

    pub(super) fn fail(&self, why: String) {
        self.state().failures.push(why);
    }

    /// Notes a request, on disk first. Answers its number.
    pub(super) async fn receive(&self, mut record: Recorded) -> io::Result<u64> {
        {
            let mut state = self.state();
            record.n = state.records.len() as u64 + 1;
            state.records.push(record.clone());
        }
        let n = record.n;
        self.testify(json!({
            "event": "request", "n": n, "at_ns": record.at_ns, "method": record.method, "path": record.path, "headers": record.headers, "body": record.body,
        }))
        .await?;
        Ok(n)
    }

    /// Decides what to answer to a request to the model.
    pub(super) fn decide(&self, n: u64, body: &Value, wire: Wire) -> (Prepared, Delivery) {
        let mut state = self.state();
        match self.choose(&mut state, n, body, wire) {
            Ok((rule, question)) => (self.prepare(n, rule, &question), rule.deliver),
            Err(why) => {
                let why = format!("request {n}: {why}");
                state.failures.push(why.clone());
                (wire::off_script(&why), Delivery::default())
            }
        }
    }

    fn choose(&self, state: &mut State, n: u64, body: &Value, wire: Wire) -> Result<(&Rule, Question), String> {
        let question = Question::read(body, wire)?;
        let mut chosen = None;
        for (index, rule) in self.script.rules.iter().enumerate().filter(|(_, rule)| question.meets(&rule.when)) {
            state.met[index] += 1;
            let counts = rule.when.nth.is_none_or(|nth| nth == state.met[index]) && rule.times.is_none_or(|times| state.used[index] < times);
            if counts && chosen.is_none() {
                state.used[index] += 1;
                chosen = Some((index, rule));
            }
        }
        let Some((index, rule)) = chosen else {
            return Err(format!("no rule of the script fits the model `{}` and the prompt {:?}", question.model, question.prompts));
        };
        let Some(record) = state.records.iter_mut().find(|record| record.n == n) else {
            return Err("the request was not noted".to_owned());
        };
        record.rule = Some(index);
        let broken = question.breaks(&rule.expect, &|name| record.header(name).map(str::to_owned));
        if broken.is_empty() { Ok((rule, question)) } else { Err(format!("rule {index}: {}", broken.join("; "))) }
    }

    fn prepare(&self, n: u64, rule: &Rule, question: &Question) -> Prepared {
        let charge = |counts: &Option<Counts>| counts.as_ref().map_or(0, |counts| self.script.price.charge_nano_usd(counts));
        match &rule.reply {
            Reply::Answer(answer) => {
                let (prepared, counts) = wire::answer(n, answer, question);
                prepared.charged(self.script.price.charge_nano_usd(&counts))
            }
            Reply::Error(error) => wire::error(error, question.wire),
            Reply::Raw(raw) => wire::raw(raw).charged(charge(&raw.billed)),
            Reply::HangUp { billed } => wire::hang_up().charged(charge(billed)),
        }
    }

    /// Notes an answer, on disk before the first byte of it leaves.
    pub(super) async fn answer(&self, n: u64, status: Option<u16>, charged_nano_usd: u64) -> io::Result<()> {
        if let Some(record) = self.state().records.iter_mut().find(|record| record.n == n) {
            record.status = status;
            record.charged_nano_usd = charged_nano_usd;
        }
        self.testify(json!({
            "event": "answer", "n": n, "at_ns": super::witness::unix_ns(), "status": status, "charged_nano_usd": charged_nano_usd,
        }))
        .await
    }

    async fn testify(&self, line: Value) -> io::Result<()> {
        let Some(witness) = self.witness.clone() else { return Ok(()) };
        tokio::task::spawn_blocking(move || witness.line(&line.to_string())).await.map_err(io::Error::other)?
    }
}
