//! The book: the pages that are made from the code, and its build.

mod errors;
mod topologies;

use std::fs;

use anyhow::{Context, Result};

use crate::process::run as run_program;
use crate::report::Tally;
use crate::workspace::{Workspace, stdout};

/// How to get the tool, when it is missing. `.ci/run` pins the version it fetches.
const HOW_TO_GET_MDBOOK: &str =
    "mdbook does not run; get it by `cargo install --locked --no-default-features mdbook`";

/// A page that is made from the code.
#[derive(Debug)]
struct Page {
    /// Where it stands, from the root.
    path: &'static str,
    text: String,
}

/// Writes the generated pages (or, with `check`, demands that they are current) and builds the book.
///
/// # Errors
/// When a tool is missing or a page cannot be written.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<bool> {
    stdout(workspace.command("mdbook").arg("--version")).context(HOW_TO_GET_MDBOOK)?;
    let mut current = true;
    for page in [errors::page(), reference(), topologies::page(workspace)?] {
        current &= bring_up_to_date(workspace, &page, check)?;
    }
    let built = run_program(workspace.command("mdbook").args(["build", "docs"]))?;
    Ok(current && built == Tally::PASSED)
}

/// The reference of the configuration file, from the description that drives its decoder.
fn reference() -> Page {
    Page {
        path: "docs/src/reference/configuration.md",
        text: tidegate_config::reference(),
    }
}

/// Whether the page is as the code says, after this.
fn bring_up_to_date(workspace: &Workspace, page: &Page, check: bool) -> Result<bool> {
    let path = workspace.root().join(page.path);
    if fs::read_to_string(&path).is_ok_and(|text| text == page.text) {
        return Ok(true);
    }
    if check {
        println!(
            "{} is not what the code says: run `cargo xtask docs`",
            page.path
        );
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(&path, &page.text).with_context(|| format!("cannot write {}", page.path))?;
    println!("wrote {}", page.path);
    Ok(true)
}
