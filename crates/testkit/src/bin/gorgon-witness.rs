//! `gorgon-witness FILE WORDS… [--sleep-ms N]`: appends a line `<unix_ns> <words>` to the file, waits until it is on disk, sleeps if asked, ends.
//!
//! Steps run it as a process of its own, so that what it wrote was done, whatever was killed afterwards.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gorgon-witness: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Vec<String>) -> Result<(), Box<dyn Error>> {
    let mut sleep = Duration::ZERO;
    if let Some(at) = args.iter().position(|arg| arg == "--sleep-ms") {
        let ms = args.get(at + 1).ok_or("--sleep-ms wants a number")?.parse()?;
        sleep = Duration::from_millis(ms);
        args.drain(at..at + 2);
    }
    let (file, words) = args.split_first().ok_or("usage: gorgon-witness FILE WORDS… [--sleep-ms N]")?;
    gorgon_testkit::scripted::testify(Path::new(file), &words.join(" "))?;
    std::thread::sleep(sleep);
    Ok(())
}
