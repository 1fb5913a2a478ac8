//! Leaving a run to a background process.

use std::time::{Duration, Instant};

use gorgon_api::Run;
use gorgon_client::Client;
use gorgon_core::diagnostic::Code;

use crate::context::Context;
use crate::fault::Fault;
use crate::holder::{LOG, socket_path, spawn};
use crate::report::short;
use crate::session::{Session, make_room, who_holds};
use crate::settings::Settings;

/// How long a background process may take to listen.
const PATIENCE: Duration = Duration::from_secs(15);

/// A session with a holder that stays when this command has ended. Whatever is `new` goes by the settings of whoever holds the store now: where those are not
/// ours, nothing is started, and nobody waits in the background to be the next.
pub(super) async fn session(context: &Context, settings: Settings, new: bool) -> Result<Session<'_>, Fault> {
    let client = Client::unix(socket_path(&settings.data_dir.value)?);
    let started = Instant::now();
    let mut makes_room = None;
    if let Some(other) = who_holds(&client, PATIENCE).await {
        match &other {
            Some(other) if make_room(&settings, &client, other).await => makes_room = Some(other.pid),
            _ if new => Session::of_client(context, settings.clone(), client.clone(), other).check_settings()?,
            _ => {}
        }
    }
    spawn(&settings)?;
    loop {
        if let Some(other) = who_holds(&client, PATIENCE.saturating_sub(started.elapsed())).await
            && (makes_room.is_none() || makes_room != other.as_ref().map(|other| other.pid))
        {
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
