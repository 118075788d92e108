//! What the sources of the pure crates must not name, though the standard library offers it.
//!
//! A reader of lines, not of Rust: it skips comments, the module `tests` with all that follows it
//! (by house style it closes a file), and files called `tests.rs` or in a folder `tests`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::rules::Breach;
use crate::hygiene::files;

/// Words and what to do instead.
const WITHHELD: &[(&str, &str)] = &[
    ("std::fs", "files are read and written by the shell"),
    ("TcpListener", SOCKETS),
    ("TcpStream", SOCKETS),
    ("UdpSocket", SOCKETS),
    ("UnixListener", SOCKETS),
    ("UnixStream", SOCKETS),
    ("ToSocketAddrs", "names are resolved by the shell"),
    ("std::env", "the environment is read once, by the binary"),
    ("std::process", "a pure crate starts and ends nothing"),
    ("std::thread", "threads belong to the shell"),
    ("SystemTime::now", "time is a parameter"),
    ("Instant::now", "time is a parameter"),
    ("Timestamp::now", "time is a parameter"),
    ("Zoned::now", "time is a parameter"),
    ("ring::rand", "randomness is a parameter"),
    ("new_v4", "randomness is a parameter"),
];

/// Addresses are values and may be named; what opens them may not.
const SOCKETS: &str = "sockets belong to the shell";

/// The same modules of the standard library inside braces (`use std::{fs, io}`).
const WITHHELD_MODULES: &[&str] = &["env", "fs", "process", "thread"];

/// Everything withheld that the sources in a folder name.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn check(root: &Path, folder: &Path) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    for path in files::below(folder)? {
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        if !name.ends_with(".rs") || name.ends_with("/tests.rs") || name.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        breaches.extend(check_text(&name, &text));
    }
    Ok(breaches)
}

fn check_text(name: &str, text: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut in_group = false;
    let text = text
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for (word, why) in withheld_in(code, &mut in_group) {
            breaches.push(Breach {
                at: format!("{name}:{number}"),
                found: format!("names {word}"),
                why: why.to_owned(),
            });
        }
    }
    breaches
}

/// `in_group` carries over lines that braces after `std::` are still open.
fn withheld_in(code: &str, in_group: &mut bool) -> Vec<(String, &'static str)> {
    let mut found: Vec<(String, &'static str)> = WITHHELD
        .iter()
        .filter(|(word, _)| code.contains(word))
        .map(|&(word, why)| (word.to_owned(), why))
        .collect();
    let group = match code.split_once("std::{") {
        Some((_, group)) => group,
        None if *in_group => code,
        None => return found,
    };
    *in_group = !group.contains(';');
    let parts = group.split([',', '{', '}', ';']);
    let named = parts.filter_map(|part| part.trim().split("::").next());
    found.extend(
        named
            .filter(|module| WITHHELD_MODULES.contains(module))
            .map(|module| (format!("std::{module}"), "it belongs to the shell")),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_lines(text: &str, expected: &[&str]) {
        let found: Vec<String> = check_text("a.rs", text)
            .into_iter()
            .map(|breach| format!("{} {}", breach.at, breach.found))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn pure_code_passes() {
        check_lines(
            "use std::io;\nuse std::net::SocketAddr;\nuse std::{fmt, sync::Arc};\n",
            &[],
        );
    }

    #[test]
    fn clocks_files_and_threads_are_found_with_their_line() {
        check_lines(
            "fn f() {}\nlet t = std::time::Instant::now();",
            &["a.rs:2 names Instant::now"],
        );
        check_lines("use std::fs::File;", &["a.rs:1 names std::fs"]);
        check_lines("use std::{fmt, thread};", &["a.rs:1 names std::thread"]);
        check_lines(
            "use std::{net::TcpStream, io};",
            &["a.rs:1 names TcpStream"],
        );
        check_lines(
            "use std::{\n    fmt,\n    fs::File,\n};\nlet fs = 1;",
            &["a.rs:3 names std::fs"],
        );
    }

    #[test]
    fn comments_and_tests_do_not_count() {
        check_lines(
            "// as std::fs does\n/// [`std::thread`]\n\n#[cfg(test)]\nmod tests { use std::fs; }",
            &[],
        );
    }
}
