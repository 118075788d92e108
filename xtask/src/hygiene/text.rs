//! Rules on the lines of one file.

use super::Finding;

/// A source file longer than this wants to be two.
const LINES_MAX: usize = 800;
/// What counts as a source file.
const SOURCES: &[&str] = &[".rs", ".py", ".mjs", ".js", ".ts", ".css", ".html", ".sh"];

/// Texts that must not be in a Rust file, and why. Spelt in two parts, so as not to find themselves.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("todo", "!("), "unfinished code"),
    (concat!("unimplemented", "!("), "unfinished code"),
    (
        concat!("#[", "ignore"),
        "a test that does not run; delete it or make it run",
    ),
    (
        concat!("#[", "allow("),
        "silence a lint by #[expect(lint, reason = \"…\")]",
    ),
    (
        concat!("#![", "allow("),
        "silence a lint by #![expect(lint, reason = \"…\")]",
    ),
];

/// Folders of one machine: such a path works nowhere else.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/tmp/", "target"),
];

/// A lock file that says from where each package came binds the tests to one registry's host.
const LOCK_FILE_HOST: &str = concat!("\"reso", "lved\":");

/// Everything in one file that breaks a rule.
pub(super) fn check(name: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line: usize, what: String| {
        findings.push(Finding {
            file: name.to_owned(),
            line,
            what,
        });
    };

    let lines = content.lines().count();
    if SOURCES.iter().any(|ending| name.ends_with(ending)) && lines > LINES_MAX {
        find(
            lines,
            format!("{lines} lines, at most {LINES_MAX}: split the file at a seam"),
        );
    }
    for (number, line) in (1..).zip(content.lines()) {
        if let Some(path) = MACHINE_PATHS.iter().find(|path| names_folder(line, path)) {
            find(number, format!("names a folder of one machine ({path})"));
        }
        if name.ends_with("package-lock.json") && line.contains(LOCK_FILE_HOST) {
            find(number, "names a registry host; `npm install --omit-lockfile-registry-resolved` leaves it out".to_owned());
        }
        if name.ends_with(".rs") {
            let code = line.split("//").next().unwrap_or_default();
            for (text, why) in UNFINISHED.iter().filter(|(text, _)| code.contains(text)) {
                find(number, format!("{text}: {why}"));
            }
        }
    }
    findings
}

/// Whether the line has a path that begins with the folder (and not one with the folder inside it,
/// as in a URL or below a variable).
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}~)".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_file(name: &str, content: &str, expected: &[(usize, &str)]) {
        let findings = check(name, content);
        let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        let wanted: Vec<usize> = expected.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, wanted, "{findings:?}");
        for (finding, (_, part)) in findings.iter().zip(expected) {
            assert!(finding.what.contains(part), "{finding}");
        }
    }

    #[test]
    fn good_files_pass() {
        check_file("a.rs", "fn main() {}\n", &[]);
        check_file(
            "a.md",
            "see https://example.org/home/page and ./data/home/x\n",
            &[],
        );
    }

    #[test]
    fn unfinished_code_is_found_and_comments_are_not() {
        let code = concat!(
            "fn f() { todo",
            "!() }\n// a todo",
            "!() in words\n#[",
            "ignore]\n"
        );
        check_file("a.rs", code, &[(1, "unfinished"), (3, "does not run")]);
        check_file("a.md", code, &[]);
    }

    #[test]
    fn long_sources_are_found_and_long_data_is_not() {
        let long = "x\n".repeat(LINES_MAX + 1);
        check_file("a.rs", &long, &[(LINES_MAX + 1, "split")]);
        check_file("a.json", &long, &[]);
        check_file("a.rs", &"x\n".repeat(LINES_MAX), &[]);
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        let line = concat!("cd /ro", "ot/project\n");
        check_file("notes.md", line, &[(1, "one machine")]);
        check_file(
            "a.yaml",
            concat!("path: \"/ho", "me/me/data\"\n"),
            &[(1, "one machine")],
        );
    }

    #[test]
    fn lock_files_name_no_host() {
        let line = concat!("  \"reso", "lved\": \"https://registry.example/x.tgz\"\n");
        check_file("tests/package-lock.json", line, &[(1, "registry host")]);
    }
}
