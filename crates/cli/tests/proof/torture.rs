//! The real binary is killed with SIGKILL at random moments of a run of 200 steps, again and again, and taken up each time: steps one after the other, and
//! elements of fan-outs side by side.
//!
//! What the steps did to the world is told by witnesses: processes that nobody kills, and that write each line to disk before they go on.
//! `GORGON_TORTURE_KILLS` says how many kills there are, `GORGON_TORTURE_SEED` where chance begins.

mod checks;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gorgon_testkit::scripted::{Delivery, Reply, Rule, Script, Usage};
use serde_json::Value;

use crate::history::{Call, End, History};
use crate::machine::{Machine, PATIENCE, finish, program};
use crate::random::{Random, setting};
use crate::server::Server;

const STEPS: usize = 200;

/// How long an effect lasts once its witness has it on disk, in milliseconds.
const EFFECT_MS: u64 = 20;

/// Kills come at most so long after their process said that it goes on with a step, in milliseconds: a few steps.
const KILL_WITHIN_MS: u64 = 4 * EFFECT_MS;

/// Kills that are aimed at the beginning come at most so long after it, in milliseconds.
const START_WITHIN_MS: u64 = 60;

/// Of each fan-out.
const ELEMENTS_AT_ONCE: u64 = 4;

/// Where a kill hit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// A call of this family was in flight.
    InFlight(String),
    /// The process had the store, and a call of its predecessor was still to be decided.
    Recovery,
    /// The process did not have the store yet.
    Start,
    /// No call was in flight.
    Idle,
}

/// What came of all kills.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    kills: BTreeMap<Phase, u64>,
    doubted: u64,
    repeated: u64,
    resolved: u64,
    /// Kills that are aimed at a recovery come at most so long after the process has the store, in microseconds.
    recovery_within_us: u64,
}

impl Tally {
    fn kills(&self) -> u64 {
        self.kills.values().sum()
    }

    fn of(&self, phase: &Phase) -> u64 {
        self.kills.get(phase).copied().unwrap_or(0)
    }

    /// What was hit too seldom. Of 200 kills: 120 in flight, 30 of each family, 20 in a recovery.
    fn missed(&self, wanted: u64) -> Option<String> {
        let in_flight: u64 = self.kills.iter().filter(|(phase, _)| matches!(phase, Phase::InFlight(_))).map(|(_, count)| count).sum();
        if in_flight * 200 < wanted * 120 {
            return Some("a call in flight".to_owned());
        }
        let family =
            ["process", "http", "model"].into_iter().find(|family| self.of(&Phase::InFlight((*family).to_owned())) * 200 + 200 <= wanted * 30);
        let recovery = || (self.of(&Phase::Recovery) * 200 + 200 <= wanted * 20).then(|| "a recovery".to_owned());
        family.map(|family| format!("a call of the family {family}")).or_else(recovery)
    }
}

#[test]
fn torture_sigkill_loses_nothing_and_repeats_nothing_that_was_settled() {
    let wanted = setting("GORGON_TORTURE_KILLS").unwrap_or(30);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = setting("GORGON_TORTURE_SEED").unwrap_or(clock);
    println!("GORGON_TORTURE_SEED={seed} GORGON_TORTURE_KILLS={wanted}");
    let (mut random, mut tally) = (Random::new(seed), Tally { recovery_within_us: 8_000, ..Tally::default() });
    let started = Instant::now();
    // Where a kill hits is chance: what was not hit often enough is tried for with more kills.
    let mut target = wanted;
    while tally.kills() < target {
        Round::new(Shape::Sequence, tally.rounds).torture(target, &mut random, &mut tally);
        tally.rounds += 1;
        if tally.kills() >= target && tally.missed(wanted).is_some() && target < 4 * wanted {
            target += (wanted / 3).max(5);
        }
    }
    println!("{tally:#?}\n{:?}", started.elapsed());
    assert_eq!(tally.missed(wanted), None);
    assert!(tally.repeated <= tally.kills(), "more than one repeat a kill");
}

#[test]
fn torture_sigkill_with_many_calls_in_flight() {
    let wanted = setting("GORGON_TORTURE_KILLS").unwrap_or(30) / 3;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = setting("GORGON_TORTURE_SEED").unwrap_or(clock);
    println!("GORGON_TORTURE_SEED={seed} kills={wanted}");
    let (mut random, mut tally) = (Random::new(seed), Tally { recovery_within_us: 8_000, ..Tally::default() });
    while tally.kills() < wanted {
        Round::new(Shape::SideBySide, tally.rounds).torture(wanted, &mut random, &mut tally);
        tally.rounds += 1;
    }
    println!("{tally:#?}");
    assert!(tally.doubted > tally.kills(), "kills hit no more than one call each");
    assert!(tally.repeated <= tally.doubted, "more was repeated than was in doubt");
}

/// How the steps stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One after the other.
    Sequence,
    /// Elements of three fan-outs, all at once.
    SideBySide,
}

/// One run from its start to its end.
struct Round {
    shape: Shape,
    machine: Machine,
    server: Server,
}

impl Round {
    fn new(shape: Shape, number: usize) -> Self {
        let machine = Machine::new();
        let answer = Reply::text_with("an answer", Usage::Seeded(number as u64));
        let server =
            Server::start(&machine, Script::default().rule(Rule::new(answer).deliver(Delivery { delay_ms: EFFECT_MS, ..Delivery::default() })));
        let text = match shape {
            Shape::Sequence => sequence(&machine, &server),
            Shape::SideBySide => side_by_side(&machine, &server),
        };
        machine.write("torture.yaml", &text);
        Self { shape, machine, server }
    }

    fn torture(&self, wanted: u64, random: &mut Random, tally: &mut Tally) {
        let mut before = None;
        let mut kills_here = 0;
        // Each process goes on a little in the mean; a run that needs many more stands still.
        for _ in 0..wanted * 4 + 100 {
            let call = next_call(before.as_ref(), tally);
            let child = self.machine.start(&call);
            if tally.kills() >= wanted {
                let done = finish(child);
                assert!(matches!(done.exit, Some(0 | 4)), "{call:?}: {done:#?}");
            } else if let Some(phase) = self.kill(child, before.as_ref(), random, &mut tally.recovery_within_us) {
                *tally.kills.entry(phase).or_default() += 1;
                kills_here += 1;
            }
            before = History::peek(&self.machine);
            if before.as_ref().is_some_and(|history| history.status() == "completed") {
                self.check(kills_here, tally);
                return;
            }
        }
        panic!("the run is stuck: {:#?}", before.map(|history| history.run));
    }

    /// Kills the process at a random moment; nothing if it ended before.
    fn kill(&self, mut child: Child, before: Option<&History>, random: &mut Random, recovery_within_us: &mut u64) -> Option<Phase> {
        let open = before.and_then(|history| self.open_call(history));
        let talk = Talk::of(child.stderr.take().unwrap());
        let aim = random.below(8);
        let at_recovery = aim == 0 && open.is_some();
        if at_recovery {
            self.until_it_has_the_store(&mut child);
            std::thread::sleep(Duration::from_micros(random.below(*recovery_within_us)));
        } else if aim == 1 {
            std::thread::sleep(Duration::from_micros(random.below(START_WITHIN_MS * 1_000)));
        } else {
            talk.until_a_step();
            std::thread::sleep(Duration::from_micros(random.below(KILL_WITHIN_MS * 1_000)));
        }
        let ended = child.try_wait().unwrap();
        // SIGKILL, to the one process that holds the store.
        child.kill().unwrap();
        let pid = child.id();
        let done = finish(child);
        let said = talk.all();
        if let Some(ended) = ended {
            assert!(matches!(ended.code(), Some(0 | 4)), "it ended by itself: {done:#?}\n{said}");
            return None;
        }
        let after = History::peek(&self.machine);
        let appends = |history: Option<&History>| history.map_or(0, |history| history.appends);
        let went_on = appends(after.as_ref()) > appends(before);
        let phase = if went_on {
            after.as_ref().and_then(|history| self.open_call(history)).map_or(Phase::Idle, |call| Phase::InFlight(call.kind))
        } else if !self.has_the_store(pid) {
            Phase::Start
        } else if open.is_some() {
            Phase::Recovery
        } else {
            Phase::Idle
        };
        if at_recovery {
            // How long a recovery lasts is the machine's affair: the aim follows it.
            *recovery_within_us = (*recovery_within_us * (if went_on { 3 } else { 5 }) / 4).clamp(200, 50_000);
        }
        Some(phase)
    }

    /// A call that is in flight, or was when the process died.
    fn open_call(&self, history: &History) -> Option<Call> {
        let mut open = history.calls().into_iter().filter(|call| call.end == End::Open);
        let call = open.next();
        assert!(self.shape == Shape::SideBySide || open.next().is_none(), "more than one call of a sequence is in flight");
        call
    }

    fn until_it_has_the_store(&self, child: &mut Child) {
        let started = Instant::now();
        while !self.has_the_store(child.id()) && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "it never opens the store");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn has_the_store(&self, pid: u32) -> bool {
        self.machine.read(".gorgon/gorgon-state.db.lock").lines().next() == Some(pid.to_string().as_str())
    }

    fn check(&self, kills: u64, tally: &mut Tally) {
        let history = History::load(&self.machine).unwrap();
        let calls = history.calls();
        assert!(calls.iter().all(|call| call.end != End::Open), "a call is still open");
        let doubted = calls.iter().filter(|call| matches!(call.end, End::Doubted { .. })).count() as u64;
        let at_once = if self.shape == Shape::Sequence { 1 } else { 3 * ELEMENTS_AT_ONCE };
        assert!(doubted <= kills * at_once, "{doubted} calls were in doubt after {kills} kills");
        tally.doubted += doubted;
        let seen = self.seen();
        for n in 0..STEPS {
            let step = step_id(n);
            let of_step: Vec<&Call> = calls.iter().filter(|call| self.name(call) == step).collect();
            let at = seen.get(&step).map_or(&[][..], Vec::as_slice);
            tally.repeated += check_step(&step, &of_step, at);
        }
        assert_eq!(seen.len(), STEPS, "the witnesses saw something that is no step");
        self.check_keys();
        self.check_money(&history, &calls);
        self.check_what_is_shown(&calls);
    }

    /// The name by which the witnesses know what a call is for.
    fn name(&self, call: &Call) -> String {
        match self.shape {
            Shape::Sequence => call.step.clone(),
            Shape::SideBySide => step_id(call.item * 3 + ["process", "http", "model"].iter().position(|kind| *kind == call.kind).unwrap()),
        }
    }

    /// When the witnesses saw each step, in nanoseconds of the Unix clock.
    fn seen(&self) -> BTreeMap<String, Vec<u64>> {
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for line in self.machine.read("witness").lines() {
            let (at, step) = line.split_once(' ').unwrap();
            seen.entry(step.to_owned()).or_default().push(at.parse().unwrap());
        }
        for request in self.server.requests(&self.machine) {
            let path = request.path.strip_prefix("/effect/").and_then(|rest| rest.split('?').next());
            let step = path.unwrap_or_else(|| request.prompt.strip_prefix("This is step ").unwrap().trim_end_matches('.'));
            seen.entry(step.to_owned()).or_default().push(request.at_ns);
        }
        seen
    }

    /// A repeated request that writes has the key of the first, and no other step has it.
    fn check_keys(&self) {
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        for request in self.server.requests(&self.machine) {
            let Some(key) = request.key else { continue };
            let path = keys.entry(key.clone()).or_insert_with(|| request.path.clone());
            assert_eq!(*path, request.path, "two steps share the key {key}");
        }
        let mut paths: Vec<&String> = keys.values().collect();
        paths.sort();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count, "a repeated request has another key than the first");
        assert!(count > 20, "requests that write carry keys");
    }

    /// What the provider told is what was charged, to the nano-dollar; what nobody knows is charged as it was held, which is never less than the truth.
    fn check_money(&self, history: &History, calls: &[Call]) {
        let requests = self.server.requests(&self.machine);
        let truth: BTreeMap<&str, u64> =
            requests.iter().filter(|request| !request.prompt.is_empty()).map(|request| (request.prompt.as_str(), request.charged_nano_usd)).collect();
        let (mut charged, mut reported, mut assumed) = (0, 0, 0);
        for call in calls.iter().filter(|call| call.kind == "model") {
            let settlement = call.settlement.as_ref().unwrap_or_else(|| panic!("{} was settled without money", call.id));
            let (charge, held) = (cost(&settlement["charged"]), cost(&call.held));
            let bill = truth.get(format!("This is step {}.", self.name(call)).as_str()).copied();
            match call.end {
                End::Settled { .. } => {
                    assert_eq!((settlement["source"].as_str(), Some(charge)), (Some("reported"), bill), "{}", call.id);
                    reported += charge;
                }
                End::Doubted { .. } => {
                    assert_eq!((settlement["source"].as_str(), charge), (Some("assumed_max"), held), "{}", call.id);
                    assert!(charge >= bill.unwrap(), "{} is held for less than it cost", call.id);
                    assumed += charge;
                }
                End::Open => unreachable!("no call is open"),
            }
            charged += charge;
        }
        let row = &history.run["budget"][0];
        assert_eq!(history.run["cost_nano_usd"], charged, "the run");
        assert_eq!((&row["spent"], &row["reserved"], &row["overage"]), (&charged.into(), &0.into(), &0.into()), "the ledger");
        let (bill, _) = self.server.bill();
        let models = calls.iter().filter(|call| call.kind == "model" && matches!(call.end, End::Settled { .. })).count();
        assert_eq!(models, (0..STEPS).filter(|n| n % 3 == 2).count());
        // Every answer that was charged twice by the provider stands in a doubt of ours.
        assert!(reported <= bill && bill <= reported + assumed, "reported {reported}, billed {bill}, assumed {assumed}");
    }

    fn check_what_is_shown(&self, calls: &[Call]) {
        let shown = self.machine.run(&["runs", "show"]).exits(0);
        for call in calls.iter().filter(|call| matches!(call.end, End::Doubted { .. })) {
            let line = shown.stdout.lines().find(|line| line.contains(&format!("in doubt: call {} was ", call.id)));
            let line = line.unwrap_or_else(|| panic!("nothing tells that {} was in doubt: {shown:#?}", call.id));
            assert!(call.kind != "model" || line.contains("in full"), "{line}");
        }
        assert_eq!(shown.stdout.matches("in doubt: call").count(), calls.iter().filter(|call| matches!(call.end, End::Doubted { .. })).count());
    }
}

/// What a process says, line by line.
struct Talk {
    lines: mpsc::Receiver<String>,
    reader: JoinHandle<String>,
}

impl Talk {
    fn of(pipe: ChildStderr) -> Self {
        let (sender, lines) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                all.push_str(&line);
                all.push('\n');
                let _ = sender.send(line);
            }
            all
        });
        Self { lines, reader }
    }

    /// Waits for the first line about a step, or for the end.
    fn until_a_step(&self) {
        while self.lines.recv_timeout(PATIENCE).is_ok_and(|line| !line.starts_with("step ")) {}
    }

    fn all(self) -> String {
        self.reader.join().unwrap()
    }
}

/// Checks one step against its witness. Answers how often its effect was repeated.
fn check_step(step: &str, calls: &[&Call], seen: &[u64]) -> u64 {
    let settled: Vec<&&Call> = calls.iter().filter(|call| matches!(call.end, End::Settled { .. })).collect();
    assert_eq!(settled.len(), 1, "{step} has to be settled once: {calls:#?}");
    assert!(!seen.is_empty(), "{step} is lost: {calls:#?}");
    let doubts = calls.len() - 1;
    assert!(seen.len() <= 1 + doubts, "{step} was done {} times with {doubts} doubts: {calls:#?}", seen.len());
    let last = calls.last().unwrap();
    let End::Settled { at_ms } = last.end else { panic!("{step} was ordered again after it was settled: {calls:#?}") };
    for at in seen {
        assert!(*at / 1_000_000 <= at_ms, "{step} was done again after it was settled: {calls:#?}");
        assert!(*at / 1_000_000 >= calls[0].started_ms, "{step} was done before it was ordered: {calls:#?}");
    }
    let of_last = seen.iter().filter(|at| **at / 1_000_000 >= last.started_ms).count();
    assert!(of_last >= 1, "the call of {step} that was settled was never made: {calls:#?}");
    // A request may lie in a socket for a while; a process that was left over is ended before its call is decided.
    if last.kind == "process" {
        for (n, call) in calls.iter().enumerate() {
            let until = calls.get(n + 1).map_or(u64::MAX, |next| next.started_ms);
            let within = seen.iter().filter(|at| (call.started_ms..until).contains(&(**at / 1_000_000))).count();
            assert!(within <= 1, "one call of {step} was made {within} times: {calls:#?}");
        }
    }
    seen.len() as u64 - 1
}

fn cost(amounts: &Value) -> u64 {
    amounts["cost_nano_usd"].as_u64().unwrap_or(0)
}

/// What somebody would do now.
fn next_call(before: Option<&History>, tally: &mut Tally) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let Some(history) = before else { return words(&["run", "torture.yaml"]) };
    match history.run["waiting_for"].as_array().and_then(|waiting| waiting.first()) {
        Some(waiting) if waiting["for"] == "doubt" => {
            tally.resolved += 1;
            words(&["resolve", "@last", waiting["step"].as_str().unwrap(), "--item", &waiting["item"].to_string(), "--redo"])
        }
        _ => words(&["resume", "@last"]),
    }
}

fn step_id(n: usize) -> String {
    format!("s{n:03}")
}

/// Shell, HTTP and agent steps in turn, of all the effect classes that they may have.
fn sequence(machine: &Machine, server: &Server) -> String {
    let witness = format!("[{:?}, {:?}, ", program("gorgon-witness"), machine.path("witness"));
    let mut text = String::from("name: torture\nbudget: {max_cost_usd: 50}\nsteps:\n");
    for n in 0..STEPS {
        let id = step_id(n);
        let round = n / 3;
        let step = match n % 3 {
            0 => {
                let rule = match round % 8 {
                    0 | 1 => "effect: repeatable",
                    2 => "effect: idempotent",
                    3 => "on_in_doubt: ask",
                    _ => "on_in_doubt: retry",
                };
                let argv = format!("argv: {witness}{id}, --sleep-ms, '{EFFECT_MS}']");
                // Some stand behind a shell, as a process of a process.
                let command = format!(
                    "command: '{} {} {id} --sleep-ms {EFFECT_MS}; true'",
                    program("gorgon-witness").display(),
                    machine.path("witness").display()
                );
                format!("type: shell, {rule}, {}", if round % 2 == 0 { argv } else { command })
            }
            1 => {
                let method = if round % 2 == 0 { "POST" } else { "GET" };
                format!("type: http, method: {method}, url: '{}{id}?delay_ms={EFFECT_MS}'", server.effect_url)
            }
            _ => format!("type: agent, prompt: 'This is step {id}.', max_tokens: 50"),
        };
        text.push_str(&format!("  - {{id: {id}, {step}}}\n"));
    }
    text
}

/// The same effects as elements of three fan-outs side by side.
fn side_by_side(machine: &Machine, server: &Server) -> String {
    let ids = |kind: usize| (0..STEPS).filter(|n| n % 3 == kind).map(step_id).collect::<Vec<_>>().join(", ");
    let (program, witness) = (program("gorgon-witness"), machine.path("witness"));
    let (url, shells, posts, questions) = (&server.effect_url, ids(0), ids(1), ids(2));
    format!(
        r#"name: torture
budget: {{max_cost_usd: 50}}
settings: {{auto_parallel: true}}
steps:
  - id: shells
    type: fan_out
    items: [{shells}]
    max_concurrent: {ELEMENTS_AT_ONCE}
    step_template: {{type: shell, on_in_doubt: retry, argv: [{program:?}, {witness:?}, '${{item}}', --sleep-ms, '{EFFECT_MS}']}}
  - id: posts
    type: fan_out
    items: [{posts}]
    max_concurrent: {ELEMENTS_AT_ONCE}
    step_template: {{type: http, method: POST, url: '{url}${{item}}?delay_ms={EFFECT_MS}'}}
  - id: questions
    type: fan_out
    items: [{questions}]
    max_concurrent: {ELEMENTS_AT_ONCE}
    step_template: {{type: agent, prompt: 'This is step ${{item}}.', max_tokens: 50}}
"#
    )
}
