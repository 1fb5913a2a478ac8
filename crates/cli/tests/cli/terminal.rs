//! The live tree on a terminal, as the terminal shows it.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::world::{GORGON, World};

const ROWS: u16 = 24;

const WORKFLOW: &str = r#"name: release
outputs: [notes, published]
steps:
  - id: list
    type: shell
    command: 'printf "one two three"'
    outputs: [listing]
  - id: checks
    type: parallel
    steps:
      - {id: lint, type: shell, command: 'true'}
      - {id: unit_tests_of_everything_there_is, type: shell, command: 'true'}
  - id: each
    type: fan_out
    items: [a, b, c]
    step_template: {type: shell, command: 'echo "${item}"'}
    outputs: [echoes]
  - id: write_notes
    type: agent
    provider: simulated
    prompt: "Notes on ${listing}"
    max_tokens: 40
    outputs: [notes]
  - id: gate
    type: approval
    prompt: Publish the notes to everybody who has ever asked for them?
    preview: {notes: "${notes}"}
  - id: publish
    type: shell
    command: 'echo published'
    depends_on: [gate]
    outputs: [published]
"#;

/// A terminal with the binary in it.
struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn open(world: &World, cols: u16, args: &[&str]) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows: ROWS, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(GORGON);
        command.args(args);
        command.cwd(world.folder());
        command.env_clear();
        world
            .env()
            .into_iter()
            .chain([("TERM".to_owned(), "xterm-256color".to_owned()), ("NO_COLOR".to_owned(), "1".to_owned())])
            .for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(NonZero::new(ROWS).unwrap(), NonZero::new(cols).unwrap(), 200)));
        let (mut out, shown) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = out.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                shown.lock().unwrap().process(&bytes[..count]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { screen, child, keys, _master: pair.master }
    }

    fn text(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let (_, cols) = parser.screen().size();
        // Row by row: a long line that wraps is two of them.
        let rows: Vec<String> = parser.screen().rows(0, cols.into()).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    #[track_caller]
    fn until(&self, world: &World, text: &str) -> String {
        world.until(&format!("`{text}` on the screen"), || {
            let shown = self.text();
            shown.contains(text).then_some(shown)
        })
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    #[track_caller]
    fn end(mut self, world: &World) -> (u32, String) {
        let exit = world.until("the end", || self.child.try_wait().unwrap()).exit_code();
        // What was written last may still be on its way.
        let mut last = String::new();
        let text = world.until("the last of the screen", || {
            let now = self.text();
            let same = now == last && !now.is_empty();
            last.clone_from(&now);
            same.then_some(now)
        });
        (exit, text)
    }
}

#[track_caller]
fn golden(world: &World, name: &str, screen: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/screens").join(name);
    let found: String = world.redact(screen).lines().map(|line| format!("{}\n", line.trim_end())).collect();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == found, "{} looks otherwise (UPDATE_GOLDENS=1 accepts it):\n{found}", path.display());
}

fn publish(cols: u16) {
    let world = World::new();
    world.write("release.yaml", WORKFLOW);
    let mut terminal = Terminal::open(&world, cols, &["run", "release.yaml"]);
    let asked = terminal.until(&world, "[y]es");
    assert!(asked.lines().all(|line| line.chars().count() <= usize::from(cols)));
    golden(&world, &format!("asked.{cols}.txt"), &asked);
    terminal.press("y\r");
    let (exit, ended) = terminal.end(&world);
    assert_eq!(exit, 0, "{ended}");
    golden(&world, &format!("ended.{cols}.txt"), &ended);
}

#[test]
fn a_run_that_asks_at_80_columns() {
    publish(80);
}

#[test]
fn a_run_that_asks_at_40_columns() {
    publish(40);
}

#[test]
fn what_was_asked_may_be_answered_elsewhere() {
    let world = World::new();
    world.write("release.yaml", WORKFLOW);
    let terminal = Terminal::open(&world, 80, &["run", "release.yaml"]);
    terminal.until(&world, "[y]es");
    world.run(&["reject", "@last", "-m", "not yet"]).exits(0);
    let (exit, ended) = terminal.end(&world);
    assert_eq!(exit, 1, "{ended}");
    golden(&world, "rejected_elsewhere.80.txt", &ended);
}

#[test]
fn an_unclear_answer_is_asked_again_and_ctrl_c_leaves_the_run_to_be_resumed() {
    let world = World::new();
    world.write("release.yaml", WORKFLOW);
    let mut terminal = Terminal::open(&world, 80, &["run", "release.yaml"]);
    terminal.until(&world, "[y]es");
    terminal.press("perhaps\r");
    terminal.press("\u{3}");
    let (exit, ended) = terminal.end(&world);
    assert_eq!(exit, 130, "{ended}");
    assert!(ended.contains("gorgon resume"), "{ended}");
    let run = world.run(&["runs", "show", "@last", "--json"]).json();
    assert_eq!((&run["status"], &run["interrupted"]), (&"paused".into(), &true.into()));
}

#[test]
fn what_is_typed_ahead_answers_nothing_that_was_not_asked_yet() {
    let world = World::new();
    let gate = |id: &str| format!("  - {{id: {id}, type: approval, prompt: 'Really {id}?'}}\n");
    world.write("two.yaml", &format!("name: two\nsteps:\n{}  - {{id: s, type: shell, command: 'sleep 0.3'}}\n{}", gate("small"), gate("large")));
    let mut terminal = Terminal::open(&world, 80, &["run", "two.yaml"]);
    terminal.until(&world, "Really small?");
    terminal.press("y\ry\r");
    terminal.until(&world, "Really large?");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let run = world.run(&["runs", "show", "@last", "--json"]).json();
    assert_eq!(run["status"], "waiting", "the second question is open: {run}");
    terminal.press("n\r");
    let (exit, ended) = terminal.end(&world);
    assert_eq!(exit, 1, "{ended}");
}

#[test]
fn more_steps_than_lines_keep_what_moves_in_sight() {
    let world = World::new();
    let steps: String = (0..60).map(|n| format!("  - {{id: s{n}, type: noop}}\n")).collect();
    world.write("long.yaml", &format!("name: long\nsteps:\n{steps}  - {{id: gate, type: approval, prompt: 'Go on?'}}\n"));
    let mut terminal = Terminal::open(&world, 80, &["run", "long.yaml"]);
    let asked = terminal.until(&world, "[y]es");
    assert!(asked.contains("gate") && asked.contains("more steps"), "{asked}");
    terminal.press("y\r");
    let (exit, ended) = terminal.end(&world);
    assert_eq!(exit, 0, "{ended}");
}

#[test]
fn what_is_written_piece_by_piece_is_read_as_a_line_and_commands_to_the_terminal_are_not_obeyed() {
    let world = World::new();
    let pieces = "until test -e seen; do sleep 0.05; done; printf 'first line\\nThe quick '; sleep 0.1; printf 'brown '; sleep 0.1; printf 'fox\\033[2J jumps'; until test -e over; do sleep 0.05; done";
    world.write("w.yaml", &format!("name: w\nsteps:\n  - id: says\n    type: shell\n    command: \"{}\"\n", pieces.replace("\\", "\\\\")));
    let terminal = Terminal::open(&world, 80, &["run", "w.yaml"]);
    // What is written before anybody watches is in the log alone.
    terminal.until(&world, "▸ says");
    world.write("seen", "");
    terminal.until(&world, "The quick brown fox[2J jumps");
    world.write("over", "");
    assert_eq!(terminal.end(&world).0, 0);
    let (exit, text) = Terminal::open(&world, 80, &["runs", "logs", "@last"]).end(&world);
    assert_eq!(exit, 0);
    assert!(text.contains("first line\nThe quick brown fox") && text.contains("[2J jumps"), "{text}");
    assert!(world.run(&["runs", "logs", "@last"]).exits(0).stdout.contains("fox\u{1b}[2J jumps"), "a pipe gets it as it is");
}
