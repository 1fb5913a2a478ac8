//! Reading a text file.

use std::io::Read;

use cap_std::fs::OpenOptions;
use gorgon_core::call::Failure;
use gorgon_core::payload::Payload;
use serde::Serialize;

use super::root::Root;
use crate::outcome::refused;

#[derive(Serialize)]
struct Content {
    content: String,
}

pub(super) fn read(root: &Root, text: &str, bytes_max: u64) -> Result<Payload, Failure> {
    let path = root.path(text)?;
    let broken = |error| root.failure("read", &path, &error);
    let file = root.open_file(&path, OpenOptions::new().read(true)).map_err(broken)?;
    let metadata = file.metadata().map_err(broken)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "no regular file" };
        return Err(refused(format!("cannot read `{text}`: it is {what}")));
    }
    // It may grow while it is read, so the length that the system tells is only where the buffer begins.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(bytes_max)).unwrap_or(0));
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 > bytes_max {
        return Err(refused(format!("`{text}` is longer than {bytes_max} bytes; `bytes_max` allows more")));
    }
    let content = String::from_utf8(bytes).map_err(|error| {
        refused(format!("`{text}` is no UTF-8 text: byte {} fits into none; a shell step can convert it", error.utf8_error().valid_up_to()))
    })?;
    Ok(Payload::of(&Content { content }))
}
