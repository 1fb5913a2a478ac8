//! `/v1/runs`.

mod commands;
mod create;
mod events;
mod export;
mod list;
mod logs;
mod show;
