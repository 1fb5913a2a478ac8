//! Which run is meant: its whole id, the beginning or the end of it, or `@last`.

use gorgon_core::diagnostic::Code;
use gorgon_core::ids::RunId;
use gorgon_engine::Engine;
use gorgon_ports::RunFilter;

use crate::problem::Refused;

/// How many candidates an error names.
const NAMED_MAX: u32 = 5;

pub(crate) async fn find(engine: &Engine, text: &str) -> Result<RunId, Refused> {
    if let Ok(id) = text.parse::<RunId>() {
        return Ok(id);
    }
    if text == "@last" {
        let newest = engine.list(&RunFilter { limit: 1, ..RunFilter::default() }).await?;
        return newest.first().map(|row| row.id).ok_or_else(|| Refused::new(Code::UnknownRun, "there are no runs yet"));
    }
    let found = engine.search(text, NAMED_MAX).await?;
    match found.as_slice() {
        [only] => Ok(only.id),
        [] => Err(Refused::unknown_run(text)),
        many => {
            let ids: Vec<String> = many.iter().map(|row| row.id.to_string()).collect();
            Err(Refused::new(Code::AmbiguousRun, format!("`{text}` may be {}", ids.join(" or "))).help("give more of the id"))
        }
    }
}
