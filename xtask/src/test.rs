//! `cargo xtask test`: everything that has to be green, from a fresh checkout with Rust and a C and C++ compiler.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::shell::{answers, cargo, root, say, step};
use crate::tidy;

/// The release of the test runner that is installed where there is none.
const NEXTEST_VERSION: &str = "0.9.143";

#[derive(Args)]
pub(crate) struct Options {
    /// Leave out what takes minutes and needs the release binary; for a quick look while writing.
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    need_tools()?;
    step("format", cargo().args(["fmt", "--all", "--check"]))?;
    step("format of the fuzz targets", cargo().args(["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]))?;
    tidy::run()?;
    step("lints", cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    if !options.quick {
        step("release binary", cargo().args(["build", "--release", "--quiet", "--bin", "gorgon"]))?;
        step("fuzz targets", cargo().args(["check", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target/fuzz"]))?;
    }
    // Before the tests: the last thing that CI reads should be the count of all of them.
    step("doc tests", cargo().args(["test", "--workspace", "--doc", "--quiet"]))?;
    step("tests", &mut tests(options))?;
    say(&format!("all green after {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// The tests of the workspace. Those that drive the binary find the release one by `GORGON_TEST_BINARY`, if it was built.
fn tests(options: &Options) -> Command {
    let mut command = cargo();
    command.args(["nextest", "run", "--workspace"]);
    if in_ci() {
        command.args(["--profile", "ci"]);
    }
    if !options.quick {
        command.env("GORGON_TEST_BINARY", target_dir().join("release/gorgon"));
    }
    command
}

fn target_dir() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}

fn need_tools() -> Result<()> {
    let here = [("rustfmt", cargo().args(["fmt", "--version"]) as &mut Command), ("clippy", cargo().args(["clippy", "--version"]))]
        .into_iter()
        .filter_map(|(name, command)| (!answers(command)).then_some(name))
        .collect::<Vec<_>>();
    if !here.is_empty() {
        bail!("{} missing: `rustup component add {}`", here.join(" and "), here.join(" "));
    }
    if !answers(crate::shell::program("cc").arg("--version")) || !answers(crate::shell::program("c++").arg("--version")) {
        bail!("no C and C++ compiler: install one, for example `apt-get install g++`");
    }
    if !answers(cargo().args(["nextest", "--version"])) {
        say("cargo-nextest, which runs the tests, is not installed: installing it, which takes some minutes");
        step("cargo-nextest", cargo().args(["install", "cargo-nextest", "--locked", "--version", NEXTEST_VERSION]))?;
    }
    Ok(())
}
