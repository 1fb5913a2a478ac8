//! A file system for SQLite that remembers what was flushed, so that a test can cut the power.
//!
//! It hands every call on to the system's own file system and keeps beside it, for each file, an image of what a disk would hold for sure: a write enters
//! the image at the next flush of its file. [`Disk::power_cut`] writes the images into another folder, where a store is opened as after the
//! loss of power. The memory-mapped index of the WAL is not part of it: it does not outlive a process anyway.
//!
//! Only for tests. It is a crate of its own since it cannot do without `unsafe`.
#![warn(missing_docs)]

mod disk;
mod shim;

pub use self::disk::{Disk, Loss};
