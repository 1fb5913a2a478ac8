//! What holds for any workflow and any sequence of commands. The harness checks the laws after every command; here the sequences are random.

use gorgon_core::budget::Limits;
use gorgon_core::call::{Failure, FailureClass, Metering, Outcome, Request};
use gorgon_core::command::{Command, Decision, Resolve, ResolveVerdict};
use gorgon_core::definition::Definition;
use gorgon_core::event::{Event, HaltReason};
use gorgon_core::ids::CallId;
use gorgon_core::money::Meter;
use gorgon_core::plan::{Verdict, cost};
use gorgon_core::run::{RunStatus, WaitingFor};
use gorgon_core::step::ModelChoice;
use proptest::prelude::*;

use crate::build::program;
use crate::harness::{Harness, answer, cancel, pause, prices, resume, retry, send, used};
use crate::program::random;
use crate::rng::Rng;

/// One command of any kind, with any outcome; most of them make sense.
fn command(rng: &mut Rng, run: &mut Harness, seen: &mut Vec<CallId>) -> Command {
    let open: Vec<CallId> = run.state.open.keys().cloned().collect();
    seen.extend(open.iter().cloned());
    run.now = run.now.plus_ms(rng.below(3_000));
    match rng.below(20) {
        0..=8 => match rng.pick(&open) {
            Some(call) => Command::CompleteCall { call: call.clone(), outcome: outcome(rng, &run.state.open[call].request) },
            None => Command::Tick,
        },
        9 | 10 => {
            if let Some(wake) = run.state.wake() {
                run.now = run.now.max(wake);
            }
            Command::Tick
        }
        11 => pause(),
        12 => resume(if rng.chance(50) { Limits::default() } else { limits(rng) }),
        13 => match run.pending().first() {
            Some(pending) => Command::Approve(Decision {
                step: Some(pending.step.clone()),
                item: Some(pending.item),
                hash: Some(pending.hash),
                approved: rng.chance(80),
                by: "ann".to_owned(),
                comment: None,
            }),
            None => send("go", serde_json::json!(1)),
        },
        14 => send("go", serde_json::json!("${inputs.yes}")),
        15 => doubt(run).map_or(Command::Tick, |(step, item)| {
            Command::Resolve(Resolve {
                step: Some(step),
                item: Some(item),
                verdict: match rng.below(3) {
                    0 => ResolveVerdict::Redo,
                    1 => ResolveVerdict::Done(None),
                    _ => ResolveVerdict::Fail,
                },
                by: "ann".to_owned(),
            })
        }),
        16 => retry(None),
        17 if rng.chance(10) => cancel(),
        18 => match rng.pick(seen) {
            // A second answer, or one that comes too late.
            Some(call) => Command::CompleteCall { call: call.clone(), outcome: Outcome::InDoubt { evidence: "late".to_owned() } },
            None => Command::Tick,
        },
        _ => {
            run.epoch += 1;
            Command::Recover
        }
    }
}

fn limits(rng: &mut Rng) -> Limits {
    Limits { cost_nano_usd: Some(rng.below(5_000_000)), tokens: None, calls: rng.chance(20).then(|| rng.below(30)) }
}

fn doubt(run: &Harness) -> Option<(gorgon_core::ids::StepId, u32)> {
    run.waits().into_iter().find_map(|wait| if let WaitingFor::Doubt { step, item, .. } = wait { Some((step, item)) } else { None })
}

fn outcome(rng: &mut Rng, request: &Request) -> Outcome {
    let model = matches!(request, Request::Model(_));
    let metering = match rng.below(4) {
        _ if !model => Metering::None,
        0 => Metering::Unknown,
        1 => Metering::None,
        // More than it could have used by what it was asked.
        2 if rng.chance(10) => Metering::Reported(used(100_000, 100_000)),
        _ => Metering::Reported(used(rng.below(60), rng.below(100))),
    };
    match rng.below(10) {
        0..=6 => match answer(request) {
            Outcome::Succeeded { value, .. } => Outcome::Succeeded { value, metering },
            other => other,
        },
        7 => Outcome::InDoubt { evidence: "nobody knows".to_owned() },
        _ => {
            let class = *rng
                .pick(&[FailureClass::Transport, FailureClass::RateLimited, FailureClass::Refused, FailureClass::TimedOut, FailureClass::Invalid])
                .unwrap();
            Outcome::Failed { failure: Failure::new(class, "it broke"), metering }
        }
    }
}

/// Answers whatever the run wants until it has ended.
fn drain(run: &mut Harness) {
    run.permits = gorgon_core::call::Family::ALL.into_iter().map(|family| (family, 1_000)).collect();
    for _ in 0..2_000 {
        if run.status().is_terminal() {
            return;
        }
        if let Some(HaltReason::Budget { key, .. }) = &run.state.halt {
            assert!(run.state.budget.contains_key(&key.meter));
            let mut limits = Limits::default();
            for meter in Meter::ALL {
                limits.set(meter, 1 << 50);
            }
            run.ok(resume(limits));
        } else if run.status() == RunStatus::Paused {
            run.ok(resume(Limits::default()));
        } else if let Some(call) = run.state.open.keys().next().cloned() {
            let outcome = answer(&Request::clone(&run.state.open[&call].request));
            run.ok(Command::CompleteCall { call, outcome });
        } else if let Some(pending) =
            run.pending().first().filter(|pending| pending.until.is_none_or(|until| until > run.now.max(run.state.last_at))).cloned()
        {
            run.ok(Command::Approve(Decision {
                step: Some(pending.step),
                item: Some(pending.item),
                hash: Some(pending.hash),
                approved: true,
                by: "ann".to_owned(),
                comment: None,
            }));
        } else if let Some((step, item)) = doubt(run) {
            run.ok(Command::Resolve(Resolve { step: Some(step), item: Some(item), verdict: ResolveVerdict::Redo, by: "ann".to_owned() }));
        } else if run.waits().iter().any(|wait| matches!(wait, WaitingFor::Signal { .. })) {
            run.ok(send("go", serde_json::json!(1)));
        } else {
            run.now = run.now.max(run.state.wake().unwrap_or(run.now));
            run.ok(Command::Tick);
        }
    }
    panic!("the run does not end\n{}\n{}", crate::harness::digest(&run.state), run.history());
}

fn play(seed: u64, commands: u64) -> Harness {
    let mut rng = Rng::new(seed);
    let definition = random(&mut rng);
    let mut run = Harness::start(definition);
    let mut seen = Vec::new();
    for _ in 0..commands {
        if rng.chance(10) {
            let family = *rng.pick(&gorgon_core::call::Family::ALL).unwrap();
            run.permits.insert(family, u32::try_from(rng.below(3)).unwrap());
        }
        let command = command(&mut rng, &mut run, &mut seen);
        let ended = run.status().is_terminal();
        let before = run.state.clone();
        let told = run.tell(command.clone());
        if ended && !matches!(command, Command::Resume(_) | Command::Retry { .. }) {
            assert!(told.is_err() || told == Ok(Vec::new()), "{command:?} changed a run that has ended");
        }
        if matches!(command, Command::CompleteCall { ref call, .. } if !before.open.contains_key(call)) {
            assert!(told.is_err(), "{command:?} was taken twice");
        }
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_run_keeps_the_laws_and_comes_to_its_end(seed: u64, commands in 0_u64..60) {
        let mut run = play(seed, commands);
        drain(&mut run);
    }

    #[test]
    fn every_prefix_of_a_history_is_a_state_that_goes_on(seed: u64, commands in 1_u64..40, cut: prop::sample::Index) {
        let mut run = play(seed, commands);
        // The process died after this append: what was decided later never was. Appends are whole.
        let at = cut.index(run.log.len());
        let moment = run.log[at].0;
        let end = run.log.iter().rposition(|(when, _)| *when == moment).unwrap_or(at);
        run.log.truncate(end + 1);
        run.crash();
        drain(&mut run);
    }

    #[test]
    fn a_fork_at_any_point_keeps_the_laws_and_makes_no_kept_call_again(seed: u64, commands in 1_u64..40, cut: prop::sample::Index) {
        let run = play(seed, commands);
        let at = cut.index(run.log.len());
        let moment = run.log[at].0;
        let end = run.log.iter().rposition(|(when, _)| *when == moment).unwrap_or(at);
        let (mut fork, kept) = crate::forks::at(&run, end + 1);
        prop_assert_eq!(fork.state.charged, gorgon_core::money::Amounts::ZERO);
        let imported = 1 + kept.events.len();
        drain(&mut fork);
        // In another round of a loop a step runs again.
        let same_round = fork.log[imported..].iter().take_while(|(_, event)| !matches!(event, Event::RoundStarted { .. }));
        for (_, event) in same_round {
            if let Event::CallStarted(started) = event {
                prop_assert!(!kept.steps.contains(&started.call.step), "a call of a kept step was made again\n{}", fork.history());
            }
        }
    }

    #[test]
    fn a_fork_from_any_step_keeps_the_laws(seed: u64, commands in 1_u64..60, step: prop::sample::Index, inputs_change: bool) {
        let mut run = play(seed, commands);
        drain(&mut run);
        let definition = Definition::clone(&run.state.program.definition);
        let step = run.state.program.nodes[step.index(run.state.program.nodes.len())].step.id.clone();
        let (mut fork, kept) = crate::forks::from(&run, definition, Some(step.as_str()), |created| {
            if inputs_change {
                created.inputs = gorgon_core::payload::Payload::of(&serde_json::json!({ "yes": true, "no": false, "list": [1, 2], "bait": "" }));
            }
        });
        prop_assert!(!kept.steps.contains(&step));
        drain(&mut fork);
    }

    #[test]
    fn what_fits_is_never_refused_and_what_cannot_fit_never_completes(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut definition: Definition = random(&mut rng);
        definition.budget.limits = Limits::default();
        let inputs = serde_json::from_value(serde_json::json!({ "yes": true, "no": false, "list": [1, 2, 3], "bait": "${inputs.yes}" })).unwrap();
        let bounds = cost(&program(definition.clone()), &inputs, &ModelChoice::default(), &prices());
        // Limits at the very edge of what the bounds say, on either side.
        for meter in Meter::ALL {
            let least = bounds.lower.of(meter);
            match (rng.below(4), bounds.upper) {
                (0, Some(upper)) => definition.budget.limits.set(meter, upper.of(meter)),
                (1, _) if least > 0 => definition.budget.limits.set(meter, least - 1),
                (2, _) => definition.budget.limits.set(meter, least + rng.below(1_000)),
                _ => {}
            }
        }
        let verdict = bounds.verdict(&definition.budget.limits);
        let mut run = Harness::start(definition);
        // No crash, no second chance, no lie: what the bounds speak of.
        for _ in 0..400 {
            if run.status().is_terminal() {
                break;
            }
            let open: Vec<CallId> = run.state.open.keys().cloned().collect();
            if let Some(call) = rng.pick(&open).cloned() {
                let request = Request::clone(&run.state.open[&call].request);
                // Everything is charged in full, and much of it is tried again.
                let outcome = match answer(&request) {
                    _ if rng.chance(40) => Outcome::Failed { failure: Failure::new(FailureClass::Transport, "it broke"), metering: Metering::Unknown },
                    Outcome::Succeeded { value, .. } => Outcome::Succeeded { value, metering: Metering::Unknown },
                    other => other,
                };
                run.ok(Command::CompleteCall { call, outcome });
            } else if let Some(pending) = run.pending().first().cloned() {
                let approved = rng.chance(90);
                run.tell(Command::Approve(Decision { step: Some(pending.step), item: Some(pending.item), hash: None, approved, by: "ann".to_owned(), comment: None })).ok();
                run.pass(1);
            } else if run.waits().iter().any(|wait| matches!(wait, WaitingFor::Signal { .. })) {
                run.ok(send("go", serde_json::json!(1)));
            } else if let Some(wake) = run.state.wake() {
                run.now = run.now.max(wake);
                run.ok(Command::Tick);
            } else {
                break;
            }
        }
        let refused = run.log.iter().any(|(_, event)| matches!(event, Event::Halted { reason: HaltReason::Budget { .. } }));
        match verdict {
            Verdict::Fits => prop_assert!(!refused, "it fits, and a hold was refused\n{}", run.history()),
            Verdict::CannotFit => prop_assert!(run.status() != RunStatus::Completed, "it cannot fit, and completed\n{}", run.history()),
            Verdict::MayNotFit => {}
        }
    }
}
