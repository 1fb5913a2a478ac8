//! `gorgon doctor`

use std::path::Path;
use std::time::Duration;

use clap::Args;
use gorgon_api::RunQuery;
use gorgon_client::Client;
use gorgon_core::command::key_variable;
use gorgon_providers::{PriceList, Vendor};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::holder::{built, socket_path};
use crate::session::{Purpose, Session, differences, is_outdated, who_holds};
use crate::settings::Settings;

/// Below this there is no room for a long run.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// How long whoever holds the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Check what runs need: settings, data directory, disk, store, providers.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

/// What was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    /// Some runs will not work.
    Odd,
    /// Nothing will.
    Bad,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let settings = context.settings()?;
        let mut findings = vec![good("release", env!("CARGO_PKG_VERSION"))];
        findings.push(match &settings.file {
            Some(file) => good("settings", file.display()),
            None => good("settings", "no gorgon.toml; defaults"),
        });
        for name in settings.unknown_variables() {
            findings.push(Finding {
                what: "settings".to_owned(),
                state: State::Odd,
                detail: format!("the variable {name} is not a setting"),
                help: Some("`gorgon config show` lists them".to_owned()),
            });
        }
        let disk = disk(&settings.data_dir.value);
        if disk.iter().all(|finding| finding.state != State::Bad) {
            findings.push(store(context, &settings).await);
        }
        findings.extend(disk);
        findings.extend(providers(&settings));
        findings.push(shell());
        let bad = findings.iter().any(|finding| finding.state == State::Bad);
        if context.printer.json {
            context.printer.document(&serde_json::json!({ "good": !bad, "findings": findings }));
        } else {
            findings.iter().for_each(|finding| tell(context, finding));
        }
        Ok(if bad { Exit::Environment } else { Exit::Done })
    }
}

fn good(what: &str, detail: impl std::fmt::Display) -> Finding {
    Finding { what: what.to_owned(), state: State::Good, detail: detail.to_string(), help: None }
}

fn tell(context: &Context, finding: &Finding) {
    let (mark, style) = match finding.state {
        State::Good => ("✓", "32"),
        State::Odd => ("!", "33"),
        State::Bad => ("✗", "31"),
    };
    context.printer.data(format!("{} {:<20} {}", context.printer.paint(style, mark), finding.what, finding.detail));
    if let Some(help) = &finding.help {
        context.printer.data(format!("  help: {help}"));
    }
}

/// The store opens, or whoever holds it answers.
async fn store(context: &Context, settings: &Settings) -> Finding {
    let what = "store".to_owned();
    let place = settings.database.value.display();
    // Looking must not make the folder.
    let socket = settings.data_dir.value.is_dir().then(|| socket_path(&settings.data_dir.value));
    let held = match socket {
        Some(Ok(socket)) => who_holds(&Client::unix(socket), PATIENCE).await,
        Some(Err(_)) | None => None,
    };
    let looked = match Session::with(context, settings.clone(), Purpose::Look).await {
        Ok(session) => {
            let listed = session.client.runs(&RunQuery { limit: Some(1), ..RunQuery::default() }).await.map_err(Fault::from);
            session.close().await;
            listed.map(drop)
        }
        Err(fault) => Err(fault),
    };
    match looked {
        Ok(()) if let Some(other) = held => by_other(what, &place, settings, other.as_ref()),
        Ok(()) if settings.database.value.exists() => good(&what, place),
        Ok(()) => good(&what, format!("{place}, made by the first run")),
        Err(fault) => Finding { what, state: State::Bad, detail: fault.message, help: fault.help },
    }
}

/// The store of a process that answers; what runs do, they do by its settings.
fn by_other(what: String, place: &dyn std::fmt::Display, settings: &Settings, other: Option<&gorgon_api::Holder>) -> Finding {
    let Some(other) = other else { return good(&what, format!("{place}, held by a process that answers")) };
    let differ = differences(settings, other, |_| false);
    let leaving = if other.leaving { " and is about to let go" } else { "" };
    let detail = format!("{place}, held by process {}, which answers{leaving}", other.pid);
    if differ.is_empty() {
        return good(&what, detail);
    }
    let help = if is_outdated(settings, other) {
        "the next `run` or `resume` from here has it make room, unless it has calls in flight"
    } else {
        "let it end first, where that matters"
    };
    let detail = format!("{detail} and works by other settings, which are those that count: {}", differ.join(", "));
    Finding { what, state: State::Odd, detail, help: Some(help.to_owned()) }
}

fn disk(data_dir: &Path) -> Vec<Finding> {
    let existing = data_dir.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let mut findings = Vec::new();
    if data_dir.exists() && !data_dir.is_dir() {
        let help = Some("name another data directory by GORGON_DATA_DIR or --data-dir".to_owned());
        findings.push(Finding {
            what: "data directory".to_owned(),
            state: State::Bad,
            detail: format!("{} is not a folder", data_dir.display()),
            help,
        });
    } else if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() {
        let help = Some("name another data directory by GORGON_DATA_DIR or --data-dir".to_owned());
        findings.push(Finding {
            what: "data directory".to_owned(),
            state: State::Bad,
            detail: format!("{} cannot be written to", existing.display()),
            help,
        });
    } else {
        findings.push(good("data directory", data_dir.display()));
    }
    if let Ok(stat) = rustix::fs::statvfs(existing) {
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let state = if free < FREE_BYTES_MIN { State::Odd } else { State::Good };
        let help = (state == State::Odd).then(|| "make room on that disk".to_owned());
        findings.push(Finding { what: "disk".to_owned(), state, detail: format!("{} MiB free", free >> 20), help });
    }
    findings
}

fn providers(settings: &Settings) -> Vec<Finding> {
    let each = settings.providers.values().zip(built(settings)).map(|(config, (name, provider))| {
        let what = format!("provider {name}");
        match provider {
            Ok(_) => good(&what, ready(config.value.vendor())),
            Err(why) => Finding { what, state: State::Odd, detail: why.message, help: Some(why.help) },
        }
    });
    let mut findings: Vec<Finding> = each.collect();
    if let Some(name) = settings.provider.value.as_ref().filter(|name| !settings.providers.contains_key(*name)) {
        let key = key_variable(name).map_or_else(String::new, |variable| format!("set {variable}, or "));
        let help = Some(format!("{key}add `[providers.{name}]` to gorgon.toml"));
        findings.push(Finding { what: "default provider".to_owned(), state: State::Odd, detail: format!("`{name}` is not configured"), help });
    }
    findings
}

/// That it would answer, and where its prices come from.
fn ready(vendor: Option<Vendor>) -> String {
    let Some(vendor) = vendor else { return "ready".to_owned() };
    let list = PriceList::shipped();
    format!("ready, {} models with the prices of {}", list.of(vendor).len(), list.taken)
}

fn shell() -> Finding {
    if Path::new("/bin/sh").exists() {
        good("shell", "/bin/sh")
    } else {
        Finding {
            what: "shell".to_owned(),
            state: State::Odd,
            detail: "there is no /bin/sh".to_owned(),
            help: Some("`shell` steps need `argv:` here".to_owned()),
        }
    }
}
