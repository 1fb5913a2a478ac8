//! From settings to a running engine behind a socket.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gorgon_core::budget::{Balance, Scope};
use gorgon_core::command::Unready;
use gorgon_engine::{Engine, Options, SystemClock, SystemEntropy};
use gorgon_ports::{Executor, Journal, Ledger, Runs, TenantScope};
use gorgon_providers::{ConfigError, ModelExecutor, Provider, Providers, Unavailable, build};
use gorgon_store_memory::MemoryStore;
use gorgon_store_sqlite::{OpenError, SqliteStore};
use gorgon_tools::process_group::Leftovers;
use gorgon_tools::{AllowPrivate, FileOptions, HttpOptions, ProcessOptions, ToolOptions, executors};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::folder::make_private;
use super::{Holder, identity};
use crate::fault::Fault;
use crate::settings::{MARKER, Settings};

/// Whose runs these are, on a machine where nobody logs in.
const TENANT: &str = "local";

/// What came of trying to hold the store.
pub(crate) enum OpenOutcome {
    /// It is ours.
    Ours(Box<Holder>),
    /// Somebody else has it.
    Held(HeldBy),
}

/// Who has the store.
pub(crate) struct HeldBy(pub(crate) OpenError);

impl HeldBy {
    /// Whether it is a background holder, which stays.
    pub(crate) fn is_background(&self) -> bool {
        matches!(&self.0, OpenError::Held { note, .. } if note.contains(HeldFor::Background.word()))
    }
}

/// For whom a store is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldFor {
    /// For this process, with which it ends.
    Process,
    /// For a command, until it is done.
    Command,
    /// For nobody in particular: there is no need of a second one.
    Background,
}

impl HeldFor {
    /// As the lock file has it.
    fn word(self) -> &'static str {
        match self {
            Self::Process => "for a process",
            Self::Command => "for a command",
            Self::Background => "in the background",
        }
    }
}

/// A store, by its three sides.
struct Store {
    journal: Arc<dyn Journal>,
    runs: Arc<dyn Runs>,
    ledger: Arc<dyn Ledger>,
}

/// Opens the store of the settings. With a socket it is served to everybody who may open that file; without, to this process only.
pub(crate) async fn open_store(settings: &Settings, socket: Option<&Path>, held: HeldFor, runs_go_on: bool) -> Result<OpenOutcome, Fault> {
    make_private(&settings.data_dir.value)?;
    let marker = settings.data_dir.value.join(MARKER);
    if !marker.exists() {
        std::fs::write(&marker, "Runs are kept in this folder by gorgon.\n").map_err(|error| Fault::io(&marker, &error))?;
    }
    let mut options = gorgon_store_sqlite::Options::new(&settings.database.value);
    let who = held.word();
    options.lock_note = socket.map_or_else(|| format!("{who}, listens to nobody"), |socket| format!("{who}, listens at {}", socket.display()));
    let store = match SqliteStore::open(options) {
        Ok(store) => Arc::new(store),
        Err(held @ OpenError::Held { .. }) => return Ok(OpenOutcome::Held(HeldBy(held))),
        Err(error) => return Err(error.into()),
    };
    let store = Store { journal: store.clone(), runs: store.clone(), ledger: store };
    serve(settings, store, socket, runs_go_on, held).await.map(|holder| OpenOutcome::Ours(Box::new(holder)))
}

/// Opens a store that ends with this process.
pub(crate) async fn open_memory(settings: &Settings, runs_go_on: bool) -> Result<Holder, Fault> {
    let store = Arc::new(MemoryStore::new());
    let store = Store { journal: store.clone(), runs: store.clone(), ledger: store };
    serve(settings, store, None, runs_go_on, HeldFor::Process).await
}

async fn serve(settings: &Settings, store: Store, socket: Option<&Path>, runs_go_on: bool, held: HeldFor) -> Result<Holder, Fault> {
    let keeps = held != HeldFor::Process;
    let (socket, folder) = match socket {
        Some(socket) => (socket.to_owned(), None),
        None => {
            let folder = tempfile::Builder::new().prefix("gorgon-").permissions(std::fs::Permissions::from_mode(0o700)).tempdir();
            let folder = folder.map_err(|error| Fault::io(std::env::temp_dir(), &error))?;
            (folder.path().join("s"), Some(folder))
        }
    };
    // What a killed holder left running is ended before anybody decides what became of its calls.
    let leftovers = {
        // Of a store that is kept, in its data directory: also for a holder that nobody else can reach.
        let own = folder.as_ref().filter(|_| !keeps).map(tempfile::TempDir::path);
        let dir = own.unwrap_or(&settings.data_dir.value).join("processes");
        Leftovers::in_dir(&dir).map_err(|error| Fault::io(&dir, &error))?
    };
    let noted = leftovers.clone();
    // It takes seconds where something does not listen; whoever is interrupted meanwhile still hears it.
    let survivors = tokio::task::spawn_blocking(move || noted.end_all()).await.map_err(|error| Fault::internal(error.to_string()))?;
    for group in survivors {
        tracing::warn!(group, "a process group that an earlier holder left behind could not be ended");
    }
    let built = built(settings);
    let names = built.iter().map(|(name, provider)| (name.clone(), unready(provider))).collect();
    // Other runs may not need one that could not be built: those that do fail with the reason.
    let of_name = |(name, provider): (String, Built)| (name, provider.unwrap_or_else(|why| Arc::new(Unavailable::because(why))));
    let providers = Providers::new(built.into_iter().map(of_name).collect());
    // Before a run is taken up: the first call that goes on is held against the limits in force now.
    set_limits(&*store.ledger, settings).await?;
    let engine = Engine::open(Options {
        journal: store.journal,
        runs: store.runs,
        ledger: store.ledger,
        executors: all_executors(settings, providers, leftovers.clone())?,
        prices: settings.prices(),
        providers: names,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        log_dir: keeps.then(|| settings.data_dir.value.join("logs")),
        tenant: TENANT.to_owned(),
        scopes: vec![Scope::Tenant(TENANT.to_owned())],
        permits: settings.engine_permits(),
        run: runs_go_on,
    })
    .await?;
    let listener = bind(&socket)?;
    let stop = CancellationToken::new();
    let about = gorgon_api::Holder {
        pid: std::process::id(),
        settings: settings.fingerprints(),
        settings_file: settings.file.as_ref().map(|file| file.display().to_string()),
        background: held == HeldFor::Background,
        leaving: false,
    };
    let asked_to_leave = CancellationToken::new();
    let router = gorgon_server::router(engine.clone()).merge(gorgon_server::about(about, engine.clone(), asked_to_leave.clone()));
    let server = tokio::spawn(gorgon_server::serve_unix(listener, router, stop.clone()));
    Ok(Holder { engine, socket_identity: identity(&socket), socket, asked_to_leave, stop, server, folder, leftovers, left: AtomicBool::new(false) })
}

/// Whoever holds the store owns the socket: what lies there is left over from a process that died.
fn bind(socket: &PathBuf) -> Result<UnixListener, Fault> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Fault::io(socket, &error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(|error| Fault::io(socket, &error))?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(|error| Fault::io(socket, &error))?;
    Ok(listener)
}

/// A provider, or why there is none.
type Built = Result<Arc<dyn Provider>, ConfigError>;

/// The providers of the settings, by the environment of this process.
pub(crate) fn built(settings: &Settings) -> Vec<(String, Built)> {
    let lookup = |name: &str| settings.environment.get(name);
    settings.providers.iter().map(|(name, config)| (name.clone(), build(name, &config.value, &lookup))).collect()
}

/// Why a provider cannot be asked.
pub(crate) fn unready(built: &Built) -> Option<Unready> {
    built.as_ref().err().map(|ConfigError { message, help }| Unready { message: message.clone(), help: help.clone() })
}

#[expect(clippy::field_reassign_with_default, reason = "options of another crate cannot be written whole, so that it may add to them")]
fn all_executors(settings: &Settings, providers: Providers, leftovers: Leftovers) -> Result<Vec<Arc<dyn Executor>>, Fault> {
    let allow_private =
        AllowPrivate::parse(&settings.allow_private.value).map_err(|bad| Fault::new(gorgon_core::diagnostic::Code::BadSetting, bad.to_string()))?;
    let mut http = HttpOptions::default();
    http.allow_private = allow_private;
    let mut process = ProcessOptions::default();
    process.leftovers = Some(leftovers);
    let mut file = FileOptions::default();
    file.closed = settings.closed();
    let mut all = executors(ToolOptions { http, process, file, ..ToolOptions::default() });
    all.push(Arc::new(ModelExecutor::new(providers)));
    let keys = settings.keys();
    Ok(all.into_iter().map(|executor| keys.around(executor)).collect())
}

/// Makes the ledger say what the settings say. A limit that was taken out of the settings is lifted; what was spent stays. Where there is no file with
/// settings nothing was taken out of it: whoever comes from another folder lifts nothing.
async fn set_limits(ledger: &dyn Ledger, settings: &Settings) -> Result<(), Fault> {
    let scope = TenantScope(TENANT.to_owned());
    let rows = ledger.of_tenant(&scope).await?;
    let tenant = Scope::Tenant(TENANT.to_owned());
    for (meter, limit) in &settings.budget {
        let known = rows.iter().find(|row| row.id.scope == tenant && row.id.meter == *meter).map(|row| row.balance.limit);
        let wanted = match (limit.value, known) {
            (Some(limit), _) => limit,
            (None, Some(_)) if settings.file.is_some() => Balance::AMOUNT_MAX,
            (None, _) => continue,
        };
        if known != Some(wanted) {
            ledger.set_limit(&scope, None, *meter, wanted).await?;
        }
    }
    Ok(())
}
