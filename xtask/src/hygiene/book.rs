//! Every page of the book is in its table of contents; otherwise nobody finds it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;

const FOLDER: &str = "docs/src/";
const CONTENTS: &str = "docs/src/SUMMARY.md";

/// Tracked pages that the table of contents leaves out.
///
/// # Errors
/// When the table of contents cannot be read.
pub(super) fn check(root: &Path, tracked: &[String]) -> Result<Vec<Finding>> {
    let contents = fs::read_to_string(root.join(CONTENTS))
        .with_context(|| format!("cannot read {CONTENTS}"))?;
    Ok(left_out(&contents, tracked))
}

fn left_out(contents: &str, tracked: &[String]) -> Vec<Finding> {
    let listed: BTreeSet<&str> = contents
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|page| page.trim_start_matches("./"))
        .collect();
    let pages = tracked
        .iter()
        .filter(|name| name.ends_with(".md") && *name != CONTENTS);
    pages
        .filter(|name| {
            name.strip_prefix(FOLDER)
                .is_some_and(|page| !listed.contains(page))
        })
        .map(|name| Finding {
            file: name.clone(),
            line: 1,
            what: format!("is not in {CONTENTS}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_outside_the_contents_is_found() {
        let contents = "- [One](one.md)\n  - [Two](./part/two.md)\n- [Later]()\n";
        let tracked = [
            "docs/src/one.md",
            "docs/src/part/two.md",
            "docs/src/three.md",
            "README.md",
            CONTENTS,
        ];
        let tracked: Vec<String> = tracked.iter().map(|name| (*name).to_owned()).collect();
        let findings = left_out(contents, &tracked);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].file, "docs/src/three.md");
    }
}
