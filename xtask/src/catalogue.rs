//! A list of named programs of one kind (benches, proofs), each in a file of its own.

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

/// One program of a catalogue.
#[derive(Debug)]
pub(crate) struct Item {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What it measures or proves, in one line.
    pub(crate) about: &'static str,
    /// Runs it with the arguments that follow its name; `false` means it missed what it promises.
    pub(crate) run: fn(&Workspace, &[String]) -> Result<bool>,
}

/// Runs the named item, or lists all of them.
///
/// # Errors
/// When no item has the name, or the item's own error.
pub(crate) fn run(
    kind: &str,
    items: &[Item],
    workspace: &Workspace,
    name: Option<String>,
    args: &[String],
) -> Result<bool> {
    let Some(name) = name else {
        print!("{}", listing(kind, items));
        return Ok(true);
    };
    match items.iter().find(|item| item.name == name) {
        Some(item) => (item.run)(workspace, args),
        None => bail!("there is no {kind} called {name}\n{}", listing(kind, items)),
    }
}

fn listing(kind: &str, items: &[Item]) -> String {
    if items.is_empty() {
        return format!("no {kind} is registered\n");
    }
    items
        .iter()
        .map(|item| format!("{:<18} {}\n", item.name, item.about))
        .collect()
}

/// Runs `cargo xtask LIST NAME ARGS` again in an optimised build, if this is none: a slow client
/// measures itself and makes a weak load. Gives whether the other one did well; `None` if this one is
/// to do the work.
///
/// # Errors
/// When the other one cannot be built or started.
pub(crate) fn again_optimised(
    workspace: &Workspace,
    list: &str,
    name: &str,
    args: &[String],
) -> Result<Option<bool>> {
    if !cfg!(debug_assertions) {
        return Ok(None);
    }
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--release", "--quiet", "--package", "xtask", "--"]);
    let status = cargo.args([list, name]).args(args).status();
    Ok(Some(status.context("cargo does not start")?.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: &[Item] = &[
        Item {
            name: "good",
            about: "keeps its promise",
            run: |_, args| Ok(args.is_empty()),
        },
        Item {
            name: "bad",
            about: "misses it",
            run: |_, _| Ok(false),
        },
    ];

    #[test]
    fn the_named_item_runs_with_its_arguments() {
        let workspace = Workspace::locate().unwrap();
        let run = |name: &str, args: &[String]| {
            run("bench", ITEMS, &workspace, Some(name.to_owned()), args)
        };
        assert!(run("good", &[]).unwrap());
        assert!(!run("good", &["--json".to_owned()]).unwrap());
        assert!(!run("bad", &[]).unwrap());
        let error = run("ugly", &[]).unwrap_err().to_string();
        assert!(
            error.contains("no bench called ugly") && error.contains("misses it"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_catalogue_says_so() {
        assert_eq!(listing("proof", &[]), "no proof is registered\n");
    }
}
