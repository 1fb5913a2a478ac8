//! The `gorgon` binary: everything is in the library beside it, where tests and the reference generator reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    gorgon_cli::main()
}
