//! What a process that is killed leaves behind: a file for each process group while it lives, so the next process can end what is left of it before it decides
//! what became of the call.

use std::path::{Path, PathBuf};

use super::{End, Identity, end, identity};

/// A folder with one file for each living process group.
#[derive(Debug, Clone)]
pub struct Leftovers {
    dir: PathBuf,
}

impl Leftovers {
    /// Keeps its files in this folder, which is made if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn in_dir(dir: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Ends every group that an earlier process left behind. Blocks for as long as that takes. Answers the ids of groups that could not be ended.
    #[must_use]
    pub fn end_all(&self) -> Vec<u32> {
        let mut survivors = Vec::new();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let known = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
            // A file that a crash left half written names a group that was being started: its call had not begun to do anything.
            if let Some(identity) = known
                && end(&identity) == End::Survived {
                    survivors.push(identity.pid);
                    continue;
                }
            let _ = std::fs::remove_file(&path);
        }
        survivors
    }

    pub(crate) fn started(&self, group: u32) {
        let Some(identity) = identity(group) else { return };
        let text = serde_json::to_vec(&identity).unwrap_or_default();
        if let Err(error) = std::fs::write(self.path(group), text) {
            tracing::warn!(group, %error, "a process group cannot be noted; if this process is killed, it will not be ended");
        }
    }

    pub(crate) fn ended(&self, group: u32) {
        let _ = std::fs::remove_file(self.path(group));
    }

    fn path(&self, group: u32) -> PathBuf {
        self.dir.join(format!("{group}.json"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_was_left_behind_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        leftovers.started(child.id());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let waiter = std::thread::spawn(move || child.wait().unwrap());
        assert_eq!(leftovers.end_all(), Vec::<u32>::new());
        assert!(!waiter.join().unwrap().success());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_half_written_file_is_no_reason_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::in_dir(dir.path()).unwrap();
        std::fs::write(dir.path().join("7.json"), "{\"pid\":").unwrap();
        assert_eq!(leftovers.end_all(), Vec::<u32>::new());
    }
}
