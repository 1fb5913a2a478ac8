//! The live tree on a terminal, as the terminal shows it.

#[test]
fn placeholder() {}
