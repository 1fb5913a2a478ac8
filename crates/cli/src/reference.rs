//! The reference page of the command line, made from what the parser knows.

use std::fmt::Write;

use clap::{Arg, Command};

use crate::settings::VARIABLES;

/// The page.
pub(crate) fn markdown(command: &mut Command) -> String {
    command.build();
    let mut page = String::from(
        "# Command line\n\n<!-- Generated from the parser. `UPDATE_GOLDENS=1 cargo test -p gorgon-cli` writes it anew. -->\n\n\
         Data goes to stdout, talk to stderr. Exit codes: 0 completed; 1 failed, partial or cancelled; 2 invalid call or input; 3 a fault of Gorgon itself; \
         4 waiting for somebody (approval, doubt, signal, budget); 5 environment (disk, permission, store held or damaged); 130 interrupted, and can be resumed.\n\n\
         A run is named by its id, a unique beginning of it, its last six characters, or `@last`.\n\n## Flags of every verb\n\n",
    );
    for arg in command.get_arguments().filter(|arg| arg.is_global_set() && !arg.is_hide_set()) {
        argument(&mut page, arg);
    }
    page.push_str("\n## Environment\n\nFlags come first, then these variables, then `gorgon.toml` (the nearest one, in the current folder or above it), then defaults. ");
    page.push_str("`gorgon config show` prints every setting with its value and where it comes from.\n\n");
    for (name, meaning) in VARIABLES {
        let _ = writeln!(page, "- `{name}`: {meaning}");
    }
    verbs(&mut page, command, "gorgon");
    page
}

fn verbs(page: &mut String, command: &Command, path: &str) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let path = format!("{path} {}", verb.get_name());
        let usage = verb.clone().render_usage().to_string();
        let usage = usage.trim().trim_start_matches("Usage:").trim();
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## `{path}`\n\n{}\n\n```text\n{usage}\n```\n", about(verb));
        let own: Vec<&Arg> = verb.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help").collect();
        if !own.is_empty() {
            page.push('\n');
        }
        own.into_iter().for_each(|arg| argument(page, arg));
        verbs(page, verb, &path);
    }
}

fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    if about.ends_with('.') { about } else { format!("{about}.") }
}

fn argument(page: &mut String, arg: &Arg) {
    let values: Vec<String> = arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let takes = arg.get_action().takes_values();
    let value = if takes { values.first().cloned().unwrap_or_else(|| arg.get_id().to_string().to_uppercase()) } else { String::new() };
    let mut names = Vec::new();
    if arg.is_positional() {
        names.push(if arg.is_required_set() { format!("<{value}>") } else { format!("[{value}]") });
    } else {
        names.extend(arg.get_short_and_visible_aliases().unwrap_or_default().iter().map(|short| format!("-{short}")));
        names.extend(arg.get_long_and_visible_aliases().unwrap_or_default().iter().map(|long| format!("--{long}")));
        if takes && let Some(last) = names.last_mut() {
            last.push_str(&format!(" <{value}>"));
        }
    }
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !help.is_empty() && !help.ends_with(['.', '!', '?', '`']) {
        help.push('.');
    }
    let defaults: Vec<String> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if takes && !defaults.is_empty() {
        let _ = write!(help, " Default: `{}`.", defaults.join(" "));
    }
    let possible: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if takes && !possible.is_empty() {
        let _ = write!(help, " One of: {}.", possible.join(", "));
    }
    let _ = writeln!(page, "- `{}`: {help}", names.join("`, `"));
}
