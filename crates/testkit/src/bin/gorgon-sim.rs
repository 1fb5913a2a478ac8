//! Runs simulations and says what they came across: `gorgon-sim --seed N --seeds M` tries M seeds from N on.
#![expect(clippy::print_stdout, reason = "the report is the output")]

use std::process::ExitCode;

use gorgon_testkit::sim::{Coverage, simulate};

fn main() -> ExitCode {
    let mut seed = 0;
    let mut seeds = 1;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|number| number.parse::<u64>().ok());
        match (word.as_str(), number) {
            ("--seed", Some(number)) => seed = number,
            ("--seeds", Some(number)) => seeds = number,
            _ => {
                println!("usage: gorgon-sim [--seed N] [--seeds M]");
                return ExitCode::from(2);
            }
        }
    }
    let mut coverage = Coverage::default();
    let mut steps = 0_u64;
    for seed in seed..seed.saturating_add(seeds) {
        match simulate(seed) {
            Ok(report) => {
                coverage.add(&report.coverage);
                steps += u64::from(report.steps);
            }
            Err(violation) => {
                println!("{violation}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{seeds} seeds, {steps} steps\n{coverage}");
    let missing = coverage.missing();
    if !missing.is_empty() {
        println!("never happened: {}", missing.join(", "));
    }
    ExitCode::SUCCESS
}
