//! Each rule of the machine, broken: which promise falls with it.

use super::search::{Scope, search, two_nodes};
use super::witness::Broken;
use crate::lease::machine::Rule;

#[test]
fn every_broken_rule_is_noticed() {
    use Broken::{EpochAgain, MovedByElection, SealNotSeen, TooSoon, TwoMayStart};
    let two = two_nodes();
    let handover = Scope {
        handover: true,
        ..two
    };
    let election = Scope {
        faults: 0,
        election: true,
        ..two
    };
    let delay = Scope {
        lock_delay: 8,
        ..two
    };
    // What is dead stays unended under this rule, so that nobody acts is found first.
    let safety = Scope {
        liveness: false,
        ..two
    };
    let table = [
        (Rule::DeadlineFromSending, two, TwoMayStart),
        (Rule::UnknownConfirmsNothing, two, TwoMayStart),
        (Rule::UnknownMayHaveHappened, handover, TwoMayStart),
        (Rule::ConflictEndsSession, two, TwoMayStart),
        (Rule::EndFirst, safety, TwoMayStart),
        (Rule::CountRestarts, election, MovedByElection),
        (Rule::OnlyFromEnded, two, TwoMayStart),
        (Rule::SealFirst, handover, SealNotSeen),
        (Rule::EpochGrows, two, EpochAgain),
        (Rule::OwnedByWriteOnly, handover, TwoMayStart),
        (Rule::StoppedWhileYielding, handover, TwoMayStart),
        (Rule::LockDelay, delay, TooSoon),
    ];
    let mut missed = Vec::new();
    for (rule, scope, promise) in table {
        let broken = Some(rule);
        let found = search(Scope { broken, ..scope });
        println!("{rule:?}: {found:?}");
        if found.broken != Some(promise) {
            missed.push((rule, promise, found));
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
