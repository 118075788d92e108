//! The figures of a proof: printed, judged, and kept for the chapter on evidence.

use std::fmt::{self, Display};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::crash::{Breach, Tallied};
use crate::workspace::{Workspace, stdout};

/// What a proof measured, and whether it holds.
#[derive(Debug)]
pub(crate) struct Figures {
    proof: &'static str,
    lines: Vec<String>,
    problems: Vec<String>,
}

impl Figures {
    pub(crate) const fn new(proof: &'static str) -> Self {
        Self {
            proof,
            lines: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Begins a part.
    pub(crate) fn section(&mut self, title: impl Display) {
        self.lines.push(format!("\n{title}\n"));
    }

    /// One figure.
    pub(crate) fn say(&mut self, what: &str, value: impl Display) {
        self.lines.push(format!("- {what}: {value}"));
    }

    /// A condition without which the proof does not hold.
    pub(crate) fn demand(&mut self, good: bool, problem: impl FnOnce() -> String) {
        if !good {
            self.problems.push(problem());
        }
    }

    /// What every trial of a real process tells.
    pub(crate) fn tallied(&mut self, tallied: &Tallied) {
        let breaches = &tallied.breaches;
        self.say("acknowledged", tallied.acknowledged);
        self.say("acknowledged and lost", breaches.count(Breach::Lost));
        self.say("repeats of acknowledged ones answered", tallied.repeats);
        self.say("repeats appended", breaches.count(Breach::Repeated));
        self.say("faults kept", tallied.faults);
        self.say("events read in order by the subscription", tallied.read);
        self.say(
            "events fed to two consumers, by cursor and by last event",
            tallied.fed,
        );
        self.say("feed gaps", breaches.count(Breach::Unfed));
        self.say("feed repeats", breaches.count(Breach::FedTwice));
        self.around(tallied);
        self.say("frames checked", tallied.frames);
        self.say("torn tails cut", tallied.torn);
        self.say("requests refused for a while (503)", tallied.refused);
        if let Some((middle, longest)) = spread(&tallied.starts) {
            let starts = tallied.starts.len();
            self.say(
                "start with recovery",
                format!("{middle:.0?} in the middle, {longest:.0?} at most, of {starts}"),
            );
        }
        self.demand(breaches.is_empty(), || breaches.to_string());
        // Each of these situations must have been reached.
        for (what, count) in [
            ("a repeat", tallied.repeats),
            ("a fault", tallied.faults),
            ("a read of the subscription", tallied.read),
            ("a page of a feed", tallied.fed),
            ("a delivery", tallied.around.delivered.events),
            ("a polled item", tallied.around.items),
            ("a question for the books", tallied.around.books),
        ] {
            self.demand(count > 0, || format!("{what} never happened"));
        }
    }

    /// What it tells of the systems that the node calls.
    fn around(&mut self, tallied: &Tallied) {
        let (around, breaches) = (&tallied.around, &tallied.breaches);
        let (delivered, count) = (&around.delivered, |breach| breaches.count(breach));
        self.say(
            "events delivered, signed, in order per key",
            delivered.events,
        );
        self.say(
            "acknowledged or polled and not delivered",
            count(Breach::Undelivered),
        );
        self.say(
            "deliveries repeated because the sink did not say that it was done",
            delivered.asked_for,
        );
        self.say(
            "deliveries repeated because there was no receipt on disk at the end of the process",
            delivered.unreceipted,
        );
        self.say(
            "deliveries repeated without a reason",
            count(Breach::Unexplained),
        );
        self.say(
            "repeats at a receiver that honours the key",
            count(Breach::DeliveredTwice),
        );
        self.say(
            "deliveries against the order of their key",
            count(Breach::Disordered),
        );
        self.say(
            "deliveries of what was not on disk",
            count(Breach::Premature),
        );
        self.say(
            "items polled",
            format!(
                "{}, on {} pages, {} of them given again on purpose",
                around.items, around.pages, around.again
            ),
        );
        self.say("poll gaps", count(Breach::Unpolled));
        self.say(
            "books asked for",
            format!(
                "{} times, rows even {}, not to be judged {}",
                around.books, around.even, around.unknown
            ),
        );
        self.say("books that do not balance", count(Breach::Books));
    }

    pub(crate) fn good(&self) -> bool {
        self.problems.is_empty()
    }

    /// Keeps them in `target/proofs/NAME.figures`, unless it was but a part of the proof or does not hold.
    pub(crate) fn save(&self, workspace: &Workspace, part: bool) -> Result<()> {
        if part || !self.good() {
            return Ok(());
        }
        let path = file(workspace, self.proof);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = format!("{}\n\n{}\n", conditions(workspace)?, self.lines.join("\n"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// When, of which commit and on what.
///
/// # Errors
/// When the system does not tell.
pub(crate) fn conditions(workspace: &Workspace) -> Result<String> {
    let said = |command: &mut Command| stdout(command).map(|text| text.trim().to_owned());
    let date = said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let commit = said(
        workspace
            .command("git")
            .args(["rev-parse", "--short", "HEAD"]),
    )?;
    let system = said(Command::new("uname").args(["-srm"]))?;
    let disk = said(
        Command::new("df")
            .arg("--output=fstype")
            .arg(workspace.target()),
    )?;
    let disk = disk.lines().last().unwrap_or_default();
    let cpus = thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!(
        "{date}, commit {commit}; {system}, {cpus} processors, file system {disk}, load average {load} at the end."
    ))
}

/// Where the figures of a proof are kept.
pub(crate) fn file(workspace: &Workspace, proof: &str) -> PathBuf {
    workspace
        .target()
        .join("proofs")
        .join(format!("{proof}.figures"))
}

impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        for problem in &self.problems {
            writeln!(f, "\nPROBLEM: {problem}")?;
        }
        writeln!(
            f,
            "\nproof {}: {}",
            self.proof,
            if self.good() {
                "holds"
            } else {
                "DOES NOT HOLD"
            }
        )
    }
}

/// The middle one and the longest.
fn spread(times: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    Some((*sorted.get(sorted.len() / 2)?, *sorted.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_makes_it_fail() {
        let mut figures = Figures::new("kill");
        figures.demand(true, || "nothing".to_owned());
        assert!(figures.good());
        figures.demand(false, || "one was lost".to_owned());
        assert!(!figures.good());
        assert!(figures.to_string().contains("PROBLEM: one was lost"));
    }

    #[test]
    fn a_trial_in_which_nothing_happened_proves_nothing() {
        let mut figures = Figures::new("kill");
        figures.tallied(&Tallied::default());
        assert!(!figures.good());
    }

    #[test]
    fn the_middle_is_the_middle() {
        let times: Vec<Duration> = [5, 1, 3].map(Duration::from_secs).to_vec();
        assert_eq!(
            spread(&times),
            Some((Duration::from_secs(3), Duration::from_secs(5)))
        );
        assert_eq!(spread(&[]), None);
    }
}
