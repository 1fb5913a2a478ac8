//! Scripts: small programs in Lua, for computing and nothing else.
//!
//! Each call gets a fresh interpreter without files, network, clock or processes, and with bounded memory, time and steps of work. Inputs are
//! locals by name; what the script returns is its result:
//!
//! * `nil` is JSON's `null`. Within an array that came in, `null` is the value `null`, which a script may also return, so that positions are
//!   kept; in an object that came in, a field that is `null` is not there.
//! * A table with the keys 1 to n is an array, one with text keys an object, an empty one an object. `array(t)` marks a table, so that it is an
//!   array also when it is empty; arrays that came in are marked.
//! * A number without fraction is an integer as long as it is exact, up to 2^53. An integer beyond that does not come in, for it would come out as
//!   another one: pass it as text.
//! * `math.random` gives the same numbers whenever the step is tried again.

mod input;
mod leash;
mod output;
mod sandbox;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gorgon_core::call::{Failure, Family, Outcome, Request, ScriptRequest};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Executor, ProgressSink, StoredCall};
use tokio::sync::Semaphore;

use self::leash::{Leash, Slipped};
use crate::outcome::{failed, invalid, misdirected, refused, succeeded};
use crate::stop::Stop;

/// How long a script that was told to stop is waited for. It is told at every call and every turn of a loop or a search, so this only covers
/// single operations on texts as large as the memory limit.
const STOPPING: Duration = Duration::from_secs(2);

/// Longest source in bytes. Reading a source cannot be interrupted.
const SOURCE_BYTES_MAX: usize = 1 << 20;

/// Says what is wrong with a script that cannot be read, without running it.
///
/// # Errors
/// What cannot be read in it, and in which line.
pub fn check_syntax(source: &str) -> Result<(), String> {
    let read = mlua::Lua::new().load(source).set_name("=script").set_mode(mlua::chunk::ChunkMode::Text).into_function();
    read.map(drop).map_err(|error| output::failure(&error, 0).message)
}

/// Settings of scripts.
#[derive(Debug, Clone)]
pub struct ScriptOptions {
    /// Most steps of work of one script; one is a call, a turn of a loop, or a step of a search in a text.
    pub fuel_max: u64,
    /// Most scripts that run at once. Others wait for their turn.
    pub concurrency_max: usize,
    /// Longest result, as JSON text, in bytes.
    pub result_bytes_max: usize,
}

impl Default for ScriptOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { fuel_max: 1_000_000_000, concurrency_max: cores.max(2), result_bytes_max: 8 << 20 }
    }
}

/// Runs scripts.
#[derive(Debug)]
pub struct ScriptExecutor {
    options: ScriptOptions,
    turns: Arc<Semaphore>,
}

impl ScriptExecutor {
    /// An executor with these settings.
    #[must_use]
    pub fn new(options: ScriptOptions) -> Self {
        let turns = Arc::new(Semaphore::new(options.concurrency_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { options, turns }
    }
}

#[async_trait]
impl Executor for ScriptExecutor {
    fn family(&self) -> Family {
        Family::Script
    }

    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome {
        let Request::Script(request) = call.request() else {
            return misdirected(call.request(), Family::Script);
        };
        match self.run(request, cx).await {
            Ok(value) => succeeded(value),
            Err(failure) => failed(failure),
        }
    }
}

impl ScriptExecutor {
    async fn run(&self, request: &ScriptRequest, cx: CallCx) -> Result<Payload, Failure> {
        const WHAT: &str = "the script";
        if request.language != "lua" {
            return Err(invalid(format!("there is no script language `{}`; there is `lua`", request.language)));
        }
        if request.source.len() > SOURCE_BYTES_MAX {
            return Err(invalid(format!("the script is longer than {SOURCE_BYTES_MAX} bytes")));
        }
        let turn = tokio::select! {
            biased;
            stop = Stop::wait(cx.deadline, &cx.cancel) => return Err(stop.failure(WHAT)),
            turn = self.turns.clone().acquire_owned() => turn,
        };
        let leash = Leash::new(self.options.fuel_max);
        // If this call is dropped, the script ends as well.
        let _slip = Slipped(leash.clone());
        let job = Job {
            request: request.clone(),
            result_bytes_max: self.options.result_bytes_max,
            seed: seed(&cx.idempotency_key),
            progress: cx.progress.clone(),
            leash: leash.clone(),
        };
        let mut thread = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            job.run()
        });
        let result = tokio::select! {
            biased;
            result = &mut thread => result,
            stop = Stop::wait(cx.deadline, &cx.cancel) => {
                leash.stop(stop);
                match tokio::time::timeout(STOPPING, thread).await {
                    Ok(result) => result,
                    // It has no effects, so the failure is certain even if the thread still computes for a moment.
                    Err(_) => return Err(stop.failure(WHAT)),
                }
            }
        };
        result.unwrap_or_else(|error| Err(refused(format!("the script broke its interpreter: {error}"))))
    }
}

/// One run of a script, for the thread on which it happens.
struct Job {
    request: ScriptRequest,
    result_bytes_max: usize,
    seed: u32,
    progress: ProgressSink,
    leash: Arc<Leash>,
}

impl Job {
    fn run(self) -> Result<Payload, Failure> {
        let result = self.evaluate();
        // A script can catch the error that was to stop it; what it then returns was computed by a script that knew.
        match self.leash.raised() {
            Some(failure) => Err(failure),
            None => result,
        }
    }

    fn evaluate(&self) -> Result<Payload, Failure> {
        let failure = |error: mlua::Error| output::failure(&error, self.request.memory_bytes_max);
        let sandbox = sandbox::Sandbox::new(self.request.memory_bytes_max, self.seed, &self.progress, &self.leash).map_err(failure)?;
        let names = input::names(&self.request.inputs)?;
        let arguments = input::arguments(&sandbox, &self.request.inputs)?.map_err(failure)?;
        let script = sandbox.load(&names, &self.request.source).map_err(failure)?;
        let value = script.call::<mlua::Value>(arguments).map_err(failure)?;
        output::payload(&sandbox, &value, self.result_bytes_max, self.request.memory_bytes_max)
    }
}

/// FNV-1a, folded to the 31 bits that the generator takes.
fn seed(key: &str) -> u32 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    ((hash ^ (hash >> 32)) & 0x7fff_ffff) as u32
}
