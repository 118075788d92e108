//! Links in Markdown that point at files of the project.

use std::path::Path;

use super::Finding;

/// Relative links of one Markdown file whose target does not exist.
pub(super) fn check(root: &Path, name: &str, content: &str) -> Vec<Finding> {
    let folder = root
        .join(name)
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default();
    let mut findings = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(content.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in targets(line).filter(|target| !folder.join(target).exists()) {
            let what = format!("links to {target}, which does not exist");
            findings.push(Finding {
                file: name.to_owned(),
                line: number,
                what,
            });
        }
    }
    findings
}

/// The files that a line links to: `](target)`, without its anchor.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#', ' ']).next()?;
        let is_file =
            !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        is_file.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_files_count() {
        let line = "[a](one.md), [b](two.md#part), [c](https://example.org/x), [d](#here), [e]()";
        assert_eq!(targets(line).collect::<Vec<_>>(), ["one.md", "two.md"]);
    }

    #[test]
    fn a_link_to_nothing_is_found_with_its_line() {
        let content = "# Title\n[here](Cargo.toml)\n[gone](gone.md)\n```\n[code](x.md)\n```\n";
        let findings = check(Path::new(env!("CARGO_MANIFEST_DIR")), "README.md", content);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
    }
}
