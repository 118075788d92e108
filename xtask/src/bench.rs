//! Benches: each measures one promise side by side with its baseline, in one run, and prints both.
//!
//! A bench is a file in `bench/` with `pub(crate) const ITEM: Item` and one line below. It fixes
//! its conditions (connections, bodies, seconds), prints them with the figures, and as one JSON
//! object a line with `--json`.

mod build;
mod conditions;
mod deliver;
mod load;
mod node;
mod program;
mod receive;
mod request;
mod start;

use crate::catalogue::Item;

/// All benches, in the order in which they are listed.
pub(crate) const BENCHES: &[Item] = &[receive::ITEM, deliver::ITEM, start::ITEM];
