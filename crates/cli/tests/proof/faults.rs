//! What went wrong in the Python predecessor, and what happens here: one table, one runner, through the binary.

mod injection;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_testkit::scripted::{Counts, Delivery, Reply, Rule, Script, Usage};
use serde::Deserialize;

use crate::machine::{Done, Machine, finish};
use crate::server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    fault: Vec<Fault>,
}

/// One fault.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    /// What the predecessor did.
    there: String,
    /// What it exited with.
    there_exit: i32,
    /// What it printed that told of the fault; empty: nothing.
    there_printed: String,
    files: BTreeMap<String, String>,
    calls: Vec<Call>,
    /// The first call is killed with SIGKILL as soon as there is this file.
    crash_at: Option<String>,
    /// All calls are made at once.
    #[serde(default)]
    together: bool,
    /// A model answers with this usage.
    model: Option<Model>,
    /// The calls together take at most so long.
    within_seconds: Option<f64>,
    /// Files are looked at only after so long.
    after_seconds: Option<f64>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    present: BTreeMap<String, String>,
}

/// One call of the binary, and what comes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    args: Vec<String>,
    /// None for a call that is killed.
    exit: Option<i32>,
    /// All of it.
    stdout: Option<String>,
    /// Somewhere in what it printed.
    #[serde(default)]
    says: Vec<String>,
    /// Nowhere in it.
    #[serde(default)]
    never: Vec<String>,
    /// One after the other in stdout.
    #[serde(default)]
    ordered: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    prompt: u64,
    completion: u64,
    #[serde(default)]
    delay_ms: u64,
    /// Only prompts that hold this are answered.
    #[serde(rename = "match")]
    holds: Option<String>,
    /// `@PADDING@` in the files is a text of as many bytes as the prompt has tokens.
    #[serde(default)]
    long: bool,
}

#[test]
fn no_fault_of_the_predecessor_is_ours() {
    let table: Table = toml::from_str(include_str!("faults.toml")).unwrap();
    let only = std::env::var("GORGON_FAULT").ok();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for fault in table.fault.iter().filter(|fault| only.as_ref().is_none_or(|only| fault.name.contains(only.as_str()))) {
        seen += 1;
        let problems = fault.play();
        if !problems.is_empty() {
            wrong.push(format!("{}\n  there: {}\n  {}", fault.name, fault.there, problems.join("\n  ")));
        }
    }
    println!("{seen} faults, {} of them ours", wrong.len());
    assert!(seen > 0, "no fault has that name");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

impl Fault {
    /// Plays the row. Answers what is not as the table says.
    fn play(&self) -> Vec<String> {
        let machine = Machine::new();
        let _server = self.model.as_ref().map(|model| Server::start(&machine, model.script()));
        for (name, text) in &self.files {
            let padding = self.model.as_ref().filter(|model| model.long).map_or(0, |model| usize::try_from(model.prompt).unwrap());
            machine.write(name, &text.replace("@PADDING@", &"x".repeat(padding)));
        }
        let started = Instant::now();
        let done = self.make(&machine);
        let took = started.elapsed();
        let mut problems = Vec::new();
        for (call, done) in self.calls.iter().zip(&done) {
            problems.extend(call.judge(done));
        }
        if self.within_seconds.is_some_and(|limit| took.as_secs_f64() > limit) {
            problems.push(format!("it took {took:?}"));
        }
        if let Some(seconds) = self.after_seconds {
            std::thread::sleep(Duration::from_secs_f64(seconds));
        }
        problems.extend(self.absent.iter().filter(|name| machine.path(name).exists()).map(|name| format!("there is a file {name}")));
        for (name, text) in &self.present {
            if !machine.path(name).exists() || machine.read(name) != *text {
                problems.push(format!("the file {name} holds {:?}", machine.read(name)));
            }
        }
        problems.extend(self.differs(done.last().unwrap()));
        problems
    }

    fn make(&self, machine: &Machine) -> Vec<Done> {
        if self.together {
            let all: Vec<_> = self.calls.iter().map(|call| machine.start(&call.args)).collect();
            return all.into_iter().map(finish).collect();
        }
        let call = |(n, call): (usize, &Call)| {
            let mut child = machine.start(&call.args);
            if let Some(file) = self.crash_at.as_ref().filter(|_| n == 0) {
                machine.until(file, |machine| machine.path(file).exists().then_some(()));
                child.kill().unwrap();
            }
            finish(child)
        };
        self.calls.iter().enumerate().map(call).collect()
    }

    /// The row proves nothing if the predecessor would pass it.
    fn differs(&self, last: &Done) -> Option<String> {
        let same = last.exit == Some(self.there_exit) && last.stdout.trim_end() == self.there_printed.trim_end();
        let tells =
            self.calls.iter().any(|call| call.stdout.is_some() || !call.says.is_empty() || !call.ordered.is_empty()) || !self.present.is_empty();
        (same || !tells).then(|| "the predecessor's column does not differ from ours".to_owned())
    }
}

impl Call {
    fn judge(&self, done: &Done) -> Vec<String> {
        let all = format!("{}\n{}", done.stdout, done.stderr);
        let mut wrong = Vec::new();
        if done.exit != self.exit {
            wrong.push(format!("exit {:?} instead of {:?}", done.exit, self.exit));
        }
        if self.stdout.as_ref().is_some_and(|stdout| *stdout != done.stdout) {
            wrong.push("another stdout".to_owned());
        }
        wrong.extend(self.says.iter().filter(|text| !all.contains(text.as_str())).map(|text| format!("nowhere `{text}`")));
        wrong.extend(self.never.iter().filter(|text| all.contains(text.as_str())).map(|text| format!("it says `{text}`")));
        let mut rest = done.stdout.as_str();
        for text in &self.ordered {
            match rest.split_once(text.as_str()) {
                Some((_, after)) => rest = after,
                None => wrong.push(format!("not in its place: `{text}`")),
            }
        }
        if wrong.is_empty() { Vec::new() } else { vec![format!("gorgon {}: {}\n{done:#?}", self.args.join(" "), wrong.join("; "))] }
    }
}

impl Model {
    fn script(&self) -> Script {
        let counts = Counts { prompt: self.prompt, completion: self.completion, ..Counts::default() };
        let mut rule = Rule::new(Reply::text_with("an answer", Usage::Is(counts)));
        rule.when.prompt_contains.clone_from(&self.holds);
        Script::default().rule(rule.deliver(Delivery { delay_ms: self.delay_ms, ..Delivery::default() }))
    }
}
