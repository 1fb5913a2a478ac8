//! What a process that is killed leaves behind: a file for each process group while it lives, so the next process can end what is left of it before it decides
//! what became of the call.
//!
//! The id of a group is known only once its leader runs. So the file is there before, with a mark that the leader has in its environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::{End, Identity, Stat, boot_id, end, identity, is_left, signal_group};

/// The variable by which a process is recognised that was started before its group could be noted.
pub const MARK: &str = "GORGON_PROCESS_MARK";

/// Groups that are ended at once.
const AT_ONCE: usize = 64;

/// A folder with one file for each living process group.
#[derive(Debug, Clone)]
pub struct Leftovers {
    dir: PathBuf,
    marks: Arc<Marks>,
}

/// Names that no other process group has, of this process or of an earlier one.
#[derive(Debug)]
struct Marks {
    prefix: String,
    next: AtomicU64,
    /// Whether this process is about to leave.
    leaving: AtomicBool,
}

/// A process group that is about to be started, was, or has ended.
#[derive(Debug)]
pub(crate) struct Note {
    path: PathBuf,
    mark: String,
}

/// What a file says.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    mark: String,
    /// None until the group has been started.
    group: Option<Identity>,
}

impl Leftovers {
    /// Keeps its files in this folder, which is made if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn in_dir(dir: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let marks = Marks { prefix: format!("{}-{now}", std::process::id()), next: AtomicU64::new(0), leaving: AtomicBool::new(false) };
        Ok(Self { dir: dir.to_owned(), marks: Arc::new(marks) })
    }

    /// Ends every group that an earlier process left behind, many at once. Blocks for as long as the slowest takes. Answers the ids of groups that could
    /// not be ended.
    #[must_use]
    pub fn end_all(&self) -> Vec<u32> {
        let files: Vec<PathBuf> = std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|file| file.path()).collect();
        let mut survivors = Vec::new();
        for some in files.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let ends: Vec<_> = some.iter().map(|path| (path, std::thread::Builder::new().spawn_scoped(scope, || end_noted(path)))).collect();
                for (path, end) in ends {
                    match end {
                        Ok(thread) => survivors.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
                        // There is no further thread to be had.
                        Err(_) => survivors.extend(end_noted(path)),
                    }
                }
            });
        }
        survivors
    }

    /// Kills every group that is noted, without grace and without waiting: for a process that is about to leave. The files stay, for the next
    /// one to make sure.
    pub fn kill_all(&self) {
        self.marks.leaving.store(true, Ordering::SeqCst);
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten().filter_map(|file| entry(&file.path())) {
            let groups = entry.group.into_iter().chain(marked(&entry.mark)).filter(is_left);
            groups.for_each(|group| signal_group(group.pid, Signal::KILL));
        }
    }

    /// Whether the groups are being killed because this process leaves: how they end says nothing of their calls.
    pub(crate) fn is_leaving(&self) -> bool {
        self.marks.leaving.load(Ordering::SeqCst)
    }

    /// Notes that a process group is about to be started: from then on, no kill of this process makes it forgotten.
    pub(crate) fn announce(&self) -> Note {
        let mark = format!("{}-{}", self.marks.prefix, self.marks.next.fetch_add(1, Ordering::Relaxed));
        let note = Note { path: self.dir.join(format!("{mark}.json")), mark };
        note.write(None);
        note
    }
}

impl Note {
    /// What the process has to have in its environment.
    pub(crate) fn variable(&self) -> (&'static str, &str) {
        (MARK, &self.mark)
    }

    /// The group was started.
    pub(crate) fn started(&self, group: u32) {
        if let Some(identity) = identity(group) {
            self.write(Some(identity));
        }
    }

    /// Ends what the call started in other groups, such as by `setsid`. Blocks for as long as that takes; answers whether nothing is left.
    pub(crate) fn end_strays(mark: &str) -> bool {
        marked(mark).iter().all(|group| end(group) != End::Survived)
    }

    /// The group is gone, or there never was one.
    pub(crate) fn ended(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn write(&self, group: Option<Identity>) {
        let text = serde_json::to_vec(&Entry { mark: self.mark.clone(), group }).unwrap_or_default();
        let new = self.path.with_extension("new");
        // Renamed into place, so that a kill in between leaves what was known before.
        if let Err(error) = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.path)) {
            tracing::warn!(mark = self.mark, %error, "a process group cannot be noted; if this process is killed, it may not be ended");
        }
    }
}

/// Ends what a file names; answers the ids of groups that could not be ended.
fn end_noted(path: &Path) -> Vec<u32> {
    // A file that cannot be read was being written when there was no process yet.
    // The group itself may have lost its mark, as a program that sets its own environment does; others of the call may have left the group.
    let groups = entry(path).map_or_else(Vec::new, |entry| entry.group.into_iter().chain(marked(&entry.mark)).collect());
    let left: Vec<u32> = groups.iter().filter(|group| end(group) == End::Survived).map(|group| group.pid).collect();
    if left.is_empty() {
        let _ = std::fs::remove_file(path);
    }
    left
}

fn entry(path: &Path) -> Option<Entry> {
    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok())
}

/// The groups of all living processes that carry this mark.
fn marked(mark: &str) -> Vec<Identity> {
    let wanted = format!("{MARK}={mark}");
    let carries = |pid: u32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| text.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes()))
    };
    let Some(boot_id) = boot_id() else { return Vec::new() };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut groups: BTreeMap<u32, Identity> = BTreeMap::new();
    for stat in pids.filter(|pid| carries(*pid)).filter_map(Stat::of).filter(|stat| stat.alive) {
        let Stat { group, session, start_ticks, .. } = stat;
        let found = groups.entry(group).or_insert_with(|| Identity { pid: group, start_ticks, boot_id: boot_id.clone(), session });
        // The leader is the oldest, if it is still there.
        found.start_ticks = found.start_ticks.min(start_ticks);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    fn start(note: &Note) -> Child {
        let (name, mark) = note.variable();
        let pair = format!("{name}={mark}");
        let child = Command::new("sleep").arg("600").env(name, mark).process_group(0).spawn().unwrap();
        // The kernel lets the parent go on just before the new program can be seen to have an environment.
        let shows =
            || std::fs::read(format!("/proc/{}/environ", child.id())).is_ok_and(|text| text.windows(pair.len()).any(|part| part == pair.as_bytes()));
        let began = std::time::Instant::now();
        while !shows() {
            assert!(began.elapsed() < std::time::Duration::from_secs(30), "the process has no environment");
            std::thread::yield_now();
        }
        child
    }

    fn check_that_it_is_ended(dir: &Path, leftovers: &Leftovers, mut child: Child) {
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 1);
        let waiter = std::thread::spawn(move || child.wait().unwrap());
        assert_eq!(leftovers.end_all(), Vec::<u32>::new());
        assert!(!waiter.join().unwrap().success());
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
    }

    #[test]
    fn what_was_left_behind_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        let note = leftovers.announce();
        let child = start(&note);
        note.started(child.id());
        check_that_it_is_ended(dir.path(), &leftovers, child);
    }

    #[test]
    fn what_was_only_announced_is_ended_too() {
        let dir = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        let child = start(&leftovers.announce());
        check_that_it_is_ended(dir.path(), &leftovers, child);
    }

    #[test]
    fn all_are_told_before_one_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let told = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        // Each ends by itself once all have been told, and is killed otherwise.
        let script = "trap 'touch $$; until [ $(ls | wc -l) = 4 ]; do sleep 0.01; done; exit 7' TERM; echo; while :; do sleep 1; done";
        let children: Vec<Child> = (0..4)
            .map(|_| {
                let note = leftovers.announce();
                let mut sh = Command::new("sh");
                let mut child =
                    sh.args(["-c", script]).current_dir(told.path()).process_group(0).stdout(std::process::Stdio::piped()).spawn().unwrap();
                // Once it has said something it listens.
                std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
                note.started(child.id());
                child
            })
            .collect();
        let waiters: Vec<_> = children.into_iter().map(|mut child| std::thread::spawn(move || child.wait().unwrap().code())).collect();
        assert_eq!(leftovers.end_all(), Vec::<u32>::new());
        assert_eq!(waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect::<Vec<_>>(), [Some(7); 4]);
    }

    #[test]
    fn whoever_leaves_kills_what_runs_and_leaves_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        let mut child = start(&leftovers.announce());
        leftovers.kill_all();
        assert!(!child.wait().unwrap().success());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_mark_of_one_group_is_not_that_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        let (ended, lives) = (leftovers.announce(), leftovers.announce());
        let mut child = start(&lives);
        lives.ended();
        assert_eq!(leftovers.end_all(), Vec::<u32>::new());
        assert!(child.try_wait().unwrap().is_none(), "a process was ended that no file names");
        child.kill().unwrap();
        child.wait().unwrap();
        drop(ended);
    }

    #[test]
    fn a_half_written_file_is_no_reason_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        std::fs::write(dir.path().join("7.new"), "{\"pid\":").unwrap();
        assert_eq!(leftovers.end_all(), Vec::<u32>::new());
    }
}
