//! A machine of its own for each test: an empty home, an empty folder, nothing from outside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest time that anything in a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The binary.
pub(crate) const GORGON: &str = env!("CARGO_BIN_EXE_gorgon");

/// A machine of its own.
pub(crate) struct World {
    root: tempfile::TempDir,
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {self:#?}"))
    }

    /// The exit code, with everything that was said if it is another one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text) || self.stdout.contains(text), "nowhere `{text}`: {self:#?}");
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("gt").tempdir().unwrap();
        let world = Self { root };
        for folder in ["home", "work", "tmp"] {
            std::fs::create_dir(world.root.path().join(folder)).unwrap();
        }
        world
    }

    /// The folder that commands are called in.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A call that sees nothing of the machine that the test runs on.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(GORGON);
        command.args(args).current_dir(self.folder()).env_clear().stdin(Stdio::null());
        command.envs(self.env());
        command
    }

    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.root.path().join(name).display().to_string();
        let pairs =
            [("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()), ("HOME", path("home")), ("TMPDIR", path("tmp")), ("USER", "tester".to_owned())];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        finish(self.start(args))
    }

    /// Begins a call and lets it run.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until the newest run has a status.
    #[track_caller]
    /// Waits until a step has made the file `started`.
    pub(crate) fn until_in_flight(&self) {
        self.until("step in flight", || self.path("started").exists().then_some(()));
    }

    /// A process that runs this workflow, as `w.yaml`, and has a step in flight.
    pub(crate) fn in_flight(&self, workflow: &str) -> Child {
        self.write("w.yaml", workflow);
        let child = self.start(&["run", "w.yaml"]);
        self.until_in_flight();
        child
    }

    pub(crate) fn until_status(&self, wanted: &str) -> String {
        self.until(&format!("a run that is {wanted}"), || {
            let list = self.run(&["runs", "list", "--json"]);
            let list: Value = serde_json::from_str(&list.stdout).ok()?;
            let run = list["runs"].as_array()?.first()?;
            (run["status"] == wanted).then(|| run["id"].as_str().unwrap().to_owned())
        })
    }

    /// Waits for something to become true.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "there is still no {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text with everything in it that differs from machine to machine and from run to run replaced by its name.
    pub(crate) fn redact(&self, text: &str) -> String {
        let root = self.root.path().canonicalize().unwrap();
        let text = text.replace(&root.join("work").display().to_string(), "[WORK]").replace(&root.display().to_string(), "[ROOT]");
        let text = text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
        shorts(&redact(&text))
    }
}

/// Replaces the short names of runs in commands that are proposed.
fn shorts(text: &str) -> String {
    const VERBS: [&str; 8] = ["resume", "retry", "approve", "reject", "resolve", "signal", "watch", "runs show"];
    let mut text = text.to_owned();
    for verb in VERBS {
        let before = format!("gorgon {verb} ");
        let places: Vec<usize> = text.match_indices(&before).map(|(at, _)| at + before.len()).collect();
        for at in places.into_iter().rev() {
            let short: String = text[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
            if short.len() == 6 {
                text.replace_range(at..at + 6, "[SHORT]");
            }
        }
    }
    text
}

/// Waits for a process, however much it says.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Done {
    let out = child.stdout.take().map(|pipe| std::thread::spawn(move || read(pipe)));
    let err = child.stderr.take().map(|pipe| std::thread::spawn(move || read(pipe)));
    let started = Instant::now();
    let exit = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            let said = (out.map(|t| t.join().unwrap()), err.map(|t| t.join().unwrap()));
            panic!("a call does not end; it said {said:#?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = |thread: Option<std::thread::JoinHandle<String>>| thread.map(|thread| thread.join().unwrap()).unwrap_or_default();
    Done { exit, stdout: text(out), stderr: text(err) }
}

fn read(mut pipe: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends a signal to a process that a test started.
/// Kills a process, and waits until it is gone.
pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Replaces ids, hashes, times and time spans by their names.
pub(crate) fn redact(text: &str) -> String {
    let mut ids: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("run_") {
        let id: String = text[at..].chars().take(30).collect();
        if id.len() == 30 && id[4..].bytes().all(|b| b.is_ascii_alphanumeric()) {
            ids.push(id);
        }
    }
    let mut text = text.to_owned();
    for id in &ids {
        text = text.replace(id.as_str(), "[RUN]");
    }
    for id in &ids {
        text = text.replace(&id[24..], "[SHORT]");
    }
    words(&text)
}

/// Replaces what has the shape of a hash, a time or a span, word by word.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ':' || c == '-';
    for c in text.chars().chain(std::iter::once('\0')) {
        if is_inner(c) {
            word.push(c);
            continue;
        }
        out.push_str(&redacted(&word));
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

fn redacted(word: &str) -> String {
    let trimmed = word.trim_end_matches(['.', ':', '-']);
    let rest = &word[trimmed.len()..];
    let is = |b: u8, c: u8| b == c;
    let bytes = trimmed.as_bytes();
    if digits(trimmed) && trimmed.len() >= 4 {
        return format!("[NUMBER]{rest}");
    }
    let name = if trimmed.len() == 64 && trimmed.bytes().all(|b| b.is_ascii_hexdigit()) {
        "[HASH]"
    } else if bytes.len() >= 10 && bytes.iter().take(4).all(u8::is_ascii_digit) && is(bytes[4], b'-') && is(bytes[7], b'-') {
        if trimmed.len() == 10 { "[DATE]" } else { "[TIME]" }
    } else if bytes.len() == 9 && is(bytes[2], b':') && is(bytes[5], b':') && trimmed.ends_with('Z') {
        "[CLOCK]"
    } else if trimmed.len() >= 4
        && trimmed.ends_with('s')
        && trimmed[..trimmed.len() - 1].split_once('.').is_some_and(|(a, b)| digits(a) && digits(b))
    {
        "[SPAN]"
    } else {
        return word.to_owned();
    };
    format!("{name}{rest}")
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
