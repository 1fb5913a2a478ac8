//! Process groups: ending one, and recognising one that an earlier process left behind.
//!
//! A group is known by the id of its leader. While the leader is not reaped, or any member lives, the kernel gives that id to nobody else, so
//! a signal to the group reaches the group and no stranger. After a crash that certainty is gone, so an [`Identity`] also holds when the
//! leader was started, in which boot of the machine and in which session; what does not match is left alone.

mod leftovers;

use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};

pub(crate) use self::leftovers::Note;
pub use self::leftovers::{Leftovers, MARK};

/// How long members may clean up after themselves between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long a killed group is waited for. A process that outlives SIGKILL by this much hangs in the kernel or belongs to another user.
pub const CONFIRM: Duration = Duration::from_secs(2);

/// Pause between two looks at a group that is ending.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// What a process group can be recognised by, also by a later process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Id of the leader, which is the id of the group.
    pub pid: u32,
    /// When the leader was started, in clock ticks since the machine was booted.
    pub start_ticks: u64,
    /// Which boot.
    pub boot_id: String,
    /// Its session.
    pub session: u32,
}

/// What became of a group that was to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was alive and is gone.
    Ended,
    /// Nothing of it was alive.
    AlreadyGone,
    /// Something of it is still alive, or may be.
    Survived,
}

/// The identity of the group that `pid` leads. `None` if there is no such process, or no `/proc` to read it from.
#[must_use]
pub fn identity(pid: u32) -> Option<Identity> {
    let stat = Stat::of(pid)?;
    Some(Identity { pid, start_ticks: stat.start_ticks, boot_id: boot_id()?, session: stat.session })
}

/// Ends what is left of a group that an earlier process started: SIGTERM, [`GRACE`], SIGKILL, and at most [`CONFIRM`] until it is gone.
///
/// Blocks for as long as that takes.
#[must_use]
pub fn end(identity: &Identity) -> End {
    if !is_left(identity) {
        return End::AlreadyGone;
    }
    for (signal, patience) in [(Signal::TERM, GRACE), (Signal::KILL, CONFIRM)] {
        signal_group(identity.pid, signal);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if !has_living_members(identity.pid) {
                return End::Ended;
            }
            std::thread::sleep(POLL);
        }
    }
    End::Survived
}

/// Whether anything that lives belongs to the group of this identity, and not to a later one that was given the same number.
fn is_left(identity: &Identity) -> bool {
    if boot_id().as_ref() != Some(&identity.boot_id) {
        return false;
    }
    if let Some(leader) = Stat::of(identity.pid) {
        return leader.start_ticks == identity.start_ticks && has_living_members(identity.pid);
    }
    // The leader is gone, but its members keep the number taken. A later group of the same number whose leader is gone as well would have to
    // be of the same session to be taken for it.
    members(identity.pid).is_some_and(|members| members.iter().any(|m| m.session == identity.session && m.start_ticks >= identity.start_ticks))
}

/// Sends a signal to every member. That there is none is no error: it is what was wanted.
pub(crate) fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = pid_of(group) {
        let _ = kill_process_group(pid, signal);
    }
}

/// Whether a member lives. A zombie does not: where nobody reaps, as in many containers, it would stay for ever.
pub(crate) fn has_living_members(group: u32) -> bool {
    let Some(pid) = pid_of(group) else { return false };
    if test_kill_process_group(pid) == Err(Errno::SRCH) {
        return false;
    }
    members(group).is_none_or(|members| !members.is_empty())
}

pub(crate) fn pid_of(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// The living members of a group; `None` where the system does not tell.
fn members(group: u32) -> Option<Vec<Stat>> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let found: Vec<Stat> = pids.filter_map(Stat::of).filter(|stat| stat.group == group && stat.alive).collect();
    Stat::of(std::process::id()).map(|_| found)
}

fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

/// What `/proc/PID/stat` says of a process; the format is in proc(5).
struct Stat {
    alive: bool,
    group: u32,
    session: u32,
    start_ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        // The second field is the name of the program in brackets. It may hold anything, so the fields are counted from its last bracket, and
        // it may be no UTF-8.
        let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let start_ticks = fields.nth(15)?.parse().ok()?;
        Some(Self { alive: !matches!(state, "Z" | "X" | "x"), group, session, start_ticks })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    fn start(command: &str) -> Child {
        Command::new("/bin/sh").args(["-c", command]).process_group(0).spawn().unwrap()
    }

    #[test]
    fn a_group_is_recognised_and_ended() {
        let mut child = start("sleep 600 & sleep 600");
        let identity = identity(child.id()).unwrap();
        // Reaping is the parent's duty; here the parent is this test.
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        assert_eq!(end(&identity), End::Ended);
        reaper.join().unwrap();
        assert_eq!(end(&identity), End::AlreadyGone);
    }

    #[test]
    fn members_that_outlive_their_leader_are_found() {
        let mut child = start("read line; sleep 600 </dev/null >/dev/null 2>&1 & exit 0");
        let identity = identity(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(end(&identity), End::Ended);
    }

    #[test]
    fn a_stranger_under_the_same_number_is_left_alone() {
        let mut child = start("sleep 600");
        let real = identity(child.id()).unwrap();
        let earlier = Identity { start_ticks: real.start_ticks - 1, ..real.clone() };
        let other_boot = Identity { boot_id: "another".to_owned(), ..real.clone() };
        assert_eq!((end(&earlier), end(&other_boot)), (End::AlreadyGone, End::AlreadyGone));
        assert!(has_living_members(child.id()));
        signal_group(child.id(), Signal::KILL);
        child.wait().unwrap();
    }
}
