//! The way to runs: a client of whoever holds the store, or of this process, which then holds it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gorgon_api::{Run, Time};
use gorgon_client::{Client, Error};
use gorgon_core::diagnostic::Code;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::holder::{HeldFor, Holder, OpenOutcome, open_memory, open_store, socket_path, spawn};
use crate::interrupts::Interrupts;
use crate::settings::Settings;

/// How long a store may be held by somebody who does not answer, before we give up.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long whoever only watches waits for somebody to take the place of a holder that went away.
const SUCCESSION: Duration = Duration::from_secs(2);

/// First and longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// How often a holder may go away while it is asked.
const TRIES: u32 = 20;

/// What the runs are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To look at: nothing moves because of it.
    Look,
    /// To record a command: the run goes on when somebody holds the store for longer.
    Record,
    /// To go on: whoever holds the store runs what is to be run.
    Work,
    /// To try something out: nothing outlives the process.
    Ephemeral,
}

/// The way to runs.
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) context: &'a Context,
    /// When this command began to reach for the store.
    pub(crate) opened_at: Time,
    holder: Option<Box<Holder>>,
    /// Who holds the store, if it is another process that says so.
    other: Option<gorgon_api::Holder>,
    /// Whether its settings have to be ours.
    begins: bool,
    purpose: Purpose,
    /// Listened to before this process can become the holder: from then on something may be in flight that an interrupt must not just leave.
    interrupts: Option<Interrupts>,
}

impl<'a> Session<'a> {
    pub(crate) async fn open(context: &'a Context, purpose: Purpose) -> Result<Self, Fault> {
        Self::with(context, context.settings()?, purpose).await
    }

    pub(crate) async fn with(context: &'a Context, settings: Settings, purpose: Purpose) -> Result<Self, Fault> {
        let opened_at = Time::now();
        let mut interrupts = matches!(purpose, Purpose::Work | Purpose::Ephemeral).then(Interrupts::listen).transpose()?;
        let Reached { client, holder, other } = tokio::select! {
            reached = reach(&settings, purpose) => reached?,
            () = second(&mut interrupts) => leave(None),
        };
        Ok(Self { client, settings, context, opened_at, holder, other, begins: false, purpose, interrupts })
    }

    /// A session with a holder that is known to answer.
    pub(crate) fn of_client(context: &'a Context, settings: Settings, client: Client, other: Option<gorgon_api::Holder>) -> Self {
        Self { client, settings, context, opened_at: Time::now(), holder: None, other, begins: false, purpose: Purpose::Work, interrupts: None }
    }

    /// Before something new begins: whoever holds the store works by its own settings. Where those are not ours, what was to be limited here would not be.
    pub(crate) fn check_settings(&mut self) -> Result<(), Fault> {
        self.begins = true;
        let Some(other) = &self.other else { return Ok(()) };
        // A provider that only one of both knows: whoever asks it hears that from the holder, or does without.
        let differ = differences(&self.settings, other, is_of_provider);
        if differ.is_empty() {
            return Ok(());
        }
        let message = format!("process {} holds the data directory and works by other settings: {}", other.pid, differ.join(", "));
        Err(Fault::new(Code::StoreHeld, message)
            .help("let it end first, or give these settings a data directory of their own by GORGON_DATA_DIR or --data-dir"))
    }

    /// Finds the way again, after the holder went away.
    pub(crate) async fn again(&mut self) -> Result<(), Fault> {
        if let Some(holder) = self.holder.take() {
            // It is we who went away: the store is closed.
            holder.close().await;
        }
        let reached = unless_left(&mut self.interrupts, None, reach(&self.settings, self.purpose)).await?;
        (self.client, self.holder, self.other) = (reached.client, reached.holder, reached.other);
        if self.begins { self.check_settings() } else { Ok(()) }
    }

    /// Asks for something; if the holder goes away meanwhile, whoever takes its place is asked.
    pub(crate) async fn ask<T>(&mut self, question: impl AsyncFn(&Client) -> Result<T, Error>) -> Result<T, Fault> {
        for _ in 0..TRIES {
            match unless_left(&mut self.interrupts, self.holder.as_deref(), question(&self.client)).await {
                Err(Error::Unreachable { .. } | Error::Broken(_)) => self.again().await?,
                answer => return Ok(answer?),
            }
        }
        Ok(unless_left(&mut self.interrupts, self.holder.as_deref(), question(&self.client)).await?)
    }

    /// Sends something that may be done only once: it is sent again only if it certainly did not arrive.
    pub(crate) async fn send<T>(&mut self, request: impl AsyncFn(&Client) -> Result<T, Error>) -> Result<T, Fault> {
        for _ in 0..TRIES {
            match unless_left(&mut self.interrupts, self.holder.as_deref(), request(&self.client)).await {
                Err(Error::Unreachable { .. }) => self.again().await?,
                answer => return Ok(answer?),
            }
        }
        Ok(unless_left(&mut self.interrupts, self.holder.as_deref(), request(&self.client)).await?)
    }

    /// Asks once, and is left where it is interrupted for the second time.
    pub(crate) async fn once<T>(&mut self, question: impl AsyncFn(&Client) -> T) -> T {
        unless_left(&mut self.interrupts, self.holder.as_deref(), question(&self.client)).await
    }

    /// From here on interrupts are acted on, also those that came since the session began.
    pub(crate) fn listen(&mut self) -> Result<(), Fault> {
        if self.interrupts.is_none() {
            self.interrupts = Some(Interrupts::listen()?);
        }
        Ok(())
    }

    /// The next interrupt.
    pub(crate) async fn interrupted(&mut self) {
        match &mut self.interrupts {
            Some(interrupts) => interrupts.next().await,
            None => std::future::pending().await,
        }
    }

    /// Lets go of the store and waits a moment for somebody else to hold it; answers whether it was not interrupted meanwhile.
    pub(crate) async fn wait_for_others(&mut self) -> Result<bool, Fault> {
        if let Some(holder) = self.holder.take() {
            holder.close().await;
        }
        let client = Client::unix(socket_path(&self.settings.data_dir.value)?);
        let found = async {
            while who_holds(&client, SUCCESSION).await.is_none() {
                tokio::time::sleep(PAUSE.1).await;
            }
        };
        tokio::select! {
            () = found => Ok(true),
            () = tokio::time::sleep(SUCCESSION) => Ok(true),
            () = self.interrupted() => Ok(false),
        }
    }

    /// Whoever holds the store next, be it this process, is told something, and nothing goes on because of this command.
    pub(crate) fn only_record(&mut self) {
        if self.purpose == Purpose::Work {
            self.purpose = Purpose::Record;
        }
    }

    /// Whether nothing of its runs outlives this process.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.purpose == Purpose::Ephemeral
    }

    /// The other process that holds the store.
    pub(crate) fn other_pid(&self) -> Option<u32> {
        self.other.as_ref().map(|other| other.pid)
    }

    /// Whether this process holds the store, and nobody else can reach it.
    pub(crate) fn is_alone(&self) -> bool {
        self.holder.is_some() && self.purpose != Purpose::Work
    }

    /// Whether a run came to its end because this process took the store over: it went on before it was asked to.
    pub(crate) fn ended_here(&self, run: &Run) -> bool {
        self.is_holder() && run.ended_at.is_some_and(|ended| ended.as_millisecond() >= self.opened_at.as_millisecond())
    }

    /// Whether this process holds the store.
    pub(crate) fn is_holder(&self) -> bool {
        self.holder.is_some()
    }

    /// Leaves at once; calls in flight are in doubt for the next holder.
    pub(crate) fn abandon(&self) {
        if let Some(holder) = &self.holder {
            holder.abandon();
        }
    }

    /// The command is done: stays while calls of others are in flight, then lets go of the store.
    pub(crate) async fn close(mut self) {
        let Some(holder) = self.holder.take() else { return };
        if self.purpose == Purpose::Work {
            holder.stay(&self.context.printer).await;
        }
        // A connection of our own that was made to spare and carries nothing would be waited for as if somebody were about to ask.
        drop(self.client);
        holder.close().await;
    }
}

/// The settings by which another process works that are not ours. Those that only one of both has do not count where they are `optional`.
pub(crate) fn differences(settings: &Settings, other: &gorgon_api::Holder, optional: impl Fn(&str) -> bool) -> Vec<String> {
    let ours = settings.fingerprints();
    let names: BTreeSet<&String> = ours.keys().chain(other.settings.keys()).collect();
    let differs = |name: &&String| match (ours.get(*name), other.settings.get(*name)) {
        (Some(here), Some(there)) => here != there,
        _ => !optional(name),
    };
    names.into_iter().filter(differs).cloned().collect()
}

/// Whether a background process goes by an older form of these settings: it was started with the same file, and has nothing that is not here. Its runs can go on by
/// the newer form. Whoever has other settings has other runs as well, and is refused where it matters.
pub(crate) fn is_outdated(settings: &Settings, other: &gorgon_api::Holder) -> bool {
    let ours = settings.fingerprints();
    let same_file = other.settings_file == settings.file.as_ref().map(|file| file.display().to_string());
    let has_all = other.settings.keys().filter(|name| is_of_provider(name)).all(|name| ours.contains_key(name));
    other.background && same_file && has_all && !differences(settings, other, |_| false).is_empty()
}

/// Has such a process make room for one by ours. It does not where it has calls in flight.
pub(crate) async fn make_room(settings: &Settings, client: &Client, other: &gorgon_api::Holder) -> bool {
    is_outdated(settings, other) && client.leave().await.is_ok()
}

fn is_of_provider(name: &str) -> bool {
    name.starts_with("providers.") || name.starts_with("keys.")
}

/// Waits for an answer, unless it is interrupted twice meanwhile: once is for whoever acts on the answer.
async fn unless_left<T>(interrupts: &mut Option<Interrupts>, holder: Option<&Holder>, answer: impl Future<Output = T>) -> T {
    tokio::select! {
        answer = answer => answer,
        () = second(interrupts) => leave(holder),
    }
}

async fn second(interrupts: &mut Option<Interrupts>) {
    match interrupts {
        Some(interrupts) => interrupts.second().await,
        None => std::future::pending().await,
    }
}

fn leave(holder: Option<&Holder>) -> ! {
    if let Some(holder) = holder {
        holder.abandon();
    }
    std::process::exit(i32::from(Exit::Interrupted.number()))
}

/// The way to whoever holds the store.
struct Reached {
    client: Client,
    holder: Option<Box<Holder>>,
    other: Option<gorgon_api::Holder>,
}

impl Reached {
    fn ours(holder: Box<Holder>) -> Self {
        Self { client: holder.client(), holder: Some(holder), other: None }
    }
}

/// Asks for whoever holds the store: a release that does not say who it is answers all the same. A process that was stopped still has its socket, and answers
/// nothing.
pub(crate) async fn who_holds(client: &Client, patience: Duration) -> Option<Option<gorgon_api::Holder>> {
    match tokio::time::timeout(patience, client.holder()).await {
        Ok(Ok(holder)) => Some(Some(holder)),
        Ok(Err(Error::Problem(_))) => Some(None),
        Ok(Err(_)) | Err(_) => None,
    }
}

async fn reach(settings: &Settings, purpose: Purpose) -> Result<Reached, Fault> {
    if purpose == Purpose::Ephemeral || (purpose == Purpose::Look && !settings.database.value.exists()) {
        return Ok(Reached::ours(Box::new(open_memory(settings, purpose == Purpose::Ephemeral).await?)));
    }
    let socket = socket_path(&settings.data_dir.value)?;
    let client = Client::unix(&socket);
    let started = Instant::now();
    let mut pause = PAUSE.0;
    let mut makes_room = None;
    loop {
        if let Some(other) = who_holds(&client, PATIENCE.saturating_sub(started.elapsed())).await {
            let pid = other.as_ref().map(|other| other.pid);
            if purpose == Purpose::Work
                && makes_room.is_none()
                && let Some(other) = &other
                && make_room(settings, &client, other).await
            {
                makes_room = pid;
                spawn(settings)?;
            }
            if makes_room.is_none() || makes_room != pid || started.elapsed() > PATIENCE {
                return Ok(Reached { client, holder: None, other });
            }
            tokio::time::sleep(pause).await;
            continue;
        }
        let public = (purpose == Purpose::Work).then_some(socket.as_path());
        match open_store(settings, public, HeldFor::Command, purpose == Purpose::Work).await? {
            OpenOutcome::Ours(holder) => return Ok(Reached::ours(holder)),
            // It is about to listen, or about to let go.
            OpenOutcome::Held(held) if started.elapsed() > PATIENCE => {
                let fault = Fault::from(held.0);
                let help = "it does not answer: let it go on (`fg`, if it was stopped), end it, or name another data directory by GORGON_DATA_DIR or --data-dir";
                return Err(fault.help(help));
            }
            OpenOutcome::Held(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}
