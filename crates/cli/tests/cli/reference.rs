//! The reference page is what the parser says.

use std::path::Path;

#[test]
fn the_reference_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    let wanted = gorgon_cli::reference();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/reference/cli.md is not current: UPDATE_GOLDENS=1 cargo test -p gorgon-cli writes it anew");
}

#[test]
fn the_parser_is_consistent() {
    gorgon_cli::command().debug_assert();
}
