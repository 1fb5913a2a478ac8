//! The engine as a whole: real stores, the real core, scripted executors, and time that passes only when nothing else is left to do.

mod commands;
mod crash;
mod faults;
mod flow;
mod money;
mod owners;
mod permits;
mod support;
mod timers;
mod watching;
