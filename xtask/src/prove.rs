//! Proofs that take too long for every change: crashes, power loss, many seeds.
//!
//! A proof is a file in `prove/` with `pub(crate) const ITEM: Item` and one line below. It states
//! the least amount of work that counts (kills, acknowledged events, virtual time) and fails when
//! it did less.

mod crash;
mod evidence;
mod figures;
mod fuzz;
mod kill;
mod power;
mod program;
mod sim;

use anyhow::Result;

use crate::catalogue::Item;
use crate::report::{Report, Tally};
use crate::workspace::Workspace;

/// All proofs, in the order in which they are listed and run.
pub(crate) const PROOFS: &[Item] = &[
    kill::ITEM,
    power::ITEM,
    sim::ITEM,
    fuzz::ITEM,
    evidence::ITEM,
];

/// Runs every proof in full, and writes the chapter on evidence.
///
/// # Errors
/// None of its own: what fails is counted.
pub(crate) fn all(workspace: &Workspace) -> Result<bool> {
    let mut report = Report::default();
    for proof in PROOFS {
        report.part(proof.name, || Ok(Tally::of((proof.run)(workspace, &[])?)));
    }
    let tally = report.close();
    println!("{tally}");
    Ok(tally.is_success())
}

/// Short runs of the proofs on real processes, for every change.
///
/// # Errors
/// When one cannot run at all.
pub(crate) fn samples(workspace: &Workspace) -> Result<Tally> {
    let sample = ["--sample".to_owned()];
    let mut sum = Tally::default();
    for proof in [kill::ITEM, power::ITEM] {
        println!("--- {}", proof.name);
        let missing = proof.name == power::ITEM.name && !power::possible();
        sum += match (missing, workspace.is_unattended()) {
            (false, _) => Tally::of((proof.run)(workspace, &sample)?),
            (true, false) => {
                println!("SKIPPED: power losses need a C compiler (cc)");
                Tally::SKIPPED
            }
            (true, true) => {
                println!("power losses need a C compiler (cc)");
                Tally::FAILED
            }
        };
    }
    Ok(sum)
}
