//! Providers against a server on the real wire.

mod anthropic;
mod config;
mod executor;
mod fixtures;
mod openai;
mod raw;
mod second_reader;
mod streams;
mod support;
