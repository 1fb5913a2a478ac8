//! Several terminals follow one run. Whenever the process that holds it is killed, one of the others takes it up, and nothing happens twice but what was in doubt.

use std::process::Child;

use crate::history::{End, History};
use crate::machine::{Machine, finish};

const WORKFLOW: &str = r#"
name: passed-on
outputs: [word]
steps:
  - {id: first, type: shell, command: 'echo first >> witness'}
  - id: both
    type: parallel
    steps:
      - {id: left, type: shell, on_in_doubt: retry, command: 'echo left >> witness; while [ ! -e go ]; do sleep 0.01; done'}
      - {id: right, type: shell, on_in_doubt: retry, command: 'echo right >> witness; while [ ! -e go ]; do sleep 0.01; done'}
  - {id: last, type: shell, command: 'echo last >> witness; echo done', outputs: [word]}
"#;

fn seen(machine: &Machine, word: &str) -> usize {
    machine.read("witness").lines().filter(|line| *line == word).count()
}

#[test]
fn whoever_is_left_goes_on() {
    const KILLS: usize = 3;
    let machine = Machine::new();
    machine.write("w.yaml", WORKFLOW);
    let mut all: Vec<Child> = vec![machine.start(&["run", "w.yaml"])];
    for kills in 0..=KILLS {
        machine.until("step that was made again", |machine| (seen(machine, "left") > kills && seen(machine, "right") > kills).then_some(()));
        if kills == 0 {
            all.extend((0..KILLS).map(|_| machine.start(&["resume", "@last"])));
        }
        if kills < KILLS {
            let holder = machine.until("holder", |machine| {
                let pid: u32 = machine.read(".gorgon/gorgon-state.db.lock").lines().next()?.parse().ok()?;
                all.iter().position(|child| child.id() == pid)
            });
            let mut holder = all.swap_remove(holder);
            holder.kill().unwrap();
            assert_eq!(finish(holder).exit, None);
        }
    }
    machine.write("go", "");
    let [last] = <[Child; 1]>::try_from(all).unwrap();
    assert_eq!(finish(last).exits(0).stdout, "word: done\n");
    let history = History::load(&machine).unwrap();
    let doubts = |step: &str| history.calls().iter().filter(|call| call.step == step && matches!(call.end, End::Doubted { .. })).count();
    for step in ["left", "right"] {
        assert_eq!((doubts(step), seen(&machine, step)), (KILLS, KILLS + 1), "{step}");
    }
    for step in ["first", "last"] {
        assert_eq!((doubts(step), seen(&machine, step)), (0, 1), "{step}");
    }
}

#[test]
fn a_command_whose_run_came_to_rest_while_the_holder_went_away_says_so_and_ends() {
    const ROUNDS: usize = 8;
    for _ in 0..ROUNDS {
        let machine = Machine::new();
        machine.write(
            "ask.yaml",
            "name: ask\nsteps:\n  - {id: a, type: shell, command: sleep 0.1, effect: repeatable}\n  - {id: q, type: approval, prompt: 'go on?'}\n",
        );
        // The first one holds the store, and lets go of it as soon as its own run waits: just when those of the others come to wait as well.
        let all: Vec<Child> = (0..3).map(|_| machine.start(&["run", "ask.yaml"])).collect();
        for child in all {
            finish(child).exits(4).says("waits for approval");
        }
    }
}
