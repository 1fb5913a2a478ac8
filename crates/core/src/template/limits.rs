//! What bounds a template, and why.

/// Longest template text. A prompt of this size is already larger than any model's window.
pub const TEMPLATE_BYTES_MAX: usize = 1024 * 1024;

/// Most references in one text, so that a hostile file cannot make one render do unbounded look-ups.
pub const TEMPLATE_REFERENCES_MAX: usize = 1024;

/// Longest text that one render may make: several whole step outputs, but not a run's memory.
pub const RENDERED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Deepest value tree that may hold templates; the walk is recursive and must fit a small stack.
pub const VALUE_DEPTH_MAX: usize = 64;

/// Most segments in one path.
pub const PATH_SEGMENTS_MAX: usize = 32;

/// Longest expression. Longer ones belong in a script step, where they can be tested.
pub const EXPRESSION_BYTES_MAX: usize = 8 * 1024;

/// Deepest nesting of brackets, ternaries and `not` in an expression: parser and evaluator are recursive.
pub const EXPRESSION_DEPTH_MAX: usize = 24;

/// Most operators, filters and accesses in one expression. A chain `a + a + …` nests to the left once per operator,
/// so this, with the depth, bounds the evaluator's stack.
pub const EXPRESSION_LINKS_MAX: usize = 128;

/// Work of one evaluation: a unit for each node, and for each element or each KiB that an operation goes through.
pub const EXPRESSION_FUEL: u64 = 200_000;

/// Bytes that all intermediate values of one evaluation may take together.
pub const EXPRESSION_MADE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest value that an expression may make. A value that it only passes on from the run is not made by it.
pub const EXPRESSION_RESULT_BYTES_MAX: usize = 1024 * 1024;

/// Most elements of a `range`.
pub const RANGE_ITEMS_MAX: usize = 10_000;

/// Longest shell text: it is one argument of `/bin/sh -c`, and Linux refuses an argument of 128 KiB or more.
pub const SHELL_TEXT_BYTES_MAX: usize = 100 * 1024;

/// Longest value that a shell text may take through the environment, for the same limit of Linux.
pub const SHELL_VALUE_BYTES_MAX: usize = 100 * 1024;

/// Deepest nesting of substitutions in a shell text; the lexer is recursive.
pub const SHELL_DEPTH_MAX: usize = 24;
