//! Leaving a run to a background process.

use std::time::{Duration, Instant};

use gorgon_api::Run;
use gorgon_client::Client;
use gorgon_core::diagnostic::Code;

use crate::context::Context;
use crate::fault::Fault;
use crate::holder::{LOG, socket_path, spawn};
use crate::report::short;
use crate::session::{Session, who_holds};
use crate::settings::Settings;

/// How long a background process may take to listen.
const PATIENCE: Duration = Duration::from_secs(15);

/// A session with a holder that stays when this command has ended. Whatever is `new` goes by the settings of whoever holds the store now: where those are not
/// ours, nothing is started, and nobody waits in the background to be the next.
pub(super) async fn session(context: &Context, settings: Settings, new: bool) -> Result<Session<'_>, Fault> {
    let client = Client::unix(socket_path(&settings.data_dir.value)?);
    let started = Instant::now();
    if new && let Some(other) = who_holds(&client, PATIENCE).await {
        Session::of_client(context, settings.clone(), client.clone(), other).check_settings()?;
    }
    spawn(&settings)?;
    loop {
        if let Some(other) = who_holds(&client, PATIENCE.saturating_sub(started.elapsed())).await {
            return Ok(Session::of_client(context, settings, client, other));
        }
        if started.elapsed() > PATIENCE {
            let log = settings.data_dir.value.join(LOG);
            return Err(Fault::new(Code::StoreHeld, "the background process does not answer").help(format!("see {}", log.display())));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Says what runs in the background, and how to see it.
pub(super) fn tell(context: &Context, run: &Run) {
    if context.printer.json {
        context.printer.document(run);
    } else {
        context.printer.data(run.id.to_string());
        context.printer.say(format!("runs in the background: gorgon watch {}", short(run.id)));
    }
}
