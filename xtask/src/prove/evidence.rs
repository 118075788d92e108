//! The chapter on evidence: what the proofs measured the last time each held.

use std::fs;

use anyhow::{Context, Result};

use super::{PROOFS, figures};
use crate::catalogue::Item;
use crate::workspace::Workspace;

/// Writes the chapter without running anything.
pub(crate) const ITEM: Item = Item {
    name: "evidence",
    about: "write the chapter on evidence from the figures of the last runs",
    run: |workspace, _| write(workspace).map(|()| true),
};

const PATH: &str = "docs/src/evidence.md";

const INTRODUCTION: &str = "# Evidence

What the long proofs measured, with the conditions of each run.
`cargo xtask prove` runs all of them and writes this chapter; `cargo xtask prove NAME` runs one.
A figure stands here only if its proof held.
Short samples of the proofs of kills and of power losses are part of `cargo xtask test`.

The proofs of kills and of power losses drive the real program over HTTP.
Sixteen connections send signed webhooks with unique identifiers, repeats of acknowledged ones, other content under known identifiers, bodies that cannot be mapped and bodies of more than half a mebibyte; a service publishes, a subscription reads everything, and two consumers fetch a feed of everything, one by cursor and one by the last event.
Two more systems outlive the node.
A sink takes signed deliveries in order per key, remembers each request with the life of the node in which it was made, and misbehaves now and then: late answers, 500 with and without the work done, 503 with `Retry-After`, connections closed without an answer.
A source is polled every second: a growing list behind a cursor, some pages with items that were there before, some out of order, some answered 500.
The content of each request follows from the seed and its number, so a checker that reads the log itself can tell whether an entry is what was sent.
After each end it demands that the log continues where it ended before (hash chain and content), that everything acknowledged since is in it under the identifier that was answered, that nothing stands in it twice, that the subscription has read the events in their order without a gap, and that both consumers were fed them in their order, without a gap and none twice, and that the log has every item before the furthest cursor that the source was asked with.
At the end everything that was acknowledged is sent once more and must be answered as a repeat, the source is polled to its end, and everything is delivered until the books say that nothing is pending; then the log is read again from its first frame on.
Everything the flow is for must have come to the sink, and nothing that was not on disk when its life of the node ended.
A request for an event that the sink said was done needs a reason: no receipt of it was on disk when a process between the two ended.
By first arrivals the order of each key is that of the log, and a successor came only if the receipt of its predecessor was on disk when that life ended.
The books must balance whenever they are asked for, every fifth life and at the end, and then say what the checker counted.
A request that was not answered is sent again, as senders do.

What the proofs do not show: a disk that confirms a sync and loses the data all the same, and damage of data at rest, of which the tests of the log take care.
";

/// Writes the chapter.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(workspace: &Workspace) -> Result<()> {
    let mut page = INTRODUCTION.to_owned();
    for proof in PROOFS.iter().filter(|proof| proof.name != ITEM.name) {
        let title = format!("\n## `cargo xtask prove {}`\n\n", proof.name);
        page += &title;
        page += &sentence(proof.about);
        page += ".\n\n";
        page += &fs::read_to_string(figures::file(workspace, proof.name))
            .unwrap_or_else(|_| "Not run since the figures were last cleared.\n".to_owned());
    }
    let path = workspace.root().join(PATH);
    fs::write(&path, page).with_context(|| format!("cannot write {PATH}"))?;
    println!("wrote {PATH}");
    Ok(())
}

/// With a capital letter at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_with_a_capital_letter() {
        assert_eq!(sentence("kill -9 at random"), "Kill -9 at random");
        assert_eq!(sentence(""), "");
    }
}
