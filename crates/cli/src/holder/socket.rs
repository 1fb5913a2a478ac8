//! Where the holder listens.

use std::path::{Path, PathBuf};

use gorgon_core::ids::ContentHash;

use super::folder::{make_private, run_folder};
use crate::fault::Fault;

/// The longest path that is used: the kernel takes 107 bytes on Linux and 103 on macOS.
const PATH_BYTES_MAX: usize = 100;

const NAME: &str = "gorgon.sock";

/// The socket of a data directory, which is made if there is none: in it, or in the user's run folder if the path would be too long. One folder may be
/// named in several ways; every process comes to the same answer.
pub(crate) fn socket_path(data_dir: &Path) -> Result<PathBuf, Fault> {
    make_private(data_dir)?;
    let folder = data_dir.canonicalize().map_err(|error| Fault::io(data_dir, &error))?;
    let path = folder.join(NAME);
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok(path);
    }
    let hash = ContentHash::of(folder.as_os_str().as_encoded_bytes()).to_string();
    Ok(run_folder()?.join(format!("gorgon-{}.sock", &hash[..16])))
}
