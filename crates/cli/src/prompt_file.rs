//! Files that a workflow names: prompts, as AWO's have them, and workflows that are its steps.

use std::path::{Component, Path, PathBuf};

use gorgon_language::limits::FILE_BYTES_MAX;
use gorgon_tools::file::{closed_in, is_closed};

/// The text of a file that a workflow names, if there is one, or why it is not to be had. What holds keys is none, nor what lies in one of the closed places. It is looked for beside the workflow, above the folder `workflows`, as AWO's workflows name
/// prompts from the root of their project, and in the current folder.
pub(crate) fn read(cwd: &Path, workflow: Option<&Path>, closed: &[PathBuf], named: &str) -> Result<Option<String>, String> {
    let path = Path::new(named);
    if named.contains('\0') || !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err("it has to be a path below a folder, without `..`".to_owned());
    }
    let beside = workflow.and_then(Path::parent);
    let project = beside.filter(|folder| folder.ends_with("workflows")).and_then(Path::parent);
    let roots = [beside, project, Some(cwd)];
    let Some((root, file)) = roots.into_iter().flatten().map(|root| (root, root.join(path))).find(|(_, file)| file.is_file()) else {
        return Ok(None);
    };
    let failed = |error: std::io::Error| error.to_string();
    let file = file.canonicalize().map_err(failed)?;
    let root = root.canonicalize().map_err(failed)?;
    let Ok(place) = file.strip_prefix(&root) else { return Err("a link leads out of the folder".to_owned()) };
    if is_closed(&root, place, &closed_in(&root, closed)) {
        return Err("it holds keys, or settings or data of Gorgon, which are not for workflows to read".to_owned());
    }
    let bytes = std::fs::metadata(&file).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX as u64 {
        return Err(format!("it has {bytes} bytes, more than {FILE_BYTES_MAX}"));
    }
    String::from_utf8(std::fs::read(&file).map_err(failed)?).map(Some).map_err(|_| "it is not text in UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_prompt_lies_below_the_folder_or_beside_the_workflow() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path();
        for (name, text) in [
            ("project/workflows/w.yaml", ""),
            ("project/prompts/a.md", "a"),
            ("project/workflows/b.md", "b"),
            ("secret.md", "s"),
            ("here/a.md", "mine"),
            ("here/b.md", "not that of the workflow"),
        ] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        }
        fs::write(root.join("here/latin.md"), [0xe9]).unwrap();
        std::os::unix::fs::symlink(root.join("secret.md"), root.join("here/link.md")).unwrap();
        let workflow = root.join("project/workflows/w.yaml");
        fs::write(root.join("here/store"), "data").unwrap();
        fs::write(root.join("here/.env"), "KEY=k").unwrap();
        std::os::unix::fs::symlink(root.join("here/.env"), root.join("here/named.md")).unwrap();
        let closed = [root.join("here/store").canonicalize().unwrap()];
        let read = |named: &str| read(&root.join("here"), Some(&workflow), &closed, named);
        assert_eq!(read("prompts/a.md").unwrap().as_deref(), Some("a"));
        assert_eq!(read("./b.md").unwrap().as_deref(), Some("b"));
        assert_eq!(read("a.md").unwrap().as_deref(), Some("mine"));
        assert_eq!((read("none.md"), read("")), (Ok(None), Ok(None)));
        for (named, why) in [
            ("../secret.md", "without `..`"),
            ("/etc/hostname", "without `..`"),
            ("link.md", "leads out"),
            ("latin.md", "UTF-8"),
            (".env", "holds keys"),
            ("./.env", "holds keys"),
            ("named.md", "holds keys"),
            ("store", "data of Gorgon"),
        ] {
            assert!(read(named).unwrap_err().contains(why), "{named}");
        }
    }
}
