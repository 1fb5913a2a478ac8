//! The binary as a black box: each verb, two terminals, exit codes, bad input, and the picture on a terminal.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod calls;
mod closed;
mod environment;
mod exit_codes;
mod goldens;
mod holders;
mod reference;
mod second_terminal;
mod settings;
mod terminal;
mod world;
