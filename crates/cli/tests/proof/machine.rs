//! A machine of its own for each test: an empty home, an empty folder, nothing from outside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest time that one call may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary.
pub(crate) const GORGON: &str = env!("CARGO_BIN_EXE_gorgon");

/// The settings of a machine without models.
pub(crate) const LOOPBACK: &str = "[http]\nallow_private = [\"127.0.0.1\"]\n";

/// A machine of its own.
pub(crate) struct Machine {
    root: tempfile::TempDir,
}

/// What a process left behind.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    #[track_caller]
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

impl Machine {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("gp").tempdir().unwrap();
        for folder in ["home", "work", "tmp"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        let machine = Self { root };
        // The data lie beside the settings, so that a test can look at them.
        machine.write("gorgon.toml", LOOPBACK);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// Where the runs are kept.
    pub(crate) fn database(&self) -> PathBuf {
        self.path(".gorgon/gorgon-state.db")
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

    /// Names in the folder that commands are called in, without those that every test has.
    pub(crate) fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.') && name != "gorgon.toml").collect();
        names.sort();
        names
    }

    /// A call that sees nothing of the machine that the test runs on.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let path = |name: &str| self.root.path().join(name);
        let mut command = Command::new(GORGON);
        command.args(args).current_dir(path("work")).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("USER", "tester");
        command.env("HOME", path("home")).env("TMPDIR", path("tmp"));
        command
    }

    #[track_caller]
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Done {
        finish(self.start(args))
    }

    /// Begins a call and lets it run.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// How a run stands.
    #[track_caller]
    pub(crate) fn show(&self, run: &str) -> Value {
        self.run(&["runs", "show", run, "--json"]).exits(0).json()
    }

    /// Waits until something has become true.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "there is still no {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Waits for a process, however much it says.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Done {
    let out = child.stdout.take().map(|pipe| std::thread::spawn(move || read(pipe)));
    let err = child.stderr.take().map(|pipe| std::thread::spawn(move || read(pipe)));
    let started = Instant::now();
    let mut late = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > PATIENCE && !late {
            late = true;
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |thread: Option<std::thread::JoinHandle<String>>| thread.map(|thread| thread.join().unwrap()).unwrap_or_default();
    let done = Done { exit: status.code(), stdout: text(out), stderr: text(err) };
    assert!(!late, "a call did not end: {done:#?}");
    done
}

fn read(mut pipe: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A program of the test kit. It stands beside `gorgon` when the workspace was built, and is built if it does not.
pub(crate) fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let path = Path::new(GORGON).with_file_name(name);
    if !path.exists() {
        BUILT.get_or_init(|| {
            let folder = env!("CARGO_MANIFEST_DIR");
            let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "gorgon-testkit", "--bins"]).current_dir(folder).status();
            assert!(built.unwrap().success(), "the programs of the test kit cannot be built");
        });
    }
    assert!(path.exists(), "{} is missing: run `cargo build -p gorgon-testkit`", path.display());
    path
}
