//! Agreement with the reference model.
//!
//! The reference is a model of this decision in Python, written before it and checked exhaustively.
//! It prints one line for each state: what is known, and what every region does. It knows neither
//! operators nor cursors, and who is stable is caught up in it. Below stand how many lines there are
//! and the SHA-256 of them, each with a line feed, sorted by their bytes; this is the same on every
//! machine, whatever the order in which the model walks.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use super::super::*;
use super::world::{each_state, endpoint, region, settings};

const LINES: usize = 672_600;
const DIGEST: &str = "95c4e6db04c51c090a754c9ee89429cdd621837a2d4f0fef0647257d0aefd0ec";

#[test]
fn every_decision_is_that_of_the_reference_model() {
    let mut lines = Vec::with_capacity(LINES);
    for count in [2, 3] {
        for setting in settings() {
            let walked = each_state(&setting, count, &mut |config, view| {
                lines.push(line(setting.word, setting.endpoints, count, config, view));
                ControlFlow::Continue(())
            });
            assert!(walked.is_continue());
        }
    }
    assert_eq!(lines.len(), LINES);
    lines.sort_unstable();
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    for line in &lines {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    let digest = hash.finish();
    let mut shown = String::new();
    for byte in digest.as_ref() {
        write!(shown, "{byte:02x}").unwrap();
    }
    assert_eq!(shown, DIGEST);
}

const REGION_LETTERS: [char; 3] = ['A', 'B', 'C'];
const ENDPOINT_LETTERS: [char; 2] = ['P', 'Q'];

/// A state and what every region does in it, in the spelling of the reference:
/// `topology/part|up|lease|role of each endpoint|reach, region by region|stable|owner|region:action…`.
fn line(word: &str, endpoints: u8, count: u8, config: &ShardConfig, view: &View) -> String {
    let mut line = format!("{word}|{}|{}|", set(view.up), set(view.lease_ok));
    for place in 0..endpoints {
        let role = match view.role(endpoint(place)) {
            Role::Active => "active",
            Role::Standby => "standby",
            Role::Down => "down",
            Role::Unknown => "unknown",
        };
        let comma = if place == 0 { "" } else { "," };
        write!(line, "{comma}{role}").unwrap();
    }
    line.push('|');
    for r in 0..count {
        for e in 0..endpoints {
            let closed = view.reach.get(region(r), endpoint(e)) == Breaker::Closed;
            line.push(if closed { '1' } else { '0' });
        }
    }
    let owner = view
        .owner
        .map_or('-', |owner| REGION_LETTERS[owner.region.index()]);
    write!(line, "|{}|{owner}|", set(view.stable)).unwrap();
    for r in 0..count {
        let space = if r == 0 { "" } else { " " };
        let letter = REGION_LETTERS[usize::from(r)];
        let decision = decide(config, view, region(r));
        write!(line, "{space}{letter}:{}", action(decision.action)).unwrap();
    }
    line
}

fn set(set: RegionSet) -> String {
    if set.is_empty() {
        return "-".to_owned();
    }
    set.iter()
        .map(|region| REGION_LETTERS[region.index()])
        .collect()
}

fn action(action: Action) -> String {
    match action {
        Action::Act { endpoint, .. } => format!("act:{}", ENDPOINT_LETTERS[endpoint.index()]),
        Action::Yield { to, .. } => format!("yield:{}", REGION_LETTERS[to.index()]),
        Action::Hold(_) => "hold".to_owned(),
        Action::Standby(_) => "standby".to_owned(),
        Action::Acquire => "acquire".to_owned(),
        Action::Stop(Why::Down) => "down".to_owned(),
        Action::Stop(_) => "stop".to_owned(),
    }
}
