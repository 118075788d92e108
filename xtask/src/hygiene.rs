//! Rules on the files themselves, cheap enough for every run.

mod book;
pub(crate) mod files;
mod links;
mod text;

use std::fmt;
use std::fs;

use anyhow::Result;

use crate::workspace::Workspace;

/// A place in a file where a rule does not hold.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Checks every tracked file and prints what breaks a rule.
///
/// # Errors
/// When the files cannot be listed.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let tracked = files::tracked(workspace)?;
    let mut findings = Vec::new();
    let mut read = 0_usize;
    for name in &tracked {
        // A binary file, or one that was deleted but is still tracked, has no lines to check.
        let Ok(content) = fs::read_to_string(workspace.root().join(name)) else {
            continue;
        };
        read += 1;
        findings.extend(text::check(name, &content));
        if name.ends_with(".md") {
            findings.extend(links::check(workspace.root(), name, &content));
        }
    }
    findings.extend(book::check(workspace.root(), &tracked)?);
    for finding in &findings {
        println!("{finding}");
    }
    println!("{read} files, {} findings", findings.len());
    Ok(findings.is_empty())
}
