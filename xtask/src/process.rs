//! Running programs: their output is shown as it comes and their closing lines are counted.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::report::Tally;

/// Runs a program that is one check: it passes when the program ends well.
///
/// # Errors
/// When the program does not start.
pub(crate) fn run(command: &mut Command) -> Result<Tally> {
    println!("$ {}", shown(command));
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("{} does not start", shown(command)))?;
    if !status.success() {
        println!("{} ended with {status}", shown(command));
    }
    Ok(Tally::of(status.success()))
}

/// Runs a program with the given input that prints closing lines as Rust's test programs do, and sums them up.
///
/// A program that ends badly without saying what failed (it did not compile) counts as one failure,
/// and so does one that ends well without having run anything.
///
/// # Errors
/// When the program does not start or its output cannot be read.
pub(crate) fn run_counted(command: &mut Command, input: Stdio) -> Result<Tally> {
    println!("$ {}", shown(command));
    command.stdin(input).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("{} does not start", shown(command)))?;
    let output = child
        .stdout
        .take()
        .context("the program has no standard output")?;

    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("the program's output ends in an error")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally += Tally::from_line(&line).unwrap_or_default();
    }

    let status = child.wait().context("the program's end was not seen")?;
    if !status.success() {
        println!("{} ended with {status}", shown(command));
    } else if tally == Tally::default() {
        println!(
            "{} printed no closing line (`test result: …`)",
            shown(command)
        );
    }
    Ok(judge(tally, status.success()))
}

/// What the counts and the program's end mean together.
fn judge(mut tally: Tally, ended_well: bool) -> Tally {
    let ran_nothing = tally.passed == 0 && tally.failed == 0;
    if (!ended_well && tally.failed == 0) || (ended_well && ran_nothing) {
        tally.failed += 1;
    }
    tally
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn count(script: &str) -> Result<Tally> {
        run_counted(&mut shell(script), Stdio::null())
    }

    #[test]
    fn closing_lines_are_summed_up() {
        let script = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured'; \
                      echo 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured'";
        let tally = count(script).unwrap();
        assert_eq!(
            tally,
            Tally {
                passed: 5,
                failed: 0,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_program_that_dies_without_a_word_has_failed() {
        assert_eq!(count("exit 101").unwrap(), Tally::FAILED);
        let script = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; exit 101";
        assert_eq!(
            count(script).unwrap(),
            Tally {
                passed: 2,
                failed: 1,
                skipped: 0
            }
        );
    }

    #[test]
    fn a_program_that_ran_no_test_has_failed() {
        assert_eq!(count("echo done").unwrap(), Tally::FAILED);
    }

    #[test]
    fn one_check_passes_when_the_program_ends_well() {
        assert_eq!(run(&mut shell("true")).unwrap(), Tally::PASSED);
        assert_eq!(run(&mut shell("false")).unwrap(), Tally::FAILED);
        assert!(run(&mut Command::new("no-such-program")).is_err());
    }
}
