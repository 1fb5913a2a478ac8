//! `/v1/runs` over a real Unix socket, as the tree of addresses is: one file for each.

mod runs;
mod support;
