//! What bounds a file, and why.

/// Longest file. A thousand steps with long prompts stay far below it; what is larger is data, and data belongs in inputs or files.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Deepest nesting of lists and maps, aliases expanded: trees are walked recursively and have to fit a small stack.
pub const DEPTH_MAX: usize = 64;

/// Most values in a file, aliases expanded: a few lines of nested aliases can stand for billions.
pub const NODES_MAX: usize = 200_000;

/// Most bytes of text in a file, aliases expanded: one long text can be aliased many times.
pub const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most steps in a file, nested ones included.
pub const STEPS_MAX: usize = 10_000;

/// Deepest nesting of workflows that are steps of others.
pub const NESTED_WORKFLOWS_MAX: usize = 8;

/// Most files that are read for the workflows that are steps of one: each may name many others.
pub const WORKFLOW_FILES_MAX: usize = 1_000;

/// Longest name of a step, an output or an input, in characters.
pub const NAME_CHARS_MAX: usize = 128;

/// Most problems that are reported of one file. Nobody reads more, and finding the nearest known name costs time for each.
pub const PROBLEMS_MAX: usize = 200;

/// Longest time that a file may ask for, in seconds: a year.
pub const SECONDS_MAX: f64 = 31_536_000.0;

/// Most attempts of one step.
pub const ATTEMPTS_MAX: u64 = 1_000;

/// Most steps and items in flight at once that a file may ask for.
pub const CONCURRENCY_MAX: u64 = 10_000;
