//! The interpreter: what a script finds in it, and what holds it.

use std::sync::Arc;

use gorgon_ports::{Progress, ProgressSink, Steer};
use memchr::memmem;
use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, LuaString, MultiValue, StdLib, Table, Value, VmState};

use super::leash::Leash;
use crate::stop::Stop;

/// Everything that a script finds. A list of what is there, not of what is taken away: a newer interpreter brings nothing in unseen.
const GLOBALS: [&str; 31] = [
    "_G",
    "_VERSION",
    "array",
    "assert",
    "bit32",
    "buffer",
    "coroutine",
    "error",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "null",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "xpcall",
];

/// Most work of one step of a search: length of the text times length of the pattern. At worst some seconds.
const SEARCH_WORK_MAX: u64 = 1 << 30;

/// Most bytes that `print` passes on; what is beyond is dropped.
const PRINT_BYTES_MAX: usize = 1 << 20;

/// A fresh interpreter.
pub(super) struct Sandbox {
    pub(super) lua: Lua,
    /// The metatable of tables that are arrays even when they are empty.
    pub(super) array_mark: Table,
    pub(super) leash: Arc<Leash>,
}

impl Sandbox {
    pub(super) fn new(memory_bytes_max: u64, seed: u32, progress: &ProgressSink, leash: &Arc<Leash>) -> mlua::Result<Self> {
        let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::BIT | StdLib::MATH | StdLib::BUFFER;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let array_mark = lua.create_table()?;
        let globals = lua.globals();
        let prelude = lua.load(include_str!("prelude.luau")).set_name("=string").set_mode(ChunkMode::Text).into_function()?;
        prelude.call::<()>((&array_mark, SEARCH_WORK_MAX, lua.create_function(find_plain)?))?;
        array_mark.set_readonly(true);
        globals.raw_set("null", Value::NULL)?;
        globals.raw_set("print", print(&lua, progress.clone(), leash.clone())?)?;
        let math: Table = globals.raw_get("math")?;
        math.raw_get::<Function>("randomseed")?.call::<()>(seed)?;
        // Another seed could be nothing but an attempt at chance.
        math.raw_set("randomseed", Value::Nil)?;
        let names = globals.pairs::<String, Value>().map(|pair| pair.map(|(name, _)| name)).collect::<mlua::Result<Vec<_>>>()?;
        for name in names.iter().filter(|name| !GLOBALS.contains(&name.as_str())) {
            globals.raw_set(name.as_str(), Value::Nil)?;
        }
        lua.sandbox(true)?;

        let looking = leash.clone();
        lua.set_interrupt(move |_| if looking.step() { Ok(VmState::Continue) } else { Err(mlua::Error::runtime("the script was stopped")) });
        // The limit is the script's own: the interpreter itself does not count.
        let own = lua.used_memory();
        lua.set_memory_limit(own.saturating_add(usize::try_from(memory_bytes_max).unwrap_or(usize::MAX)))?;
        Ok(Self { lua, array_mark, leash: leash.clone() })
    }

    /// Compiles a script whose arguments are its inputs. They are bound on its first line, so that line numbers stay those of the user.
    pub(super) fn load(&self, names: &[&str], source: &str) -> mlua::Result<Function> {
        let text = if names.is_empty() { source.to_owned() } else { format!("local {} = ...; {source}", names.join(", ")) };
        self.lua.load(text).set_name("=script").set_mode(ChunkMode::Text).into_function()
    }
}

fn print(lua: &Lua, progress: ProgressSink, leash: Arc<Leash>) -> mlua::Result<Function> {
    let left = std::sync::atomic::AtomicUsize::new(PRINT_BYTES_MAX);
    lua.create_function(move |_, values: MultiValue| {
        let mut line = Vec::new();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                line.push(b'\t');
            }
            match value {
                Value::String(text) => line.extend_from_slice(&text.as_bytes()),
                other => line.extend_from_slice(other.to_string()?.as_bytes()),
            }
        }
        line.push(b'\n');
        let room = left.load(std::sync::atomic::Ordering::Relaxed);
        line.truncate(room);
        left.store(room - line.len(), std::sync::atomic::Ordering::Relaxed);
        if !line.is_empty() && progress(Progress::Output { stream: "stdout", bytes: line }) == Steer::Stop {
            leash.stop(Stop::Cancelled);
        }
        Ok(())
    })
}

/// `string.find` for plain texts, in linear time: the first and last position, from 1.
fn find_plain(_: &Lua, (text, pattern, init): (LuaString, LuaString, Option<f64>)) -> mlua::Result<(Option<usize>, Option<usize>)> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let start = match init.unwrap_or(1.0) {
        init if init < 0.0 => text.len().saturating_sub((-init) as usize),
        init => (init as usize).saturating_sub(1),
    };
    let found = text.get(start..).and_then(|rest| memmem::find(rest, &pattern)).map(|at| start + at);
    Ok((found.map(|at| at + 1), found.map(|at| at + pattern.len())))
}
