//! Two thousand seeds, and the bugs that they have to find.

use super::{Coverage, Planted, simulate, simulate_planted};

/// How many seeds are tried.
const SEEDS: u64 = 2_000;

#[test]
fn two_thousand_simulations_keep_the_laws_and_come_across_everything() {
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        match simulate(seed) {
            Ok(report) => coverage.add(&report.coverage),
            Err(violation) => panic!("{violation}\nagain: cargo run -p gorgon-testkit --bin gorgon-sim -- --seed {seed}"),
        }
    }
    eprintln!("{coverage}");
    let missing = coverage.missing();
    assert!(missing.is_empty(), "never happened: {missing:#?}\n{coverage}");
}

#[test]
fn a_seed_leads_to_the_same_end_every_time() {
    for seed in 0..20 {
        assert_eq!(simulate(seed), simulate(seed));
    }
}

/// The first seed that finds a bug, and the law by which it does.
fn found(bug: Planted) -> (u64, String) {
    let found = (0..SEEDS).find_map(|seed| simulate_planted(seed, bug).err());
    let violation = found.unwrap_or_else(|| panic!("{bug:?} was not found by {SEEDS} seeds"));
    (violation.seed, violation.law)
}

#[test]
fn every_planted_bug_is_found_by_the_law_that_it_breaks() {
    for bug in Planted::ALL {
        let (seed, law) = found(bug);
        eprintln!("{bug:?}: seed {seed}: {}", law.lines().next().unwrap_or_default());
        let words: &[&str] = match bug {
            Planted::AckBeforeCommit => &["before its order was on disk", "not what is on disk", "lost count"],
            Planted::NoFence => &["lost count", "the only owner of the run was refused", "not what is on disk"],
            Planted::SecondSettle => &["the ledger says", "the tenant was charged"],
            Planted::LeakedHold => &["the ledger says", "the tenant holds"],
            Planted::DueBeforeRecover => &["was made twice", "the run does not know of it"],
            Planted::ReExpanded => &["was expanded once more"],
        };
        assert!(words.iter().any(|word| law.contains(word)), "{bug:?}, seed {seed}: {law}");
    }
}
