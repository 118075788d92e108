//! The steps of a suite, as its `suite.json` lists them:
//!
//! ```json
//! { "steps": [ { "name": "they sign, we verify",
//!                "run": [["node", "sign.mjs"], ["cargo", "run", "--example", "check"]] } ] }
//! ```
//!
//! A step is a pipeline of one to four programs. `node` and `python` run in the suite's prepared
//! folder, with its libraries; `cargo` runs in the root of the workspace. The last program says how
//! many checks it made, in the words of Rust's test programs
//! (`test result: ok. 12 passed; 0 failed; 0 ignored`).

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::fetch;
use crate::process::run_counted;
use crate::report::Tally;
use crate::workspace::Workspace;

/// A pipeline longer than this is a program that wants to be written.
const PROGRAMS_MAX: usize = 4;

/// A step: what it shows and the programs that show it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    programs: Vec<Vec<String>>,
}

/// Reads a suite's steps.
///
/// # Errors
/// When there is no `suite.json` or it has another shape than the one above.
pub(super) fn read(source: &Path) -> Result<Vec<Step>> {
    let path = source.join("suite.json");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is no list of steps", path.display()))
}

fn parse(text: &str) -> Result<Vec<Step>> {
    let suite: Value = serde_json::from_str(text)?;
    let steps = suite["steps"].as_array().context("`steps` is missing")?;
    if steps.is_empty() {
        bail!("`steps` is empty");
    }
    steps.iter().map(parse_step).collect()
}

fn parse_step(step: &Value) -> Result<Step> {
    let name = step["name"]
        .as_str()
        .context("a step has no `name`")?
        .to_owned();
    let programs: Vec<Vec<String>> = serde_json::from_value(step["run"].clone())
        .with_context(|| format!("`run` of step \"{name}\" is no list of commands"))?;
    if !(1..=PROGRAMS_MAX).contains(&programs.len()) {
        bail!("`run` of step \"{name}\" has not one to {PROGRAMS_MAX} commands");
    }
    for program in &programs {
        match program.first().map(String::as_str) {
            Some("node" | "python" | "cargo") => {}
            other => bail!("step \"{name}\" runs {other:?}; it may run node, python and cargo"),
        }
    }
    Ok(Step { name, programs })
}

impl Step {
    /// Runs the pipeline and counts what its last program says; any program that fails is a failure.
    ///
    /// # Errors
    /// When a program does not start.
    pub(super) fn run(&self, workspace: &Workspace, folder: &Path) -> Result<Tally> {
        let Some((last, before)) = self.programs.split_last() else {
            bail!("step \"{}\" is empty", self.name);
        };
        let mut children: Vec<Child> = Vec::new();
        let mut input = Stdio::null();
        for program in before {
            let mut command = command(workspace, folder, program);
            let mut child = command
                .stdin(input)
                .stdout(Stdio::piped())
                .spawn()
                .with_context(|| format!("{} does not start", program.join(" ")))?;
            input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
            children.push(child);
        }

        let mut tally = run_counted(&mut command(workspace, folder, last), input)?;
        for (mut child, program) in children.into_iter().zip(before) {
            let status = child.wait().context("a program's end was not seen")?;
            if !status.success() {
                println!("{} ended with {status}", program.join(" "));
                tally += Tally::FAILED;
            }
        }
        Ok(tally)
    }
}

fn command(workspace: &Workspace, folder: &Path, program: &[String]) -> Command {
    let (name, args) = program
        .split_first()
        .map_or(("", &[][..]), |(name, args)| (name.as_str(), args));
    let mut command = match name {
        "cargo" => workspace.cargo(),
        "python" => workspace.command(fetch::python_of(folder)),
        other => workspace.command(other),
    };
    if name != "cargo" {
        command.current_dir(folder);
    }
    command.args(args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        let text = r#"{"steps": [{"name": "both", "run": [["node", "a.mjs"], ["cargo", "run"]]}]}"#;
        let steps = parse(text).unwrap();
        assert_eq!(steps[0].name, "both");
        assert_eq!(steps[0].programs, [["node", "a.mjs"], ["cargo", "run"]]);
    }

    #[test]
    fn other_shapes_are_refused() {
        let texts = [
            "{}",
            r#"{"steps": []}"#,
            r#"{"steps": [{"run": [["node"]]}]}"#,
            r#"{"steps": [{"name": "x", "run": []}]}"#,
            r#"{"steps": [{"name": "x", "run": [[]]}]}"#,
            r#"{"steps": [{"name": "x", "run": ["node"]}]}"#,
            r#"{"steps": [{"name": "x", "run": [["rm", "-r"]]}]}"#,
        ];
        for text in texts {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_failing_program_fails_the_step_wherever_it_stands() {
        let workspace = Workspace::locate().unwrap();
        let cargo = |args: &[&str]| {
            let words = ["cargo"].iter().chain(args);
            words.map(|word| (*word).to_owned()).collect::<Vec<_>>()
        };
        let step = Step {
            name: "broken".to_owned(),
            programs: vec![cargo(&["no-such-command"]), cargo(&["--version"])],
        };
        let tally = step.run(&workspace, workspace.root()).unwrap();
        assert_eq!(
            tally,
            Tally {
                passed: 0,
                failed: 2,
                skipped: 0
            }
        );
    }
}
