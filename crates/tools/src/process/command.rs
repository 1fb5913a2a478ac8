//! From a request to a command that can be started.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;

use gorgon_core::call::{Failure, FailureClass, ProcessRequest};
use gorgon_ports::CallCx;
use rustix::io::Errno;
use tokio::process::Command;

use crate::outcome::{invalid, refused};

/// The command, with nothing of this process's environment.
pub(super) fn command(request: &ProcessRequest, cx: &CallCx) -> Result<Command, Failure> {
    let Some((program, arguments)) = request.argv.split_first().filter(|(program, _)| !program.is_empty()) else {
        return Err(invalid("there is no program to run: the first element of `argv` is empty"));
    };
    if let Some(text) = request.argv.iter().find(|text| text.contains('\0')) {
        let shown: String = text.chars().take(40).collect();
        return Err(invalid(format!("the argument {shown:?} holds a NUL byte, which no process can be given")));
    }
    let variables = || cx.env.iter().chain(&request.env);
    if let Some((name, _)) = variables().find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')) {
        return Err(invalid(format!("the variable {name:?} cannot be set: its name is empty or holds `=`, or a NUL byte is in it")));
    }
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env(super::IDEMPOTENCY_KEY, &cx.idempotency_key)
        .envs(variables())
        .current_dir(working_folder(&cx.folder, request.cwd.as_deref())?)
        .stdin(if request.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        // If the call is dropped, the leader is at least killed and reaped; the rest of its group is ended by the guard of the call.
        .kill_on_drop(true);
    Ok(command)
}

/// The folder below that of the run; symbolic links may not lead out of it either.
fn working_folder(root: &Path, cwd: Option<&str>) -> Result<PathBuf, Failure> {
    let root = root.canonicalize().map_err(|error| refused(format!("the folder of the run, {}, cannot be entered: {error}", root.display())))?;
    let Some(cwd) = cwd else { return Ok(root) };
    let outside = || invalid(format!("the working folder {cwd:?} is not below the folder of the run, {}", root.display()));
    let mut depth = 0_usize;
    for component in Path::new(cwd).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(outside)?,
            Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    let folder = root.join(cwd).canonicalize().map_err(|error| invalid(format!("the working folder {cwd:?} cannot be entered: {error}")))?;
    if !folder.starts_with(&root) {
        return Err(outside());
    }
    if !folder.is_dir() {
        return Err(invalid(format!("the working folder {cwd:?} is not a folder")));
    }
    Ok(folder)
}

/// Why a program did not start. Nothing of it ran.
pub(super) fn not_started(program: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => refused(format!("the program `{program}` was not found, or the interpreter that it names")),
        io::ErrorKind::PermissionDenied => refused(format!("the program `{program}` may not be run: it is not executable, or permission is missing")),
        io::ErrorKind::ArgumentListTooLong => {
            invalid(format!("the arguments and variables for `{program}` are longer than the system takes; pass long values by `stdin:`"))
        }
        _ => {
            let passing = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE, Errno::TXTBSY].map(Errno::raw_os_error);
            let class =
                if error.raw_os_error().is_some_and(|code| passing.contains(&code)) { FailureClass::Overloaded } else { FailureClass::Refused };
            Failure::new(class, format!("the program `{program}` could not be started: {error}"))
        }
    }
}
